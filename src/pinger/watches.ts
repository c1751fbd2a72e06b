// SPDX-License-Identifier: Apache-2.0

import { samePlain } from "../collections/plain.ts";
import { type Informer, informer } from "../kube/informer.ts";
import type { InformerTime } from "../kube/informer-options.ts";
import type { Kube, ListSelection } from "../kube/kube.ts";
import type { KubeObject } from "../kube/object.ts";
import { NODES, PODS, type ResourceType } from "../kube/resources.ts";
import type { Node, Pod } from "../kube/types.ts";
import type { PeerNode, ProbePeer } from "./targets.ts";

/** What a prober watches. */
export interface PingerWatches {
  readonly synced: boolean;
  whenSynced(signal: AbortSignal): Promise<void>;
  /** The running probers, on this node too. */
  readonly peers: readonly ProbePeer[];
  readonly nodes: readonly PeerNode[];
  start(): void;
  stop(): Promise<void>;
}

/** Creates the informers of a prober. Nothing is read before `start()`. */
export function pingerWatches(
  from: {
    readonly kube: Kube;
    /** Of the probers' pods. */
    readonly namespace: string;
    readonly labelSelector: string;
    readonly time?: InformerTime;
  },
  onError: (error: unknown, context: string) => void,
): PingerWatches {
  const { kube, namespace, labelSelector, time } = from;
  const watch = <T extends KubeObject, P>(
    type: ResourceType,
    project: (object: T) => P | undefined,
    which: ListSelection = {},
  ): Informer<P> =>
    informer<T, P>(kube, type, { project, equal: samePlain, fromMemory: true, onError, ...which, ...time });
  const pods = watch<Pod, ProbePeer>(PODS, peerOf, { namespace, labelSelector });
  const nodes = watch<Node, PeerNode>(NODES, peerNodeOf);
  const all = [pods, nodes];
  return {
    get synced() {
      return all.every(({ synced }) => synced);
    },
    async whenSynced(signal) {
      await Promise.all(all.map((each) => each.whenSynced(signal)));
    },
    get peers() {
      return [...pods.values()];
    },
    get nodes() {
      return [...nodes.values()];
    },
    start() {
      for (const each of all) each.start();
    },
    async stop() {
      await Promise.all(all.map((each) => each.stop()));
    },
  };
}

/** A prober whose pod should answer: it has an address, and does not end. */
export function peerOf({ metadata, spec = {}, status = {} }: Pod): ProbePeer | undefined {
  const podIps = status.podIPs?.map(({ ip }) => ip) ?? [];
  if (spec.nodeName === undefined || status.phase !== "Running" || podIps.length === 0) return undefined;
  if (metadata.deletionTimestamp !== undefined) return undefined;
  return { node: spec.nodeName, hostIp: status.hostIP ?? "", podIps };
}

/** A node with its InternalIPs. */
export function peerNodeOf({ metadata, status = {} }: Node): PeerNode | undefined {
  const addresses = status.addresses?.flatMap(({ type, address }) => (type === "InternalIP" ? address : [])) ?? [];
  return addresses.length === 0 ? undefined : { name: metadata.name, addresses };
}
