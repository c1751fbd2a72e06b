// SPDX-License-Identifier: Apache-2.0

import { z } from "zod";
import type { Kube } from "../../../src/kube/kube.ts";
import { LEASES } from "../../../src/kube/resources.ts";
import type { PartName, PartRole } from "./parts.ts";

const LEASE = { namespace: "kube-system", name: "kube-ovn-controller" } as const;
const SPEC = z.object({ holderIdentity: z.string() });

/** The source of a process's role. */
export interface RoleSource {
  /** The pod that the process belongs to. */
  readonly podName: string | undefined;
  /** Runs ovn-appctl beside the process; empty where it fails. */
  appctl(args: readonly string[]): Promise<string>;
}

/** Whether a process of a part is in a role now. */
export async function inRole(kube: Kube, part: PartName, role: PartRole, source: RoleSource): Promise<boolean> {
  const follows = part === "nb" || part === "sb" ? "follower" : "standby";
  return ((await leads(kube, part, source)) ? "leader" : follows) === role;
}

async function leads(kube: Kube, part: PartName, { podName, appctl }: RoleSource): Promise<boolean> {
  if (part === "controller") return SPEC.parse((await kube.get(LEASES, LEASE)).spec).holderIdentity === podName;
  if (part === "northd") return (await appctl(["-t", "ovn-northd", "status"])).includes("active");
  const [database, name] = part === "nb" ? ["ovnnb", "OVN_Northbound"] : ["ovnsb", "OVN_Southbound"];
  const status = await appctl(["-t", `/run/ovn/${database}_db.ctl`, "cluster/status", name]);
  // A database that is not a member of a cluster has no such status, and serves alone.
  return status === "" || /^Role: leader/m.test(status);
}
