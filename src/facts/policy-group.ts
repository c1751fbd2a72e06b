// SPDX-License-Identifier: Apache-2.0

import type { LabelSelector } from "../api/label-selector.ts";
import type { NamedPortFact } from "./pod.ts";

/** Which groups the ports in one VPC of the pods of one profile are in; derived from the policies. A pod without it gets no port there. */
export interface ProfileFact {
  /** See {@link profileKey}. */
  readonly key: string;
  /** Sorted. */
  readonly groups: readonly string[];
  /** Those of the groups that not all of a pod's interfaces are in → the providers of those that are; absent where there is none. */
  readonly limited?: Readonly<Record<string, readonly string[]>>;
}

/** The key of the fact `profiles` for ports in a custom VPC, or in the default VPC where `vpc` is undefined. */
export function profileKey(profile: string, vpc: string | undefined): string {
  return vpc === undefined ? profile : `${profile}@${vpc}`;
}

/** The custom VPCs in which pods are that a selector selects; derived from the pods and their addresses. Absent where there is none. */
export interface GroupVpcsFact {
  /** The name of the selector's group in the default VPC. */
  readonly key: string;
  /** Sorted. */
  readonly vpcs: readonly string[];
}

/** The VPCs with which one has an active peering; derived by `src/compile/vpc/vpc-peers.ts`. Absent where there is none. */
export interface VpcPeersFact {
  /** Name of the VPC. */
  readonly key: string;
  /** Sorted. */
  readonly vpcs: readonly string[];
}

/** A group that some policy refers to; derived from the policies. */
export interface GroupFact {
  /** Its name in the northbound database. */
  readonly key: string;
  readonly group: GroupMeaning;
}

/** What a group consists of. */
export type GroupMeaning =
  | { readonly kind: "pods"; readonly selector: PodSelectorFact }
  | { readonly kind: "nodes"; readonly selector: LabelSelector }
  /** The addresses of a DNS name; `*.example.com` means every name below. */
  | { readonly kind: "domain"; readonly domain: string }
  /** Without kube-proxy: the addresses from which nodes send to Services, of those whose InternalIP is in `cidr` and in none of `except`. */
  | { readonly kind: "sources"; readonly cidr: string; readonly except: readonly string[] };

/** The groups of kind `sources` that a node may be in by its InternalIPs; derived. Absent where there is none. */
export interface NodeSourcesFact {
  /** Name of the node. */
  readonly key: string;
  /** Sorted. */
  readonly groups: readonly string[];
}

/**
 * Pods by labels. Both parts must hold: the namespace (exactly one, or by its labels; all of them where both are absent) and the
 * pod's own labels.
 */
export interface PodSelectorFact {
  /** Only ports in this custom VPC; where it is absent, only those in the default VPC. */
  readonly vpc?: string;
  readonly namespace?: string;
  readonly namespaceSelector?: LabelSelector;
  readonly podSelector: LabelSelector;
  /** Only pods one of whose containers calls this number by this name. */
  readonly port?: NamedPortFact;
  /** Of pods with several interfaces only those with one of these providers, sorted; all of them where it is absent. */
  readonly providers?: readonly string[];
}

/** The numbers that pods mean by one name of a port; derived from the pods. Its key is `TCP/http`. */
export interface PortNumbersFact {
  readonly key: string;
  /** Ascending. */
  readonly numbers: readonly number[];
}

/**
 * Whether any policy is there, so that nodes need the ACLs by which they always reach their own pods. Key `cluster`: a policy that
 * selects pods; key `securityGroups`: a SecurityGroup.
 */
export interface PolicyUseFact {
  readonly key: "cluster" | "securityGroups" | "subnets";
  readonly any: true;
}

/** The custom VPCs in which pods are that name a SecurityGroup for an interface there; derived. Absent where there is none. */
export interface SecurityGroupVpcsFact {
  /** Name of the group, which need not exist. */
  readonly key: string;
  /** Sorted. */
  readonly vpcs: readonly string[];
}

/** That a SecurityGroup exists; derived, so that its members are woken when it comes or goes, not when its rules change. */
export interface SecurityGroupPresenceFact {
  readonly key: string;
}
