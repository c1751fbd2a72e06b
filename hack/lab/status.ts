// SPDX-License-Identifier: Apache-2.0

import { readFileSync } from "node:fs";
import { Api } from "./api.ts";
import { isReady, type LabNodeObject } from "./cluster.ts";
import { findPart, logPath, partState } from "./part.ts";
import { allParts, allSpaces } from "./parts.ts";
import { type LabPaths, spacePaths } from "./paths.ts";
import type { ProcessState } from "./process.ts";
import { type LabSettings, readLabSettings } from "./settings.ts";
import { findSpace } from "./space.ts";

/** The state of one part. */
export interface PartStatus {
  readonly id: string;
  readonly state: ProcessState;
  /** Absent if it is dead. */
  readonly pid?: number;
  /** Resident memory in bytes. */
  readonly memory?: number;
  readonly log: string;
}

/** The state of one node according to the API server. */
export interface NodeStatus {
  readonly name: string;
  readonly ready: boolean;
  readonly addresses: readonly string[];
  readonly podCidrs: readonly string[];
}

/** The state of the lab. */
export interface LabStatus {
  readonly id: string;
  /** Nothing is dead or paused, and the API server knows all nodes. */
  readonly whole: boolean;
  /** Absent if there is no lab. */
  readonly settings?: LabSettings;
  readonly kubeconfig: string;
  /** The namespaces: holder's pid, or 0 if they are gone. */
  readonly spaces: Readonly<Record<string, number>>;
  readonly parts: readonly PartStatus[];
  /** Empty if the API server does not answer. */
  readonly nodes: readonly NodeStatus[];
}

/** Reads the state of the lab without changing it. */
export async function labStatus(paths: LabPaths): Promise<LabStatus> {
  const settings = readLabSettings(paths);
  const base = { id: paths.id, kubeconfig: paths.kubeconfig };
  if (settings === undefined) return { ...base, whole: false, spaces: {}, parts: [], nodes: [] };
  const spaces = Object.fromEntries(allSpaces(settings).map((name) => [name, findSpace(paths, name)?.holder.pid ?? 0]));
  const parts = allParts(paths, settings).map((part): PartStatus => {
    const state = partState(paths, part);
    const pid = findPart(paths, part)?.pid;
    const log = logPath(spacePaths(paths, part.space), part.name);
    return {
      id: part.id,
      state,
      log,
      ...(state === "dead" || pid === undefined ? {} : { pid, memory: residentBytes(pid) }),
    };
  });
  const nodes =
    parts.find(({ id }) => id === "apiserver")?.state === "running" ? await nodeStatuses(paths, settings) : [];
  const whole =
    Object.values(spaces).every((pid) => pid !== 0) &&
    parts.every(({ state }) => state === "running") &&
    nodes.length >= settings.nodes;
  return { ...base, whole, settings, spaces, parts, nodes };
}

function residentBytes(pid: number): number {
  try {
    const kilobytes = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1];
    return Number(kilobytes ?? 0) * 1024;
  } catch {
    return 0;
  }
}

async function nodeStatuses(paths: LabPaths, settings: LabSettings): Promise<readonly NodeStatus[]> {
  let api: Api | undefined;
  try {
    api = new Api(paths, settings);
    const { status, body } = await api.call("GET", "/api/v1/nodes", undefined, undefined, 3_000);
    if (status !== 200) return [];
    return (JSON.parse(body) as { readonly items: readonly LabNodeObject[] }).items.map((node) => ({
      name: node.metadata.name,
      ready: isReady(node),
      addresses: (node.status?.addresses ?? [])
        .filter(({ type }) => type === "InternalIP")
        .map(({ address }) => address),
      podCidrs: node.spec.podCIDRs ?? [],
    }));
  } catch {
    return [];
  } finally {
    api?.close();
  }
}

/** The status as text. */
export function formatLabStatus(status: LabStatus): string {
  const { settings } = status;
  if (settings === undefined) return `lab ${status.id}: down`;
  const lines = [
    `lab ${status.id}: ${status.whole ? "up" : "not whole"} (${settings.nodes} nodes, --cni ${settings.cni}, --ip-family ${settings.ipFamily})`,
    "",
  ];
  const lost = Object.entries(status.spaces).filter(([, pid]) => pid === 0);
  for (const [name] of lost) lines.push(`${name} has lost its namespaces`);
  const rows = status.parts.map(({ id, state, pid, memory }) => [
    id,
    state,
    pid?.toString() ?? "",
    memory === undefined ? "" : `${Math.round(memory / 2 ** 20)} MiB`,
  ]);
  lines.push(...table([["PART", "STATE", "PID", "MEMORY"], ...rows]), "");
  if (status.nodes.length === 0) lines.push("the API server does not answer");
  else
    lines.push(
      ...table([
        ["NODE", "READY", "ADDRESSES"],
        ...status.nodes.map((node) => [node.name, node.ready ? "yes" : "no", node.addresses.join(",")]),
      ]),
    );
  lines.push("", `export KUBECONFIG=${status.kubeconfig}`);
  return lines.join("\n");
}

function table(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}
