// SPDX-License-Identifier: Apache-2.0

import type { LabelSelector } from "../api/label-selector.ts";
import type { NamedPortFact } from "./pod.ts";

/** The groups of the ports in one VPC of the pods of one profile; derived from the policies. A pod without it gets no port there. */
export interface ProfileFact {
  /** See {@link profileKey}. */
  readonly key: string;
  /** Sorted. */
  readonly groups: readonly string[];
  /** Groups that contain only some of a pod's interfaces → the providers of these; absent if there are none. */
  readonly limited?: Readonly<Record<string, readonly string[]>>;
}

/** The key of the fact `profiles` for ports in a custom VPC, or in the default VPC if `vpc` is undefined. */
export function profileKey(profile: string, vpc: string | undefined): string {
  return vpc === undefined ? profile : `${profile}@${vpc}`;
}

/** The custom VPCs with pods that match a selector; derived from the pods and their addresses. Absent if there are none. */
export interface GroupVpcsFact {
  /** The name of the selector's group in the default VPC. */
  readonly key: string;
  /** Sorted. */
  readonly vpcs: readonly string[];
}

/** The VPCs with which a VPC has an active peering; derived by `src/compile/vpc/vpc-peers.ts`. Absent if there are none. */
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

/** The members of a group. */
export type GroupMeaning =
  | { readonly kind: "pods"; readonly selector: PodSelectorFact }
  | { readonly kind: "nodes"; readonly selector: LabelSelector }
  /** The addresses of a DNS name; `*.example.com` means every name below. */
  | { readonly kind: "domain"; readonly domain: string }
  /** Without kube-proxy: the addresses from which nodes send to Services, of those whose InternalIP is in `cidr` and in none of `except`. */
  | { readonly kind: "sources"; readonly cidr: string; readonly except: readonly string[] };

/** The groups of kind `sources` that may contain a node because of its InternalIPs; derived. Absent if there are none. */
export interface NodeSourcesFact {
  /** Name of the node. */
  readonly key: string;
  /** Sorted. */
  readonly groups: readonly string[];
}

/**
 * Pods by labels. Both parts must hold: the namespace (exactly one, or by its labels; all if both are absent) and the
 * pod's own labels.
 */
export interface PodSelectorFact {
  /** Only ports in this custom VPC; absent: only those in the default VPC. */
  readonly vpc?: string;
  readonly namespace?: string;
  readonly namespaceSelector?: LabelSelector;
  readonly podSelector: LabelSelector;
  /** Only pods with a container port of this name and number. */
  readonly port?: NamedPortFact;
  /** Only interfaces with one of these providers, sorted; absent: all. */
  readonly providers?: readonly string[];
}

/** The numbers of a named port in all pods; derived from the pods. Its key is `TCP/http`. */
export interface PortNumbersFact {
  readonly key: string;
  /** Ascending. */
  readonly numbers: readonly number[];
}

/**
 * Exists if there is any policy, so that the ACLs that allow nodes to reach their own pods are needed. Key `cluster`: a policy that
 * selects pods; key `securityGroups`: a SecurityGroup.
 */
export interface PolicyUseFact {
  readonly key: "cluster" | "securityGroups" | "subnets";
  readonly any: true;
}

/** The custom VPCs with pods that name a SecurityGroup for an interface there; derived. Absent if there are none. */
export interface SecurityGroupVpcsFact {
  /** Name of the group, which need not exist. */
  readonly key: string;
  /** Sorted. */
  readonly vpcs: readonly string[];
}

/** A SecurityGroup exists; derived, so that its members are triggered when it is created or deleted, not when its rules change. */
export interface SecurityGroupPresenceFact {
  readonly key: string;
}
