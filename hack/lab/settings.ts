// SPDX-License-Identifier: Apache-2.0

import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import { replaceAtomically } from "../host/cache.ts";
import { LabError } from "./error.ts";
import type { LabPaths } from "./paths.ts";
import { hostLinkAddresses, type IpFamily, MAX_NODES } from "./topology.ts";

/** The network plugin of the cluster: Weft, Debian's `bridge` + `host-local` (the floor of measurements), or none. */
export type Cni = "weft" | "bridge" | "none";

/** The settings of a lab; kept in `.lab/lab.json` from `up` until `down`. */
export interface LabSettings {
  readonly nodes: number;
  readonly cni: Cni;
  readonly ipFamily: IpFamily;
  /** Whether kube-proxy runs on the nodes; otherwise Weft serves Services to nodes and to what is outside. */
  readonly kubeProxy: boolean;
  /** How many replicas ovn-central has: on the first nodes, which are those of the control plane. */
  readonly centrals?: 1 | 3;
  /** Whether OVN's databases are reached by TLS; the chart's default. */
  readonly tls?: boolean;
  /** Which /30 of 198.18.0.0/15 joins the host with the API server. */
  readonly hostBlock: number;
  /** The Debian suite of Weft's image where it is not the usual one: `WEFT_DEBIAN_SUITE` as last given. */
  readonly suite?: string;
}

/** The settings of the lab that is up (or half up), or undefined. */
export function readLabSettings(paths: LabPaths): LabSettings | undefined {
  try {
    return JSON.parse(readFileSync(paths.settings, "utf8")) as LabSettings;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT" || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Settings that a caller may choose; others are those of the running lab, else the default. */
export type SettingsChoice = Partial<
  Pick<LabSettings, "nodes" | "cni" | "ipFamily" | "kubeProxy" | "centrals" | "tls">
>;

/**
 * Decides and stores the settings. A running lab can grow, but its network plugin and families stay: rejects with
 * LabError `other-settings` if `choice` contradicts them.
 */
export async function decideSettings(paths: LabPaths, choice: SettingsChoice): Promise<LabSettings> {
  const old = readLabSettings(paths);
  const wrong = (what: string): LabError => new LabError("other-settings", `${what}; run "npm run lab -- down" first`);
  if (old !== undefined) {
    if (choice.cni !== undefined && choice.cni !== old.cni) throw wrong(`the lab is running with --cni ${old.cni}`);
    if (choice.ipFamily !== undefined && choice.ipFamily !== old.ipFamily)
      throw wrong(`the lab is up with --ip-family ${old.ipFamily}: leave the option out to use it, or`);
    if (choice.kubeProxy !== undefined && choice.kubeProxy !== (old.kubeProxy ?? true))
      throw wrong(`the lab is up ${choice.kubeProxy ? "without" : "with"} kube-proxy`);
    if (choice.nodes !== undefined && choice.nodes < old.nodes)
      throw wrong(`the lab is up with ${old.nodes} nodes and does not shrink`);
  }
  const nodes = choice.nodes ?? old?.nodes ?? 2;
  if (!Number.isInteger(nodes) || nodes < 1 || nodes > MAX_NODES) {
    throw new LabError("other-settings", `a lab has 1 to ${MAX_NODES} nodes, not ${nodes}`);
  }
  const centrals = choice.centrals ?? old?.centrals ?? 1;
  if (centrals > nodes)
    throw new LabError("other-settings", `${centrals} centrals need as many nodes, and there are ${nodes}`);
  const suite = process.env["WEFT_DEBIAN_SUITE"] ?? old?.suite;
  const settings: LabSettings = {
    nodes,
    cni: choice.cni ?? old?.cni ?? "weft",
    ipFamily: choice.ipFamily ?? old?.ipFamily ?? "ipv4",
    kubeProxy: choice.kubeProxy ?? old?.kubeProxy ?? true,
    centrals,
    tls: choice.tls ?? old?.tls ?? true,
    hostBlock: old?.hostBlock ?? freeBlock(paths),
    ...(suite === undefined ? {} : { suite }),
  };
  await replaceAtomically(paths.settings, (temporary) =>
    writeFile(temporary, `${JSON.stringify(settings, null, 2)}\n`),
  );
  return settings;
}

/** The block that the lab's id names, or the next that no interface of the host uses. */
function freeBlock(paths: LabPaths): number {
  const used = new Set(
    Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map((entry) => entry.address)),
  );
  let block = Number.parseInt(paths.id, 16) % 32_768;
  while (used.has(hostLinkAddresses(block).host)) block = (block + 1) % 32_768;
  return block;
}
