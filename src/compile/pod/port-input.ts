// SPDX-License-Identifier: Apache-2.0

import type { Placement } from "../../claims/migration.ts";
import { hasU2oRouter } from "../../claims/subnet-addresses.ts";
import type { IpFact } from "../../facts/ip.ts";
import type { NetworkSelectionFact } from "../../facts/network-attachment.ts";
import type { PodFact } from "../../facts/pod.ts";
import type { FactReader } from "../../facts/store.ts";
import type { SubnetFact } from "../../facts/subnet.ts";
import type { Dual } from "../../net/dual.ts";
import type { ExternalWay } from "../nat/eip-exclusion.ts";
import type { NatPair } from "../nat/nat-rule.ts";
import type { Localnet } from "../subnet/subnet-localnet.ts";
import { routerAddresses, u2oRouterOf } from "../subnet/subnet-u2o.ts";
import type { ExternalLink } from "../vpc/vpc-external.ts";

/** Addresses that a pod may send from besides its own: those of Vips that it names (`ovn.kubernetes.io/aaps`). */
export interface SharedAddresses {
  /** Sorted; empty for most pods. */
  readonly addresses: readonly string[];
}

/** The next hop of a pod's traffic to the outside, instead of its subnet's way out: annotation `ovn.kubernetes.io/north_gateway`. */
export interface NorthGateway {
  readonly hops: Dual<string>;
  /** Problems of the annotation. */
  readonly problems: readonly string[];
}

/**
 * The next hops of default routes of a subnet's pods: the gateway, or the VPC's router with `u2oInterconnection`. Undefined while the router has no address yet.
 */
export function podGateway(reader: FactReader, subnet: SubnetFact): Dual<string> | undefined {
  if (!hasU2oRouter(subnet)) return subnet.gateway;
  const router = u2oRouterOf(reader, subnet);
  return router && routerAddresses(subnet, router);
}

/** A translation of an external address that a pod names. */
export interface PodTranslation extends NatPair {
  readonly way: ExternalWay;
  readonly link: ExternalLink;
}

/** The external addresses of a pod by its annotations `eip` and `snat`. */
export interface ExternalAddresses {
  readonly translations: readonly PodTranslation[];
  /** The pod's own node translates the addresses of `eip`. */
  readonly distributed: boolean;
  /** What balances connections to the pod at the router, so that the gateway node translates them nevertheless; undefined if nothing does. */
  readonly balancer: string | undefined;
  /** The addresses for which an OvnEip must be created. */
  readonly missing: readonly { readonly address: string; readonly subnet: string; readonly way: ExternalWay }[];
  /** Why an annotation, or one address of it, has no effect. */
  readonly problems: readonly string[];
}

/** An interface with an address. */
export interface PortInput {
  readonly pod: PodFact;
  readonly node: string;
  /** The target pod of a virtual machine's migration. */
  readonly target?: Placement["target"];
  /** The record of its address, whose `provider` is the interface's. */
  readonly ip: IpFact;
  /** The network that its pod names for it; absent for the primary interface. */
  readonly network?: NetworkSelectionFact;
  /** Whether it is a port of OVN; otherwise only its address is managed here. */
  readonly onOvn: boolean;
  /** The subnet of its address; it is accepted. */
  readonly subnet: SubnetFact;
  /** The next hops of the pod's default routes; absent if they are not known yet, see {@link podGateway}. */
  readonly gateway?: Dual<string>;
  /** The external network of the subnet; absent if it has none. */
  readonly localnet?: Localnet;
  /** The custom VPC of the subnet; absent for the default VPC. */
  readonly vpc?: string;
  /** Addresses of the Vips that the pod may send from as well. */
  readonly shared: SharedAddresses;
  /** The next hop of its traffic to the outside, instead of its subnet's way out. */
  readonly north: NorthGateway;
  /** Its external addresses, by annotations of its pod. */
  readonly external: ExternalAddresses;
  /** Names of the groups that it is in. */
  readonly groups: readonly string[];
}
