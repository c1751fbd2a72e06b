// SPDX-License-Identifier: Apache-2.0

import { isOvnProvider, OVN_PROVIDER } from "../../api/annotations.ts";
import { DEFAULT_VPC } from "../../api/names.ts";
import { parsePodCidr } from "../../contract/annotations.ts";
import type { SubnetContract } from "../../contract/subnet.ts";
import { acceptedSubnetOf } from "../../facts/accepted.ts";
import type { CustomObject } from "../../kube/object.ts";

/** The fields of kubeovn.io/v1 Subnet that are read here. */
interface SubnetSpec {
  readonly vpc?: string;
  readonly provider?: string;
  readonly cidrBlock?: string;
  readonly vlan?: string;
  readonly natOutgoing?: boolean;
  readonly gatewayType?: string;
  readonly mtu?: number;
}

interface SubnetStatus {
  readonly conditions?: readonly { readonly type: string; readonly status: string }[];
}

/** A Subnet, as far as it is read here. */
export type Subnet = CustomObject<SubnetSpec, SubnetStatus>;

/**
 * The contract of a Subnet under a controller that does not write contracts: its spec if condition `Ready` is true,
 * or the status's record of the active configuration. It is used during the minutes of an upgrade in which the daemon
 * is newer than the leading controller, and can be removed in the release after the first one that writes contracts.
 */
export function contractOfStatus({ spec, status, metadata }: Subnet): SubnetContract {
  // The active range may differ from the spec: see `ACCEPTED_ANNOTATION`.
  const accepted = acceptedSubnetOf(metadata);
  const written = (spec.cidrBlock ?? "").split(",").map((text) => text.trim());
  const texts = accepted === undefined ? written : Object.values(accepted.cidr);
  // A subnet that overlaps another, or the nodes' own network, is not accepted: a route to it would cut the node off.
  // The active configuration stays, also while the subnet is being deleted or has an invalid rule, which `Ready`
  // reports.
  const ready = status?.conditions?.some(({ type, status: value }) => type === "Ready" && value === "True") ?? false;
  const usable = ready || accepted !== undefined;
  // Other plugins' networks are not behind OVN, whatever their name.
  const overlay = !spec.vlan && isOvnProvider(spec.provider || OVN_PROVIDER);
  const routed = usable && overlay && (spec.vpc || DEFAULT_VPC) === DEFAULT_VPC;
  return {
    cidrs: routed ? texts.map(parsePodCidr).filter((cidr) => cidr !== undefined) : [],
    natOutgoing: spec.natOutgoing === true,
    gatewayType: spec.gatewayType === "centralized" ? "centralized" : "distributed",
    mtu: spec.mtu ?? 0,
  };
}
