// SPDX-License-Identifier: Apache-2.0

/** One network that a pod names (Network Plumbing Working Group, "Kubernetes Network Custom Resource Definition", 4.1). */
export interface NetworkSelectionFact {
  readonly namespace: string;
  /** Of the NetworkAttachmentDefinition. */
  readonly name: string;
  /** What the interface is to be called; "" where the pod does not say. */
  readonly interface: string;
  /** The addresses that it asks for, without prefix lengths, by commas; "" for none. */
  readonly ips: string;
  /** The MAC that it asks for; "" for none. */
  readonly mac: string;
  /** The gateways that it asks for as those of the pod's default routes, by commas (`default-route`); absent for none. */
  readonly gateways?: string;
  /** It takes the place of the pod's primary network (Multus' annotation `v1.multus-cni.io/default-network`). */
  readonly isDefault?: true;
}

/** One interface that a pod has, as Multus says in `k8s.v1.cni.cncf.io/network-status` (the same specification, 5). */
export interface AttachedInterfaceFact {
  /** Of the NetworkAttachmentDefinition: `namespace/name`. */
  readonly network: string;
  /** Its addresses, and its MAC. */
  readonly addresses: readonly string[];
}

/** One NetworkAttachmentDefinition: what its configuration wants of us. */
export interface NetworkAttachmentFact {
  /** `namespace/name`. */
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  /**
   * `ovn`: an interface on OVN; `ipam`: another plugin makes it and gets its address here; `other`: nothing; `unclear`: see `problem`.
   */
  readonly wants: "ovn" | "ipam" | "other" | "unclear";
  /** The message that says what is wrong with the configuration; "" where nothing is. */
  readonly problem: string;
  /** It asks for a kind of interface that is known and not made; it is `unclear` too. */
  readonly unsupported?: true;
}
