// SPDX-License-Identifier: Apache-2.0

import { NODE } from "../../api/annotations.ts";
import { PINGER_COMPONENT } from "../../api/names.ts";
import type { KubeObject } from "../../kube/object.ts";
import type { Pod } from "../../kube/types.ts";
import type { ClusterModel } from "../cluster-model.ts";
import type { Finding } from "./finding.ts";

/** Workloads of Weft with one pod on each node: label `app` → its component. Probers are optional, and a nodeSelector may leave out nodes. */
const OF_EACH_NODE = {
  "kube-ovn-cni": "weft-daemon",
  ovs: "Open vSwitch and ovn-controller",
  [PINGER_COMPONENT]: "weft-pinger",
} as const;

/** Problems of nodes, their chassis, their tunnels and Weft's pods on them. `own`: the pods in Weft's namespace. */
export function diagnoseNodes({ facts }: ClusterModel, own: readonly Pod[]): readonly Finding[] {
  const nodes = facts.all("nodes");
  const named = new Map(nodes.map(({ name, annotations }) => [annotations[NODE.chassis] ?? "", name]));
  return nodes.flatMap((node): readonly Finding[] => {
    const object = `Node ${node.name}`;
    const found: Finding[] = [];
    const add = (severity: Finding["severity"], problem: string, evidence: string, remedy: string): unknown =>
      found.push({ area: "node", object, severity, problem, evidence, remedy });
    if (!node.ready)
      add(
        "error",
        "is not Ready",
        "condition Ready of the Node",
        "see `kubectl describe node` and the log of its kubelet",
      );
    for (const { reason, message } of [
      node.chassisProblem,
      node.addressProblem,
      node.networksProblem,
      node.servicesProblem,
    ].flatMap((problem) => problem ?? []))
      add("error", reason, "a condition of the Node", message);
    const lost = node.annotations[NODE.unreachable];
    if (lost)
      add(
        "error",
        `all tunnels to ${named.get(lost) ?? `chassis ${lost}`} are down`,
        `annotation ${NODE.unreachable} of the Node, from BFD in the tunnels`,
        "check the network between the nodes: UDP 6081 (Geneve) both ways, and the MTU of the tunnel interfaces",
      );
    if (node.annotations[NODE.chassis] === undefined)
      add(
        "error",
        "its daemon has not reported a chassis",
        `the Node has no annotation ${NODE.chassis}`,
        "see the pod of DaemonSet kube-ovn-cni on the node",
      );
    for (const [app, what] of Object.entries(OF_EACH_NODE)) {
      const pods = own.filter((pod) => pod.metadata.labels?.["app"] === app && nodeOf(pod) === node.name);
      const isOptional = app === PINGER_COMPONENT;
      if (pods.some(isReady) || (isOptional && pods.length === 0)) continue;
      const state = pods.map(stateOf).join(", ") || "there is none";
      add(
        isOptional ? "warning" : "error",
        `not ready there: ${what}`,
        `pods with app=${app}: ${state}`,
        `see \`kubectl -n ${own[0]?.metadata.namespace ?? "kube-system"} describe pod -l app=${app}\` and its log`,
      );
    }
    return found;
  });
}

/** The node on which a pod of a DaemonSet runs, or for which it waits: until it is scheduled, the controller's affinity to the node's name tells that. */
function nodeOf({ spec = {} }: Pod): string | undefined {
  const terms = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  return spec.nodeName || terms.flatMap(({ matchFields = [] }) => matchFields.flatMap(({ values = [] }) => values))[0];
}

function isReady({ status }: Pod): boolean {
  return status?.conditions?.some(({ type, status: value }) => type === "Ready" && value === "True") === true;
}

function stateOf({ metadata, status }: Pod & KubeObject): string {
  return `${metadata.name} is ${status?.phase ?? "unknown"}, not Ready`;
}
