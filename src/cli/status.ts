// SPDX-License-Identifier: Apache-2.0

import { CONTROLLER_POD, NODE } from "../api/annotations.ts";
import { type Condition, findCondition } from "../api/conditions.ts";
import { CHASSIS_CONDITION } from "../api/names.ts";
import { ContractError } from "../contract/document.ts";
import { decodeNodeContract } from "../contract/node.ts";
import type { Kube } from "../kube/kube.ts";
import type { KubeObject } from "../kube/object.ts";
import { listEach } from "../kube/pages.ts";
import { readLease } from "../kube/published-lease.ts";
import { DAEMON_SETS, DEPLOYMENTS, NODES, PODS, type ResourceType, SUBNETS, VPCS } from "../kube/resources.ts";
import type { Part } from "../page/contract.ts";
import { leaderOf } from "../page/leader.ts";
import { partOf } from "../page/parts.ts";
import { formatTable } from "./table.ts";

/** An overview of the network, as data. */
export interface NetworkStatus {
  /** The leading controller, if it renews its Lease. */
  readonly leader: string | undefined;
  /** Why no controller is considered leading. */
  readonly leaderProblem: string | undefined;
  /** Controllers that do not lead although they could, each with its reason. */
  readonly blocked: readonly { readonly pod: string; readonly reason: string }[];
  /** Weft's workloads, with the pods that should run and those that are ready. */
  readonly parts: readonly Part[];
  /** DaemonSets that are kube-proxy's by their label. */
  readonly kubeProxies: readonly string[];
  readonly nodes: readonly {
    readonly name: string;
    /** The component that serves Services to the node and to clients outside, according to its contract. */
    readonly services: "weft" | "kube-proxy";
    readonly join: string;
    readonly chassis: string;
    /** The reason of the controller's condition about it. */
    readonly chassisProblem: string | undefined;
    readonly ready: boolean;
  }[];
  readonly vpcs: readonly { readonly name: string; readonly subnets: readonly string[]; readonly ready: string }[];
  readonly subnets: readonly {
    readonly name: string;
    readonly vpc: string;
    readonly cidr: string;
    readonly using: string;
    readonly available: string;
    readonly ready: string;
  }[];
}

type Loose = Readonly<Record<string, unknown>>;

/** core/v1 NodeCondition. */
export interface NodeCondition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
}

/** Reads Weft's state from the API server. `now`: the time, in ms since 1970. */
export async function readStatus(kube: Kube, namespace: string, now: number): Promise<NetworkStatus> {
  const [lease, controllers, nodes, vpcs, subnets, kubeProxies, deployments, daemons] = await Promise.all([
    readLease(kube, { namespace, name: "kube-ovn-controller" }),
    everything(kube, PODS, { namespace, labelSelector: "app=kube-ovn-controller" }),
    everything(kube, NODES),
    everything(kube, VPCS),
    everything(kube, SUBNETS),
    everything(kube, DAEMON_SETS, { labelSelector: "k8s-app=kube-proxy" }),
    everything(kube, DEPLOYMENTS, { namespace }),
    everything(kube, DAEMON_SETS, { namespace }),
  ]);
  const { name: leader, problem: leaderProblem } = leaderOf(lease, now);
  return {
    ...{ leader, leaderProblem },
    parts: [
      ...deployments.flatMap((object) => partOf("Deployment", object) ?? []),
      ...daemons.flatMap((object) => partOf("DaemonSet", object) ?? []),
    ],
    blocked: controllers.flatMap(({ metadata: { name, annotations = {} } }) => {
      const reason = annotations[CONTROLLER_POD.notLeading];
      return reason === undefined ? [] : [{ pod: name, reason }];
    }),
    kubeProxies: kubeProxies.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`),
    nodes: nodes.map(({ metadata, status }) => {
      const annotations = metadata.annotations ?? {};
      const conditions = ((status as Loose | undefined)?.["conditions"] ?? []) as readonly NodeCondition[];
      return {
        name: metadata.name,
        services: servesServices(annotations) ? "weft" : "kube-proxy",
        join: annotations[NODE.ipAddress] ?? "",
        chassis: annotations[NODE.chassis] ?? "",
        chassisProblem: conditions.find(({ type }) => type === CHASSIS_CONDITION)?.reason,
        ready: conditions.some(({ type, status: value }) => type === "Ready" && value === "True"),
      };
    }),
    vpcs: vpcs.map((vpc) => ({
      name: vpc.metadata.name,
      subnets: ((vpc.status as Loose | undefined)?.["subnets"] ?? []) as readonly string[],
      ready: readiness(vpc),
    })),
    subnets: subnets.map((subnet) => {
      const spec = (subnet.spec ?? {}) as Loose;
      const status = (subnet.status ?? {}) as Loose;
      const counts = (what: string): string =>
        (["v4", "v6"] as const)
          .filter(
            (family) =>
              status[`${family}usingIPrange`] !== undefined && hasFamily(String(spec["cidrBlock"] ?? ""), family),
          )
          .map((family) => String(status[`${family}${what}IPs`] ?? ""))
          .join(",");
      return {
        name: subnet.metadata.name,
        vpc: String(spec["vpc"] ?? ""),
        cidr: String(spec["cidrBlock"] ?? ""),
        using: counts("using"),
        available: counts("available"),
        ready: readiness(subnet),
      };
    }),
  };
}

/** The status as tables. */
export function formatStatus(status: NetworkStatus): string {
  const yes = (value: boolean): string => (value ? "yes" : "NO");
  return [
    [
      `Leader: ${status.leader ?? `none: ${status.leaderProblem}`}\n`,
      ...status.blocked.map(({ pod, reason }) => `${pod} does not lead: ${reason}.\n`),
      servicesText(status),
    ].join(""),
    formatTable(
      ["PART", "READY"],
      status.parts.map(({ kind, name, ready, wanted }) => [
        `${kind} ${name}`,
        ready < wanted ? `NO: ${ready} of ${wanted}` : `${ready} of ${wanted}`,
      ]),
    ),
    formatTable(
      ["NODE", "READY", "JOIN ADDRESS", "CHASSIS"],
      status.nodes.map(({ name, ready, join, chassis, chassisProblem }) => {
        const which = chassisProblem === undefined ? chassis : `NO: ${chassisProblem} ${chassis}`;
        return [name, yes(ready), join || "-", which || "-"];
      }),
    ),
    formatTable(
      ["VPC", "READY", "SUBNETS"],
      status.vpcs.map(({ name, ready, subnets }) => [name, ready, subnets.join(",") || "-"]),
    ),
    formatTable(
      ["SUBNET", "READY", "VPC", "CIDR", "USED", "FREE"],
      status.subnets.map(({ name, ready, vpc, cidr, using, available }) => [name, ready, vpc, cidr, using, available]),
    ),
  ].join("\n");
}

/** Whether the contract of a node has Services; false for a malformed contract. */
function servesServices(annotations: Readonly<Record<string, string>>): boolean {
  try {
    return decodeNodeContract(annotations)?.services !== undefined;
  } catch (error) {
    if (error instanceof ContractError) return false;
    throw error;
  }
}

/** The component that serves Services to nodes and to clients outside, and contradictions. */
function servicesText({ nodes, kubeProxies }: NetworkStatus): string {
  if (nodes.length === 0) return "";
  const by = nodes.filter(({ services }) => services === "weft").length;
  const all = by === nodes.length;
  const who =
    by === 0 ? "kube-proxy" : all ? "Weft" : `Weft on ${by} of ${nodes.length} nodes, kube-proxy on the others`;
  const found = kubeProxies.join(", ");
  const also = `  Warning: DaemonSet ${found} runs too; with kubeProxyReplacement it is not needed, and its rules stay until "kube-proxy --cleanup"\n`;
  const none =
    '  Warning: no DaemonSet has the label k8s-app=kube-proxy; unless kube-proxy runs in another form, set "kubeProxyReplacement: true"\n';
  return [
    `Services for nodes and clients outside: ${who}\n`,
    ...(by > 0 && found !== "" ? [also] : []),
    ...(!all && found === "" ? [none] : []),
  ].join("");
}

function hasFamily(cidr: string, family: "v4" | "v6"): boolean {
  return cidr.split(",").some((part) => part.includes(":") === (family === "v6"));
}

/** `yes`, or the reason why not. */
function readiness(object: KubeObject): string {
  const conditions = ((object.status as Loose | undefined)?.["conditions"] ?? []) as readonly Condition[];
  const ready = findCondition(conditions, "Ready");
  if (ready === undefined) return "unknown";
  return ready.status === "True" ? "yes" : `NO: ${ready.reason ?? ""} ${ready.message ?? ""}`.trim();
}

async function everything(
  kube: Kube,
  type: ResourceType,
  which: { readonly namespace?: string; readonly labelSelector?: string } = {},
): Promise<readonly KubeObject[]> {
  return await Array.fromAsync(listEach<KubeObject>(kube, type, { ...which, pageSize: 500 }));
}
