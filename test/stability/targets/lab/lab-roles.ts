// SPDX-License-Identifier: Apache-2.0

import { z } from "zod";
import { run } from "../../../../hack/host/run.ts";
import type { ProcessId } from "../../../../hack/lab/process.ts";
import type { Kube } from "../../../../src/kube/kube.ts";
import { LEASES } from "../../../../src/kube/resources.ts";
import type { PartName, PartRole } from "../parts.ts";
import { podNameOf } from "./lab-processes.ts";

const LEASE = { namespace: "kube-system", name: "kube-ovn-controller" } as const;
const SPEC = z.object({ holderIdentity: z.string() });

/** Whether a process of a part is in a role now. */
export async function inRole(kube: Kube, part: PartName, role: PartRole, process: ProcessId): Promise<boolean> {
  return (
    ((await leads(kube, part, process)) ? "leader" : part === "nb" || part === "sb" ? "follower" : "standby") === role
  );
}

async function leads(kube: Kube, part: PartName, process: ProcessId): Promise<boolean> {
  if (part === "controller")
    return SPEC.parse((await kube.get(LEASES, LEASE)).spec).holderIdentity === podNameOf(process);
  if (part === "northd") return (await appctl(process, ["-t", "ovn-northd", "status"])).includes("active");
  const [database, name] = part === "nb" ? ["ovnnb", "OVN_Northbound"] : ["ovnsb", "OVN_Southbound"];
  const status = await appctl(process, ["-t", `/run/ovn/${database}_db.ctl`, "cluster/status", name]);
  // A database that is no member of a cluster has no such status, and serves alone.
  return status === "" || /^Role: leader/m.test(status);
}

async function appctl({ pid }: ProcessId, args: readonly string[]): Promise<string> {
  const command = [`--target=${pid}`, "--mount", "--net", "--", "ovn-appctl", "--timeout=5", ...args];
  const { code, stdout } = await run("nsenter", command, { allowFailure: true, timeoutMs: 10_000 });
  return code === 0 ? stdout : "";
}
