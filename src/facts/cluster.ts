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
  /** CIDRs in which addresses of nodes count. */
  readonly nodeRanges: readonly string[];
  /** Where node ports of Services are, kube-apiserver's `--service-node-port-range`. Absent: nobody has said. */
  readonly nodePorts?: PortRange;
  /** Nodes reach Services through OVN, so there need be no kube-proxy. Absent: kube-proxy serves nodes and what comes from outside. */
  readonly kubeProxyReplacement?: boolean;
  /** Another network plugin makes the pods' primary interfaces; ours are those of the networks that pods name. Absent: ours are all. */
  readonly nonPrimary?: boolean;
  /** Whether a KubeVirt machine has an address as long as it exists; otherwise each of its pods has one of its own. Absent: it has. */
  readonly keepVmIp?: boolean;
}

/** That a type which the cluster need not serve, or a database which need not be reachable, has been read; the key is the kind of its fact. */
export interface ServedFact {
  readonly key: string;
}

/**
 * Which names that an object would have in the northbound database are an older one's, so that its own have a digest behind them; derived. No
 * fact: none is, which is nearly always so. See `src/compile/name-collisions.ts`.
 */
export interface NameCollisionFact {
  /** `subnet/<name>` (ports), `node/<name>` (its group), `vip/<name>` or `ippool/<name>`. */
  readonly key: string;
  /** What it is the name of → who has it, for people. */
  readonly taken: Readonly<Record<string, string>>;
}
