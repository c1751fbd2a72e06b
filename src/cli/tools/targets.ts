// SPDX-License-Identifier: Apache-2.0

import { OVN_PROVIDER } from "../../api/annotations.ts";
import { podPortName } from "../../api/port-names.ts";
import type { Kube } from "../../kube/kube.ts";
import { listEach } from "../../kube/pages.ts";
import { PODS } from "../../kube/resources.ts";
import type { Pod } from "../../kube/types.ts";

/** A tool that cannot be run, and why. */
export class ToolError extends Error {
  override readonly name: string = "ToolError";
}

/** A tool that this account may not run: other pods of the namespace would refuse it as well. */
export class LackingRight extends ToolError {
  override readonly name = "LackingRight";
}

/** The pod and container in which a program of OVN or Open vSwitch runs. */
export interface ToolTarget {
  readonly pod: string;
  readonly container: string;
  readonly command: readonly string[];
  /** The command ends when its standard input does, so the input must be kept open as long as the command is needed. */
  readonly endsWithInput?: true;
  /** It reads its standard input. */
  readonly readsInput?: true;
}

/** The tools that run beside a database of OVN, and the label of its leader. */
const CENTRAL = {
  nbctl: ["ovn-nbctl", "ovn-nb-leader"],
  sbctl: ["ovn-sbctl", "ovn-sb-leader"],
} as const;
/** The tools that run on a node. */
const NODE = { vsctl: "ovs-vsctl", ofctl: "ovs-ofctl", dpctl: "ovs-dpctl", appctl: "ovs-appctl" } as const;

/** A script ends with its input: without a terminal, nothing else in the pod notices that weftctl is gone, and what runs there would go on for ever. */
const UNTIL_INPUT_ENDS = `exec 3<&0
if [ ! -t 3 ]; then (exec <&3 3<&- >/dev/null 2>&1; while read -r _; do :; done; kill $$) & fi
`;

/** Tools for OVN's databases. */
export type CentralTool = keyof typeof CENTRAL;
/** Tools for a node's Open vSwitch. */
export type NodeTool = keyof typeof NODE;

/**
 * `ovn-nbctl ARGS` at the leader of the northbound database, `ovn-sbctl` likewise. Rejects with {@link ToolError} or
 * `KubeError`.
 */
export async function centralTarget(
  kube: Kube,
  namespace: string,
  tool: CentralTool,
  args: readonly string[],
): Promise<ToolTarget> {
  return { ...(await centralPod(kube, namespace, tool)), ...endedWithInput([CENTRAL[tool][0], ...args]) };
}

/** The container beside the leader of a tool's database. Rejects with {@link ToolError} or `KubeError`. */
export async function centralPod(
  kube: Kube,
  namespace: string,
  tool: CentralTool,
): Promise<Omit<ToolTarget, "command">> {
  const [, leader] = CENTRAL[tool];
  const pods = await podsOf(kube, namespace, `app=ovn-central,${leader}=true`);
  const pod = pods.find(hasReady) ?? pods[0];
  if (pod === undefined)
    throw new ToolError(
      `no pod in namespace ${namespace} has the labels app=ovn-central,${leader}=true: is ovn-central running?`,
    );
  return { pod: pod.metadata.name, container: "ovn-central" };
}

/** The command in such a script; but one with the argument `-` reads its input itself, as `ovs-ofctl add-flows br-int -` does. */
function endedWithInput(command: readonly string[]): Omit<ToolTarget, "pod" | "container"> {
  if (command.includes("-")) return { command, readsInput: true };
  return {
    command: ["bash", "-c", `${UNTIL_INPUT_ENDS}exec "$@" 3<&-`, "tool", ...command],
    endsWithInput: true,
  };
}

/** A tool of Open vSwitch on a node. Rejects with {@link ToolError} or `KubeError`. */
export async function nodeTarget(
  kube: Kube,
  namespace: string,
  tool: NodeTool,
  node: string,
  args: readonly string[],
): Promise<ToolTarget> {
  return { ...(await switchPod(kube, namespace, node)), ...endedWithInput([NODE[tool], ...args]) };
}

/** tcpdump on a pod's interface, at the node's end. Rejects with {@link ToolError} or `KubeError`. */
export async function captureTarget(
  kube: Kube,
  namespace: string,
  pod: { readonly namespace: string; readonly name: string },
  args: readonly string[],
): Promise<ToolTarget> {
  const { spec, status } = await kube.get<Pod>(PODS, pod);
  const key = `${pod.namespace}/${pod.name}`;
  if (spec?.hostNetwork === true) throw new ToolError(`pod ${key} is on its node's network; capture there`);
  if (!spec?.nodeName) throw new ToolError(`pod ${key} is not bound to a node yet`);
  if (status?.phase === "Succeeded" || status?.phase === "Failed") throw new ToolError(`pod ${key} has ended`);
  const port = podPortName(pod.name, pod.namespace, OVN_PROVIDER);
  // The API server validates the name of the port as a DNS name; it is still passed as an argument.
  const script = `interface=$(ovs-vsctl --data=bare --no-headings --columns=name find Interface "external_ids:iface-id=$1")
[ -n "$interface" ] || { echo "no interface on this node has iface-id $1" >&2; exit 1; }
shift
${UNTIL_INPUT_ENDS}exec tcpdump -nn -i "$interface" "$@" 3<&-`;
  return {
    ...(await switchPod(kube, namespace, spec.nodeName)),
    command: ["bash", "-c", script, "tcpdump", port, ...args],
    endsWithInput: true,
  };
}

/** The pods of Open vSwitch, one on each node. Rejects with {@link ToolError} or `KubeError`. */
export async function everySwitch(
  kube: Kube,
  namespace: string,
): Promise<readonly (Omit<ToolTarget, "command"> & { readonly node: string })[]> {
  return await everyPod(kube, namespace, "ovs", "openvswitch");
}

/** Where the daemon runs, on each node, and the loopback port of its pages. Rejects with {@link ToolError} or `KubeError`. */
export async function everyDaemon(
  kube: Kube,
  namespace: string,
): Promise<readonly (Omit<ToolTarget, "command"> & { readonly node: string; readonly healthPort: number | string })[]> {
  return await everyPod(kube, namespace, "kube-ovn-cni", "cni-server");
}

/** The number of nodes that are read concurrently. */
const CONCURRENT_NODES = 16;

/** Calls `read` for every node, for some concurrently. Resolves with a warning for each node that could not be read. Rejects with {@link LackingRight}: the other nodes would refuse it too. */
export async function readEach<N extends { readonly node: string }>(
  nodes: readonly N[],
  read: (node: N) => Promise<void>,
): Promise<readonly string[]> {
  const left = [...nodes];
  const warnings: string[] = [];
  const worker = async (): Promise<void> => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      try {
        await read(next);
      } catch (error) {
        if (error instanceof LackingRight) throw error;
        warnings.push(`node ${next.node} is left out: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  };
  await Promise.all(Array.from({ length: CONCURRENT_NODES }, worker));
  return warnings;
}

async function everyPod(kube: Kube, namespace: string, app: string, container: string): ReturnType<typeof everyDaemon> {
  const found = (await podsOf(kube, namespace, `app=${app}`)).flatMap(({ metadata, spec }) => {
    if (spec?.nodeName === undefined) return [];
    const probe = spec.containers?.find(({ name }) => name === container)?.livenessProbe;
    return [{ pod: metadata.name, container, node: spec.nodeName, healthPort: probe?.httpGet?.port ?? 10666 }];
  });
  if (found.length === 0)
    throw new ToolError(`no pod in namespace ${namespace} has the label app=${app}: is Weft installed there?`);
  return found;
}

/** The pods with that label `app`, or the one on `node`. Rejects with {@link ToolError} if there is none, or `KubeError`. */
export async function podsOfPart(
  kube: Kube,
  namespace: string,
  app: string,
  node: string | undefined,
): Promise<readonly string[]> {
  const pods = await podsOf(kube, namespace, `app=${app}`);
  if (pods.length === 0)
    throw new ToolError(`no pod in namespace ${namespace} has the label app=${app}: is Weft installed there?`);
  const found = node === undefined ? pods : pods.filter(({ spec }) => spec?.nodeName === node);
  if (found.length === 0) throw new ToolError(`no pod with app=${app} runs on node ${node}`);
  return found.map(({ metadata }) => metadata.name).sort();
}

/** A Ready pod with that label `app`, or any. Rejects with {@link ToolError} or `KubeError`. */
export async function podOf(kube: Kube, namespace: string, app: string): Promise<string> {
  const pods = await podsOf(kube, namespace, `app=${app}`);
  const pod = pods.find(hasReady) ?? pods[0];
  if (pod === undefined) throw new ToolError(`no pod in namespace ${namespace} has the label app=${app}`);
  return pod.metadata.name;
}

async function switchPod(kube: Kube, namespace: string, node: string): Promise<Omit<ToolTarget, "command">> {
  const pods = await podsOf(kube, namespace, "app=ovs");
  const pod = pods.find(({ spec }) => spec?.nodeName === node);
  if (pod === undefined) {
    const nodes = pods.flatMap(({ spec }) => spec?.nodeName ?? []).sort();
    throw new ToolError(
      `no pod of Open vSwitch runs on node ${node}; it runs on ${nodes.slice(0, 8).join(", ") || "none"}`,
    );
  }
  return { pod: pod.metadata.name, container: "openvswitch" };
}

async function podsOf(kube: Kube, namespace: string, labelSelector: string): Promise<readonly Pod[]> {
  return await Array.fromAsync(listEach<Pod>(kube, PODS, { namespace, labelSelector, pageSize: 500 }));
}

/** Whether a pod has the condition Ready. */
export function hasReady({ status }: Pod): boolean {
  return status?.conditions?.some(({ type, status: value }) => type === "Ready" && value === "True") === true;
}
