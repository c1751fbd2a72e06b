// SPDX-License-Identifier: Apache-2.0

import { CHASSIS_CONDITION } from "../../api/names.ts";
import { isObject } from "../../collections/plain.ts";
import { projectIp } from "../../facts/project-ip.ts";
import { factsOfKind } from "../../kinds/objects.ts";
import { KubeError, unlessNotFound } from "../../kube/errors.ts";
import type { Kube } from "../../kube/kube.ts";
import type { KubeObject, ObjectRef } from "../../kube/object.ts";
import { listEach } from "../../kube/pages.ts";
import { EVENTS, NODES, PODS, type ResourceType, SUBNETS, VPCS } from "../../kube/resources.ts";
import type { Pod } from "../../kube/types.ts";
import { EndpointError } from "../../reachability/endpoint.ts";
import { buildClusterModel, type ClusterModel, readObjects } from "../cluster-model.ts";
import { parsePod } from "../endpoint-arguments.ts";
import type { ExplainReport } from "../explain.ts";
import { readStatus } from "../status.ts";
import type { PodCommands } from "../tools/pod-commands.ts";
import { ToolError } from "../tools/targets.ts";
import { diagnoseAddresses } from "./addresses.ts";
import { diagnoseDrift } from "./drift.ts";
import { diagnoseEvents } from "./events.ts";
import { type Area, type Finding, isAbout } from "./finding.ts";
import { diagnoseNodes } from "./nodes.ts";
import { diagnoseOnNodes } from "./on-nodes.ts";
import { diagnoseSubnets, type RecordedAddresses } from "./subnets.ts";

/** The areas of `diagnose`. */
export const AREAS = ["all", "node", "subnet", "pod", "policy"] as const;

/**
 * What to check: an area, and an object of it by name (`NAMESPACE/NAME` of a pod or policy; a pod without a namespace
 * is of `default`).
 */
export interface DiagnoseQuestion {
  readonly area: (typeof AREAS)[number];
  readonly name?: string;
}

/**
 * Checks for problems, by the API server and, with `commands`, on the nodes and in the database. A part that the account may not read is a finding of its own; the
 * others are still checked. `namespace`: Weft's; `now`: ms since 1970. Rejects with a `KubeError` if the API server
 * cannot be reached, and with an `EndpointError` if there is no object of that name.
 */
export async function diagnoseCommand(
  kube: Kube,
  namespace: string,
  question: DiagnoseQuestion,
  now: number,
  commands?: Pick<PodCommands, "capture">,
): Promise<ExplainReport> {
  const { area } = question;
  const name = await existing(kube, question);
  const isAsked = (finding: Finding): boolean =>
    (area === "all" || finding.area === area || finding.area === "controller" || finding.severity === "unchecked") &&
    (name === undefined || isAbout(finding, name));
  const reading = readObjects(kube);
  const warnings: string[] = [];
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
      // Without the right to read them, the status of the subnets has to do.
      const ips = await reading.then((objects) => objects.get("ips")).catch(() => undefined);
      return [...leads, ...blocked, ...diagnoseSubnets(status, recordedIn([...(ips?.values() ?? [])]))];
    }),
    checked("node", "nodes, pods and addresses", async () => {
      const [objects, own] = await Promise.all([reading, collect<Pod>(kube, PODS, namespace)]);
      const model = buildClusterModel(objects);
      return [...diagnoseNodes(model, own), ...diagnoseAddresses(model, objects, now)];
    }),
    checked("pod", "Events", async () => {
      // Events outlive their objects and the problems of nodes. If the account may not read objects, every Event is shown.
      const [events, objects] = await Promise.all([collect(kube, EVENTS), reading.catch(() => undefined)]);
      const isGone = ({ object, problem }: Finding): boolean => {
        const [kind, name = ""] = object.split(" ", 2);
        const followed = factsOfKind(kind ?? "");
        if (followed !== undefined && objects?.get(followed)?.has(name) === false) return true;
        const solved = kind === "Node" && CHASSIS_REASONS.includes(problem);
        return solved && objects !== undefined && !hasCondition(objects.get("nodes")?.get(name), CHASSIS_CONDITION);
      };
      return diagnoseEvents(events, now, (finding) => isAsked(finding) && !isGone(finding));
    }),
    commands === undefined || area === "policy"
      ? []
      : checked("node", "nodes by commands on them", async () => {
          const attempt = async (
            what: string,
            look: () => Promise<readonly Finding[]>,
          ): Promise<readonly Finding[]> => {
            try {
              return await look();
            } catch (error) {
              if (!(error instanceof ToolError)) throw error;
              warnings.push(`${what} not looked at: ${error.message}`);
              return [];
            }
          };
          const { capture } = commands;
          const model = buildClusterModel(await reading);
          const node = nodeAsked(area, name, model);
          const looks = [
            attempt("nodes were", () =>
              diagnoseOnNodes(model, { kube, namespace, capture, ...(node !== undefined && { node }) }),
            ),
            ...(area === "all" ? [attempt("the database was", () => diagnoseDrift(kube, namespace, capture))] : []),
          ];
          return (await Promise.all(looks)).flat();
        }),
  ]);
  const findings = parts.flat().filter(isAsked);
  return { data: { findings }, text: formatFindings(findings), ok: findings.length === 0, warnings };
}

/** The node to look at, where the question is about one; absent: all. */
function nodeAsked(
  area: DiagnoseQuestion["area"],
  name: string | undefined,
  { facts }: ClusterModel,
): string | undefined {
  if (name === undefined) return undefined;
  if (area === "node") return name;
  return area === "pod" ? facts.get("pods", name)?.node : undefined;
}

/** Reasons of Events about a node's chassis: while the problem lasts, the Node has the condition. */
const CHASSIS_REASONS: readonly string[] = ["ChassisMissing", "ChassisConflict"];

function hasCondition(object: KubeObject | undefined, type: string): boolean {
  const { status } = (object ?? {}) as { readonly status?: unknown };
  const conditions: unknown = isObject(status) ? status["conditions"] : undefined;
  return Array.isArray(conditions) && conditions.some((condition) => isObject(condition) && condition["type"] === type);
}

/** Counts the addresses that IP objects hold. */
function recordedIn(ips: readonly KubeObject[]): RecordedAddresses {
  const counts = new Map<string, number>();
  for (const ip of ips) {
    // The API server promises what the projection reads.
    const { subnet, v4, v6 } = projectIp(ip as never);
    for (const [family, address] of [[4, v4] as const, [6, v6] as const])
      if (address !== "") counts.set(`${subnet} ${family}`, (counts.get(`${subnet} ${family}`) ?? 0) + 1);
  }
  return (subnet, family) => counts.get(`${subnet} ${family}`) ?? 0;
}

/** The full name of the object that is asked about. Rejects with an `EndpointError` where there is none: nothing would be found wrong with it. */
async function existing(kube: Kube, { area, name }: DiagnoseQuestion): Promise<string | undefined> {
  if (name === undefined) return undefined;
  if (area === "all")
    throw new EndpointError(`${name} of what? Write one of: node ${name}, subnet ${name}, pod ${name}, policy ${name}`);
  // Policies are of several kinds, and some have no namespace.
  if (area === "policy") return name;
  const ref = area === "pod" ? parsePod(name, "default") : { name };
  const types = { node: [NODES], subnet: [SUBNETS, VPCS], pod: [PODS] }[area];
  const found = await Promise.all(types.map((type) => exists(kube, type, ref)));
  const full = area === "pod" && !name.includes("/") ? `default/${name}` : name;
  if (!found.includes(true)) throw new EndpointError(`there is no ${area} ${full}`);
  return full;
}

/** An object that the account may not read may exist. */
async function exists(kube: Kube, type: ResourceType, ref: ObjectRef): Promise<boolean> {
  try {
    return (await kube.get(type, ref).catch(unlessNotFound)) !== undefined;
  } catch (error) {
    if (isDenied(error)) return true;
    throw error;
  }
}

function isDenied(error: unknown): error is KubeError {
  return error instanceof KubeError && (error.code === "forbidden" || error.code === "unauthorized");
}

/** A part's findings, or that this account may not check it. */
async function checked(area: Area, what: string, look: () => Promise<readonly Finding[]>): Promise<readonly Finding[]> {
  try {
    return await look();
  } catch (error) {
    if (!isDenied(error)) throw error;
    return [
      {
        ...{ area, object: what, severity: "unchecked", problem: "could not be checked", evidence: error.message },
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

/** Findings as text, the most severe first. */
export function formatFindings(findings: readonly Finding[]): string {
  if (findings.length === 0) return "No problem was found.\n";
  const order = Object.keys(MARKS);
  return findings
    .toSorted((a, b) => order.indexOf(a.severity) - order.indexOf(b.severity))
    .map(
      ({ severity, object, problem, evidence, remedy }) =>
        `${MARKS[severity]} ${object}: ${problem}\n    seen in: ${evidence}\n    what to do: ${remedy}\n`,
    )
    .join("");
}
