// SPDX-License-Identifier: Apache-2.0

import { KubeError } from "../../kube/errors.ts";
import type { Kube } from "../../kube/kube.ts";
import type { KubeObject } from "../../kube/object.ts";
import { listEach } from "../../kube/pages.ts";
import { EVENTS, PODS } from "../../kube/resources.ts";
import type { Pod } from "../../kube/types.ts";
import { buildClusterModel, readObjects } from "../cluster-model.ts";
import type { ExplainReport } from "../explain.ts";
import { readStatus } from "../status.ts";
import { diagnoseAddresses } from "./addresses.ts";
import { diagnoseEvents } from "./events.ts";
import type { Area, Finding } from "./finding.ts";
import { diagnoseNodes } from "./nodes.ts";
import { diagnoseSubnets } from "./subnets.ts";

/** What `diagnose` can be asked for. */
export const AREAS = ["all", "node", "subnet", "pod", "policy"] as const;

/** What to look at: an area, and an object of it by name (`NAMESPACE/NAME` of a pod or policy). */
export interface DiagnoseQuestion {
  readonly area: (typeof AREAS)[number];
  readonly name?: string;
}

/**
 * Looks for what is wrong, by the API server alone. A part that the account may not read is a finding of its own; the others are looked at all the same.
 * `namespace`: Weft's; `now`: ms since 1970. Rejects with a `KubeError` where the API server cannot be reached.
 */
export async function diagnoseCommand(
  kube: Kube,
  namespace: string,
  { area, name }: DiagnoseQuestion,
  now: number,
): Promise<ExplainReport> {
  const parts = await Promise.all([
    checked("controller", "the controller, subnets and VPCs", async () => {
      const status = await readStatus(kube, namespace, now);
      const leads: readonly Finding[] =
        status.leaderProblem === undefined
          ? []
          : [
              {
                ...{ area: "controller", object: "Deployment kube-ovn-controller", severity: "error" },
                ...{
                  problem: "no controller leads",
                  evidence: "Lease kube-ovn-controller",
                  remedy: status.leaderProblem,
                },
              },
            ];
      const blocked = status.blocked.map(({ pod, reason }): Finding => {
        const about = { area: "controller", object: `Pod ${namespace}/${pod}`, severity: "error" } as const;
        return { ...about, problem: "does not lead", evidence: "its annotation", remedy: reason };
      });
      return [...leads, ...blocked, ...diagnoseSubnets(status)];
    }),
    checked("node", "nodes, pods and addresses", async () => {
      const [objects, own] = await Promise.all([readObjects(kube), collect<Pod>(kube, PODS, namespace)]);
      const model = buildClusterModel(objects);
      return [...diagnoseNodes(model, own), ...diagnoseAddresses(model, now)];
    }),
    checked("pod", "Events", async () => diagnoseEvents(await collect(kube, EVENTS), now)),
  ]);
  const findings = parts
    .flat()
    .filter(
      (finding) =>
        area === "all" || finding.area === area || finding.area === "controller" || finding.severity === "unchecked",
    )
    .filter(({ object, severity }) => name === undefined || severity === "unchecked" || object.endsWith(` ${name}`));
  return { data: { findings }, text: formatFindings(findings), ok: findings.length === 0 };
}

/** A part's findings, or that this account may not look at it. */
async function checked(area: Area, what: string, look: () => Promise<readonly Finding[]>): Promise<readonly Finding[]> {
  try {
    return await look();
  } catch (error) {
    if (!(error instanceof KubeError) || (error.code !== "forbidden" && error.code !== "unauthorized")) throw error;
    return [
      {
        ...{ area, object: what, severity: "unchecked", problem: "could not be looked at", evidence: error.message },
        remedy: "use an account that may get and list these objects (--kubeconfig, --context)",
      },
    ];
  }
}

async function collect<T extends KubeObject = KubeObject>(
  kube: Kube,
  type: typeof PODS,
  namespace?: string,
): Promise<readonly T[]> {
  const query = { pageSize: 500, ...(namespace !== undefined && { namespace }) };
  return await Array.fromAsync(listEach<T>(kube, type, query));
}

const MARKS = { error: "✗", warning: "!", unchecked: "?" } as const;

/** Findings for people, the worst first. */
export function formatFindings(findings: readonly Finding[]): string {
  if (findings.length === 0) return "Nothing was found to be wrong.\n";
  const order = Object.keys(MARKS);
  return findings
    .toSorted((a, b) => order.indexOf(a.severity) - order.indexOf(b.severity))
    .map(
      ({ severity, object, problem, evidence, remedy }) =>
        `${MARKS[severity]} ${object}: ${problem}\n    seen in: ${evidence}\n    what to do: ${remedy}\n`,
    )
    .join("");
}
