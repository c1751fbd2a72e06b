// SPDX-License-Identifier: Apache-2.0

import { spell } from "../../api/composed-name.ts";
import { routerPortName, routerSwitchPortName } from "../../api/names.ts";
import { SUBNET_HOLDER } from "../../claims/subnet-addresses.ts";
import type { ClusterFact } from "../../facts/cluster.ts";
import type { IpFact } from "../../facts/ip.ts";
import type { FactReader } from "../../facts/store.ts";
import type { SubnetFact, SubnetGatewaysFact, SubnetSpecFact, VerdictFact } from "../../facts/subnet.ts";
import { hasLocalnet, isRouted, isUnderlay } from "../../facts/underlay.ts";
import { type Dual, dualValues } from "../../net/dual.ts";
import { customVpc } from "../../policy/pod-vpcs.ts";
import { destinationsOfAcls } from "../../policy/subnet-rules.ts";
import { type VirtualPort, virtualPortsIn } from "../../policy/virtual-ports.ts";
import type { Note } from "../effects.ts";
import { nameCollisionKey } from "../name-claims.ts";
import { subnetReferences } from "../references.ts";
import { proxiedAddresses } from "../service/vip-proxies.ts";
import { connectedRanges } from "../vpc/vpc-peerings.ts";
import { egressTableOwner } from "./subnet-egress.ts";
import { type Localnet, readLocalnet } from "./subnet-localnet.ts";
import { type MulticastInput, readMulticast } from "./subnet-multicast.ts";
import { readU2o, type U2oInput, type U2oSurroundings } from "./subnet-u2o.ts";
import { type SubnetVip, subnetVips } from "./subnet-vips.ts";

/** The inputs of a subnet's rows. */
export interface SubnetInput {
  readonly subnet: SubnetFact;
  readonly verdict: VerdictFact;
  /** The annotations that record its accepted configuration. */
  readonly records: SubnetSpecFact["records"];
  /** Whether it has any annotations. */
  readonly annotated: boolean;
  /** The node contract that has been written. */
  readonly nodeContract: SubnetSpecFact["nodeContract"];
  readonly cluster: ClusterFact;
  readonly multicast: MulticastInput;
  readonly vips: readonly SubnetVip[];
  /** Whether its switch has the load balancers of its VPC. */
  readonly balanced: boolean;
  /** Clients outside reach routers through it, so it has not what rejects clients of its VPC: see `LoadBalancer.inside`. */
  readonly isExternal: boolean;
  /** Only for a centralized subnet of the default VPC. */
  readonly gateways: SubnetGatewaysFact | undefined;
  /** Objects that the spec names and that do not exist. */
  readonly notes: readonly Note[];
  /** The other subnet that has the routing table which this one names for its egress gateway. */
  readonly egressTableOwner: string | undefined;
  /** The objects that have its addresses; read only while it is being deleted. */
  readonly holders: readonly string[];
  /** The join subnet's addresses, from which nodes reach pods; only for subnets that nodes reach. */
  readonly joinCidr: Dual<string>;
  /** The ranges of the VPC's other private subnets. */
  readonly privateCidrs: readonly string[];
  /** The ranges named in `acls` → the ports of the Services in them. */
  readonly virtualPorts: Readonly<Record<string, readonly VirtualPort[]>>;
  /** VIPs for which its router answers ARP and ND. */
  readonly proxied: readonly string[];
  /** The external network to which its switch is connected; only for subnets with a vlan. */
  readonly localnet: Localnet | undefined;
  readonly u2o: U2oInput;
  /** Only for subnets with a vlan and a port of the VPC's router. */
  readonly surroundings: U2oSurroundings;
  /** The records of its own addresses: of its querier, and of the router with `u2oInterconnection`. */
  readonly ownAddresses: readonly IpFact[];
  /** Names of the ports between its switch and its router. */
  readonly ports: { readonly router: string; readonly switch: string };
}

/** The subnet's neighbours are not known yet: it is not accepted. */
const UNJUDGED: VerdictFact = { key: "", ok: false, reason: "Pending", message: "the spec has not been validated yet" };

/** The remainder of a subnet that does not exist: the records of its own addresses, which were being written when the subnet was deleted. */
export interface OrphanedAddresses {
  readonly orphans: readonly IpFact[];
}

/** Reads the inputs of a subnet's unit; undefined if there is neither the subnet nor a record of an address of its own. */
export function readSubnet(reader: FactReader, key: string): SubnetInput | OrphanedAddresses | undefined {
  const subnet = reader.get("subnets", key);
  const cluster = reader.get("cluster", "cluster");
  const spec = reader.get("subnetSpecs", key);
  if (spec === undefined && subnet === undefined) {
    const orphans = reader.by("ips", "holder", `${SUBNET_HOLDER}${key}`);
    return orphans.length === 0 ? undefined : { orphans };
  }
  if (subnet === undefined || cluster === undefined) return undefined;
  const viaNodes = subnet.vpc === cluster.router && subnet.name !== cluster.joinSubnet;
  const taken = reader.get("nameCollisions", nameCollisionKey.subnet(key))?.taken ?? {};
  return {
    subnet,
    verdict: reader.get("verdicts", key) ?? UNJUDGED,
    records: spec?.records ?? {},
    annotated: spec?.annotated === true,
    nodeContract: spec?.nodeContract,
    cluster,
    multicast: readMulticast(reader, subnet),
    vips: subnetVips(reader, subnet),
    balanced: subnet.enableLb && reader.get("vpcs", subnet.vpc) !== undefined,
    isExternal: isExternal(reader, subnet),
    gateways: reader.get("subnetGateways", key),
    notes: subnetReferences(reader, subnet),
    joinCidr: viaNodes ? (reader.get("subnets", cluster.joinSubnet)?.cidr ?? {}) : {},
    privateCidrs: reader
      .by("subnets", "private", subnet.vpc)
      .flatMap(({ name, cidr }) => (name === key ? [] : dualValues(cidr))),
    virtualPorts: Object.fromEntries(
      destinationsOfAcls(subnet).map(
        (cidr) => [cidr, virtualPortsIn(reader, cidr, customVpc(reader, subnet))] as const,
      ),
    ),
    egressTableOwner: egressTableOwner(reader, subnet),
    holders: subnet.deleting ? holdersOf(reader, key) : [],
    proxied: proxiedAddresses(reader, key),
    localnet: readLocalnet(reader, subnet),
    u2o: readU2o(reader, subnet),
    surroundings: surroundingsOf(reader, subnet, cluster),
    ownAddresses: reader.by("ips", "holder", `${SUBNET_HOLDER}${key}`),
    ports: {
      router: spell(routerPortName(subnet.vpc, key), taken["router-port"] !== undefined),
      switch: spell(routerSwitchPortName(key, subnet.vpc), taken["switch-port"] !== undefined),
    },
  };
}

/** The other subnets to which the VPC's router is connected, if it has a port in a subnet of an external network. */
function surroundingsOf(reader: FactReader, subnet: SubnetFact, { router }: ClusterFact): U2oSurroundings {
  const isDefaultVpc = subnet.vpc === router;
  if (!hasLocalnet(subnet) || !isRouted(subnet)) return { isDefaultVpc, overlay: [], underlay: [] };
  const others = connectedRanges(reader, subnet.vpc).filter((range) => range.subnet !== subnet.name);
  const rangesOf = (isOutside: boolean): readonly string[] =>
    others.flatMap((range) => (range.isOutside === isOutside ? range.cidr : []));
  return { isDefaultVpc, overlay: rangesOf(false), underlay: rangesOf(true) };
}

/** The objects that still have addresses in a subnet. */
function holdersOf(reader: FactReader, subnet: string): readonly string[] {
  const ips = reader.by("ips", "subnet", subnet).map((ip) => ip.name);
  return [...ips, ...reader.by("addressHolders", "subnet", subnet).map(({ who }) => who)];
}

/** Whether routers of VPCs have ports in a subnet of a network outside, so that clients outside reach Services there. */
function isExternal(reader: FactReader, subnet: SubnetFact): boolean {
  return isUnderlay(subnet) && reader.by("vpcs", "external", subnet.name).length > 0;
}
