// SPDX-License-Identifier: Apache-2.0

import type { Kube } from "../../kube/kube.ts";
import { PARTS } from "../tools/log.ts";
import { podOf, type ToolTarget } from "../tools/targets.ts";
import type { Finding } from "./finding.ts";

/** The output of `weft-controller plan` where nothing is to be done (`printPlan` in `src/controller/print-plan.ts`). */
const NOTHING = /^Nothing to do/;
/** Lines of a plan that are shown. */
const SHOWN = 3;

/**
 * Whether the northbound database is as the objects want it, by a plan of the controller's own program. What is only on its way is no finding: the plan is made twice, and only lines of both
 * count. Rejects with a `ToolError` or `KubeError`.
 */
export async function diagnoseDrift(
  kube: Kube,
  namespace: string,
  capture: (target: ToolTarget) => Promise<string>,
): Promise<readonly Finding[]> {
  const [app, container] = PARTS.controller;
  const pod = await podOf(kube, namespace, app);
  const plan = (): Promise<string> => capture({ pod, container, command: ["/opt/weft/bin/start-controller", "plan"] });
  const first = await plan();
  if (NOTHING.test(first)) return [];
  const before = new Set(changes(first));
  const lasting = changes(await plan()).filter((line) => before.has(line));
  if (lasting.length === 0) return [];
  const more = lasting.length > SHOWN ? ` and ${lasting.length - SHOWN} more lines` : "";
  return [
    {
      ...{ area: "controller", object: "OVN northbound database", severity: "error" },
      problem: "differs from what the objects say",
      evidence: `weft-controller plan: ${lasting.slice(0, SHOWN).join("; ")}${more}`,
      remedy:
        "does a controller lead (`weftctl status`)? If so, its log says why it does not write these rows, and Events on the objects have what the database refuses",
    },
  ];
}

/** Lines of a plan that name a row; rules for domain names are left out, because a new process does not know the DNS's answers. */
function changes(plan: string): readonly string[] {
  return plan.split("\n").filter((line) => /^[+~-] /.test(line) && !line.includes("weft.domain."));
}
