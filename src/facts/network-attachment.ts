// SPDX-License-Identifier: Apache-2.0

/** One network that a pod names (Network Plumbing Working Group, "Kubernetes Network Custom Resource Definition", 4.1). */
export interface NetworkSelectionFact {
  readonly namespace: string;
  /** Of the NetworkAttachmentDefinition. */
  readonly name: string;
  /** The name of the interface; "" if the pod does not set it. */
  readonly interface: string;
  /** The requested addresses, without prefix lengths, separated by commas; "" for none. */
  readonly ips: string;
  /** The requested MAC; "" for none. */
  readonly mac: string;
  /** The requested gateways of the pod's default routes, separated by commas (`default-route`); absent for none. */
  readonly gateways?: string;
  /** It replaces the pod's primary network (Multus' annotation `v1.multus-cni.io/default-network`). */
  readonly isDefault?: true;
}

/** One interface of a pod, as Multus reports it in `k8s.v1.cni.cncf.io/network-status` (the same specification, 5). */
export interface AttachedInterfaceFact {
  /** Of the NetworkAttachmentDefinition: `namespace/name`. */
  readonly network: string;
  /** Its addresses, and its MAC. */
  readonly addresses: readonly string[];
}

/** One NetworkAttachmentDefinition: what its configuration requires from us. */
export interface NetworkAttachmentFact {
  /** `namespace/name`. */
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  /**
   * `ovn`: an interface on OVN; `ipam`: another plugin creates it and gets its address here; `other`: not ours; `unclear`: see `problem`.
   */
  readonly wants: "ovn" | "ipam" | "other" | "unclear";
  /** The problem of the configuration, as a message; "" for none. */
  readonly problem: string;
  /** It requests a type of interface that is not supported; then it is `unclear` too. */
  readonly unsupported?: true;
}
