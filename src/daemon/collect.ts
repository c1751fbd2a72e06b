import { isHostLinkName } from "../node/link-names.ts";
import { EXTERNAL_ID, type PodPort } from "./ports.ts";

/** What the collection decides from. */
export interface CollectInput {
  /** Every pod port of ours on the integration bridge; `ovn0` and patch ports are not among them. */
  readonly ports: readonly PodPort[];
  /** Names of the node's veth interfaces. */
  readonly veths: readonly string[];
  /** uids of the pod of that name on this node; undefined: there is no such pod, or nothing is known. */
  uidsOf(namespace: string, name: string): readonly string[] | undefined;
  /** The node's pods are known; while they are not, no port is judged by its pod. */
  readonly podsKnown: boolean;
  /** Names of host ends that a request is at work on. */
  readonly busy: ReadonlySet<string>;
}

/** A leftover port and why it is one. */
export interface StalePort {
  readonly port: PodPort;
  readonly why: "no interface" | "no pod" | "another pod";
}

/** What is to be removed. */
export interface Leftovers {
  readonly ports: readonly StalePort[];
  /** Host ends of veth pairs that have no port. */
  readonly links: readonly string[];
}

/**
 * What a daemon that was killed half-way, or a node that was rebooted, has left. Pure.
 *
 * A port is stale when its interface is gone (the pod's namespace was removed, and the pair with it), or when its pod is: the
 * runtime has sent the DEL to nobody. An interface is stale when it is one that we name and no port has it.
 */
export function findLeftovers(input: CollectInput): Leftovers {
  const veths = new Set(input.veths);
  const ports: StalePort[] = [];
  const names = new Set<string>();
  for (const port of input.ports) {
    names.add(port.name);
    if (input.busy.has(port.name)) continue;
    const why = veths.has(port.name) ? judgeByPod(port, input) : "no interface";
    if (why !== undefined) ports.push({ port, why });
  }
  const gone = new Set(ports.map(({ port }) => port.name));
  const isLeft = (name: string): boolean => !input.busy.has(name) && (!names.has(name) || gone.has(name));
  const links = input.veths.filter((name) => isHostLinkName(name) && isLeft(name));
  return { ports, links };
}

/** Why a port that has its interface is a leftover, by what is known of the pod that it was made for. Pure. */
export function judgeByPod(
  port: PodPort,
  input: Pick<CollectInput, "podsKnown" | "uidsOf">,
): StalePort["why"] | undefined {
  if (!input.podsKnown) return undefined;
  const ids = port.externalIds;
  const [namespace, name] = [ids[EXTERNAL_ID.podNamespace], ids[EXTERNAL_ID.podName]];
  if (namespace === undefined || name === undefined) return undefined;
  const uids = input.uidsOf(namespace, name);
  if (uids === undefined) return "no pod";
  const uid = ids[EXTERNAL_ID.podUid];
  return uid === undefined || uid === "" || uids.includes(uid) ? undefined : "another pod";
}
