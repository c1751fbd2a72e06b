import { NODE } from "../api/annotations.ts";
import { type Informer, type InformerTime, informer } from "../kube/informer.ts";
import type { Kube } from "../kube/kube.ts";
import { NODES } from "../kube/resources.ts";
import type { Node } from "../kube/types.ts";

/** What the daemon keeps of its own node. */
export interface NodeFact {
  readonly uid: string;
  /** Annotations of {@link NODE}. */
  readonly annotations: Readonly<Record<string, string>>;
  /** Condition NetworkUnavailable; undefined where nobody has set it. */
  readonly networkUnavailable: string | undefined;
}

const KEYS: readonly string[] = Object.values(NODE);

/** The narrow view of a node. */
export function nodeFact(node: Node): NodeFact {
  const all = node.metadata.annotations ?? {};
  return {
    uid: node.metadata.uid,
    annotations: Object.fromEntries(KEYS.flatMap((key) => (all[key] === undefined ? [] : [[key, all[key]]]))),
    networkUnavailable: node.status?.conditions?.find(({ type }) => type === "NetworkUnavailable")?.status,
  };
}

/** The node itself, and no other. kubelet writes its status every few seconds, which is not announced. */
export function nodeInformer(
  kube: Kube,
  name: string,
  onError: (error: unknown, context: string) => void,
  time: InformerTime = {},
): Informer<NodeFact> {
  return informer<Node, NodeFact>(kube, NODES, {
    fieldSelector: `metadata.name=${name}`,
    project: nodeFact,
    equal: (a, b) => JSON.stringify(a) === JSON.stringify(b),
    onError,
    ...time,
  });
}

/** Writes the chassis that this node is in OVN. */
export async function annotateChassis(kube: Kube, name: string, chassis: string): Promise<void> {
  const body = { metadata: { annotations: { [NODE.chassis]: chassis } } };
  await kube.patch(NODES, { name }, { type: "merge", body });
}

/** Says that the node's network works: without it a cloud's node controller keeps pods away. */
export async function setNetworkAvailable(kube: Kube, name: string, now: Date): Promise<void> {
  const time = `${now.toISOString().slice(0, 19)}Z`;
  const condition = {
    type: "NetworkUnavailable",
    status: "False",
    reason: "WeftIsReady",
    message: "weft-daemon has set up ovn0 on this node",
    lastHeartbeatTime: time,
    lastTransitionTime: time,
  };
  // By server-side apply, which merges conditions by type: a merge patch would replace kubelet's.
  const body = { apiVersion: "v1", kind: "Node", metadata: { name }, status: { conditions: [condition] } };
  await kube.patch(
    NODES,
    { name },
    { type: "apply", body, fieldManager: "weft-daemon", force: true },
    { subresource: "status" },
  );
}
