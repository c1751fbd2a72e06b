// SPDX-License-Identifier: Apache-2.0

import type { Dual } from "../net/dual.ts";
import type { PortRange } from "../net/port-range.ts";

/** The cluster's own settings (the controller's flags): one fact, key `cluster`. */
export interface ClusterFact {
  readonly key: "cluster";
  readonly router: string;
  readonly defaultSubnet: string;
  readonly joinSubnet: string;
  readonly serviceCidr: Dual<string>;
  /** Only addresses of nodes in these CIDRs are used. */
  readonly nodeRanges: readonly string[];
  /** The range of node ports, kube-apiserver's `--service-node-port-range`. Absent: not configured. */
  readonly nodePorts?: PortRange;
  /** Nodes reach Services through OVN, so kube-proxy is not needed. Absent: kube-proxy serves nodes and packets from outside. */
  readonly kubeProxyReplacement?: boolean;
  /** Another network plugin creates the pods' primary interfaces; ours are those of the networks that pods name. Absent: all are ours. */
  readonly nonPrimary?: boolean;
  /** Whether a KubeVirt virtual machine keeps its address as long as it exists; otherwise each of its pods has its own. Absent: it does. */
  readonly keepVmIp?: boolean;
  /** How many of 65,535 new connections that a policy decides are sampled (ovn-nb(5), `Sample_Collector.probability`). Absent: none. */
  readonly sampling?: number;
}

/** An optional type or database has been read; the key is the kind of its fact. */
export interface ServedFact {
  readonly key: string;
}

/**
 * The names of an object in the northbound database that an older object has already, so that a digest is appended to its own; derived. No fact:
 * none, which is nearly always so. See `src/compile/name-collisions.ts`.
 */
export interface NameCollisionFact {
  /** `subnet/<name>` (ports), `node/<name>` (its group), `vip/<name>` or `ippool/<name>`. */
  readonly key: string;
  /** Type of the name → the object that has it, for messages. */
  readonly taken: Readonly<Record<string, string>>;
}
