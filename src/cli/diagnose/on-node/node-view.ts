// SPDX-License-Identifier: Apache-2.0

import { isObject } from "../../../collections/plain.ts";

/** What a node is asked. */
export interface NodeLookQuestion {
  /** Nodes to which packets are sent through the tunnels, and their addresses on the join subnet. */
  readonly peers: readonly { readonly node: string; readonly addresses: readonly string[] }[];
  /** Interfaces of pods (`iface-id`) on physical networks whose addresses are probed for duplicates. */
  readonly probed: readonly string[];
  /** The node's own addresses, which are probed too. */
  readonly own: readonly string[];
}

/** An interface with its addresses (ip-address(8)). */
export interface LinkView {
  readonly name: string;
  readonly mtu: number;
  readonly up: boolean;
  readonly addresses: readonly string[];
}

/** A route of the main table (ip-route(8)): `default`, or a prefix; an address stands for itself. */
export interface RouteView {
  readonly destination: string;
  readonly device: string;
  readonly family: 4 | 6;
}

/** Segments and datagrams that a network namespace has received, and those with a wrong checksum (proc(5), /proc/net/snmp). */
export interface ChecksumCounters {
  readonly received: number;
  readonly wrong: number;
}

/** A pod's interface. */
export interface SeenPod {
  readonly port: string;
  /** `NAMESPACE/NAME`. */
  readonly pod: string;
  readonly interface: string;
  /** Inside of the pod; absent if there is no such interface. */
  readonly link?: LinkView;
  readonly routes: readonly RouteView[];
  readonly checksums: ChecksumCounters;
  /** Whether checksums are left to the device (ethtool(8), `tx-checksumming`). */
  readonly offload: boolean;
}

/** Echo requests through the tunnel to a node: answers to a small packet, and to one of the interface's MTU that may not be fragmented. */
export interface EchoView {
  readonly node: string;
  readonly address: string;
  readonly small: boolean;
  readonly full: boolean;
  /** Bytes of the large packet with its IP header. */
  readonly size: number;
}

/** An address that another machine has, too. */
export interface DuplicateView {
  readonly address: string;
  /** The pod `NAMESPACE/NAME` whose address it is; absent: the node's own. */
  readonly pod?: string;
  readonly mac: string;
}

/** A tracked UDP flow that a load balancer has translated. */
export interface TrackedView {
  readonly virtual: string;
  readonly port: number;
  readonly backend: string;
  readonly backendPort: number;
  readonly count: number;
}

/** What is seen on one node. */
export interface SeenNode {
  readonly links: readonly LinkView[];
  readonly routes: readonly RouteView[];
  /** The datapath of br-int is in user space: it does not complete checksums. */
  readonly userspace: boolean;
  /** The interface of the tunnels, and whether checksums are left to it. */
  readonly tunnel?: {
    readonly type: string;
    readonly address: string;
    readonly link: string;
    readonly mtu: number;
    readonly offload: boolean;
  };
  readonly checksums: ChecksumCounters;
  readonly pods: readonly SeenPod[];
  readonly echoes: readonly EchoView[];
  readonly duplicates: readonly DuplicateView[];
  readonly tracked: readonly TrackedView[];
  /** Commands that failed, and what they said. */
  readonly problems: readonly string[];
}

/** Parses what the node's program has printed. Throws for other text. */
export function readSeenNode(text: string): SeenNode {
  const view: unknown = JSON.parse(text);
  const lists = ["links", "routes", "pods", "echoes", "duplicates", "tracked", "problems"] as const;
  if (!isObject(view) || lists.some((list) => !Array.isArray(view[list])))
    throw new Error("its answer is not that of `weftctl diagnose-node`");
  // The node's program is Weft's own, of the type's shape.
  return view as unknown as SeenNode;
}
