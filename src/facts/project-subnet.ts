// SPDX-License-Identifier: Apache-2.0

import { isOvnProvider, OVN_PROVIDER, SUBNET } from "../api/annotations.ts";
import type { SubnetSpec } from "../api/generated/subnet.ts";
import { DEFAULT_VPC, JOIN_SUBNET } from "../api/names.ts";
import { storable } from "../api/text.ts";
import { commaList } from "../collections/comma-list.ts";
import { parseIp } from "../net/address.ts";
import { type Dual, dualValues, formatDual } from "../net/dual.ts";
import { parseRange, rangeContains } from "../net/range.ts";
import { parseSubnetAddresses } from "../net/subnet-addresses.ts";
import { type AcceptedSubnet, acceptedSubnetOf, recordsIn } from "./accepted.ts";
import { customObjectFields, type ProjectedMeta } from "./meta.ts";
import { NOT_SUPPORTED, unsupportedFields } from "./not-supported.ts";
import type { SubnetFact, SubnetSpecFact } from "./subnet.ts";

/** What {@link projectSubnet} reads of a Subnet. */
export interface SubnetObject {
  readonly metadata: ProjectedMeta;
  readonly spec?: Partial<SubnetSpec>;
}

/** Inputs of some defaults: names of the cluster's own objects, and the controller's flags. */
export interface SubnetDefaults {
  readonly router: string;
  readonly joinSubnet: string;
  /** The default of `spec.enableLb`; true if absent. */
  readonly enableLb?: boolean;
}

const KUBE_OVN_DEFAULTS: SubnetDefaults = { router: DEFAULT_VPC, joinSubnet: JOIN_SUBNET };

type Problem = NonNullable<SubnetFact["problem"]>;

/**
 * The fact of a Subnet, its defaults filled in as Kube-OVN fills them. Fields that the object lacks are in `missing`, to be written back; the reason
 * why it is invalid is in `problem`, and then its addresses are empty: nothing is allocated from an invalid subnet.
 */
export function projectSubnet(subnet: SubnetObject, defaults: SubnetDefaults = KUBE_OVN_DEFAULTS): SubnetSpecFact {
  const { name } = subnet.metadata;
  const spec = subnet.spec ?? {};
  const nodeContract = subnet.metadata.annotations?.[SUBNET.nodeContract];
  const accepted = acceptedSubnetOf(subnet.metadata);
  // Invalid names match no node and must not be written to the database.
  const provider = storable(spec.provider || OVN_PROVIDER);
  const vpc = storable(spec.vpc || defaults.router);
  const addressing = projectAddressing(spec, accepted);
  const gatewayType = spec.gatewayType === "centralized" ? "centralized" : "distributed";
  const missing: Record<string, unknown> = { ...addressing.missing };
  if (!spec.provider) missing["provider"] = provider;
  if (!spec.vpc) missing["vpc"] = vpc;
  if (!spec.gatewayType && vpc === defaults.router && name !== defaults.joinSubnet)
    missing["gatewayType"] = gatewayType;
  // The join subnet has nodes only, whose packets kube-proxy has already translated.
  const joins = name === defaults.joinSubnet;
  // Subnets of nodes and of other plugins' interfaces do not choose the network of tunnels.
  const hasTunnels = !joins && isOvnProvider(provider);
  const enableLb = spec.enableLb ?? defaults.enableLb ?? true;
  if (spec.enableLb === undefined && !joins) missing["enableLb"] = enableLb;
  return {
    ...customObjectFields(subnet.metadata),
    isDefault: spec.default === true,
    vpc,
    provider,
    protocol: addressing.protocol,
    vlan: spec.vlan ?? "",
    ...projectRouting(spec, provider),
    cidr: addressing.cidr,
    gateway: addressing.gateway,
    excludeIps: addressing.excludeIps,
    vips: spec.vips ?? [],
    namespaces: spec.namespaces ?? [],
    namespaceSelectors: spec.namespaceSelectors ?? [],
    gatewayType,
    ...projectGatewayNodes(spec.gatewayNode ?? ""),
    gatewayNodeSelectors: spec.gatewayNodeSelectors ?? [],
    enableEcmp: spec.enableEcmp === true,
    natOutgoing: spec.natOutgoing === true,
    natRules: (spec.natOutgoingPolicyRules ?? []).map(({ action = "", match: { srcIPs = "", dstIPs = "" } = {} }) => ({
      action,
      srcIPs,
      dstIPs,
    })),
    egress: {
      gateway: spec.externalEgressGateway ?? "",
      table: spec.policyRoutingTableID ?? 0,
      priority: spec.policyRoutingPriority ?? 0,
    },
    enableDhcp: spec.enableDHCP === true,
    dhcpV4Options: spec.dhcpV4Options ?? "",
    dhcpV6Options: spec.dhcpV6Options ?? "",
    enableIpv6Ra: spec.enableIPv6RA === true,
    ipv6RaConfigs: spec.ipv6RAConfigs ?? "",
    enableLb: enableLb && !joins,
    enableMulticastSnoop: spec.enableMulticastSnoop === true,
    mtu: spec.mtu ?? 0,
    routeTable: storable(spec.routeTable ?? ""),
    nodeNetwork: hasTunnels ? storable(spec.nodeNetwork ?? "") : "",
    private: spec.private === true,
    allowSubnets: spec.allowSubnets ?? [],
    allowEwTraffic: spec.allowEWTraffic === true,
    acls: (spec.acls ?? []).map(({ direction, priority = 0, match = "", action }) => ({
      direction,
      priority,
      match,
      action,
    })),
    unsupported: [
      ...unsupportedFields(NOT_SUPPORTED.subnets, spec),
      ...(hasTunnels || !spec.nodeNetwork ? [] : ["nodeNetwork"]),
      ...(spec.vlan ? [] : unsupportedFields(["logicalGateway", "u2oInterconnection"], spec)),
    ],
    missing,
    annotated: subnet.metadata.annotations !== undefined,
    records: recordsIn(subnet.metadata.annotations),
    ...(addressing.problem === undefined ? {} : { problem: addressing.problem }),
    ...(accepted === undefined ? {} : { accepted }),
    ...(nodeContract === undefined ? {} : { nodeContract }),
  };
}

/** The subnet with its accepted addresses in place of those of its spec. Its exclusions are those of its spec, if they are valid. */
export function withAccepted(subnet: SubnetSpecFact): SubnetFact {
  const {
    accepted,
    nodeContract: _contract,
    annotated: _annotated,
    records: _records,
    problem: _problem,
    ...rest
  } = subnet;
  if (accepted === undefined) return rest;
  const { cidr, gateway } = accepted;
  const protocol = cidr.v4 && cidr.v6 ? "Dual" : cidr.v4 ? "IPv4" : "IPv6";
  // Defaults are not written to a spec that is not accepted.
  return { ...rest, protocol, cidr, gateway, missing: {} };
}

/** How a subnet with a vlan is connected to its VPC's router; the API server refuses both at once. */
function projectRouting(
  { vlan, logicalGateway, u2oInterconnection, u2oInterconnectionIP, u2oFeatures }: NonNullable<SubnetObject["spec"]>,
  provider: string,
): Pick<SubnetSpecFact, "logicalGateway" | "u2o"> {
  if (!vlan || !isOvnProvider(provider)) return { logicalGateway: false };
  if (logicalGateway === true) return { logicalGateway: true };
  const u2o = { ip: u2oInterconnectionIP ?? "", overlayOnly: u2oFeatures?.overlayOnlyRouting === true };
  return { logicalGateway: false, ...(u2oInterconnection === true && { u2o }) };
}

interface Addressing {
  readonly protocol: string;
  readonly cidr: Dual<string>;
  readonly gateway: Dual<string>;
  readonly excludeIps: readonly string[];
  readonly missing: Readonly<Record<string, unknown>>;
  readonly problem?: Problem;
}

function projectAddressing(spec: NonNullable<SubnetObject["spec"]>, accepted: AcceptedSubnet | undefined): Addressing {
  const excludeIps = [...(spec.excludeIps ?? [])];
  const text = spec.cidrBlock ?? "";
  const parsed = parseSubnetAddresses({ cidrBlock: text, gateway: spec.gateway, excludeIps });
  const problem = parsed.ok ? (text === "" && !spec.vlan ? WITHOUT_CIDR : undefined) : parsed.problems[0];
  if (!parsed.ok || problem !== undefined) {
    const unread = excludeIps.some((range) => parseRange(range) === undefined);
    return {
      protocol: spec.protocol ?? "",
      cidr: {},
      gateway: {},
      // If the exclusions are invalid, the accepted ones stay; if those are unknown, all addresses are excluded.
      excludeIps: unread ? (accepted?.excludeIps ?? Object.values(accepted?.cidr ?? {})) : excludeIps,
      missing: {},
      ...(problem !== undefined && { problem }),
    };
  }
  const { cidr, exclude } = parsed.addresses;
  if (text === "") {
    const missing = spec.protocol === "Mac" ? {} : { protocol: "Mac" };
    return { protocol: "Mac", cidr: {}, gateway: {}, excludeIps, missing };
  }
  const protocol = cidr.v4 && cidr.v6 ? "Dual" : cidr.v4 ? "IPv4" : "IPv6";
  for (const address of dualValues(parsed.addresses.gateway)) {
    if (!exclude.some((range) => rangeContains(range, address))) excludeIps.push(address.text);
  }
  excludeIps.sort();
  const gateway = texts(parsed.addresses.gateway);
  const missing: Record<string, unknown> = {};
  if (text !== formatDual(cidr)) missing["cidrBlock"] = formatDual(cidr);
  if (spec.protocol !== protocol) missing["protocol"] = protocol;
  if (!spec.gateway || (protocol === "Dual" && !spec.gateway.includes(","))) missing["gateway"] = joinDual(gateway);
  if (excludeIps.length !== (spec.excludeIps ?? []).length) missing["excludeIps"] = excludeIps;
  return { protocol, cidr: texts(cidr), gateway, excludeIps, missing };
}

const WITHOUT_CIDR: Problem = {
  reason: "InvalidCIDR",
  message: "spec.cidrBlock is empty; only a subnet with a vlan may have none",
};

function texts(dual: Dual<{ readonly text: string }>): Dual<string> {
  return { ...(dual.v4 && { v4: dual.v4.text }), ...(dual.v6 && { v6: dual.v6.text }) };
}

/** A dual value as Kube-OVN writes it: `v4`, `v6` or `v4,v6`. */
export function joinDual(dual: Dual<string>): string {
  return formatDual({
    ...(dual.v4 !== undefined && { v4: { text: dual.v4 } }),
    ...(dual.v6 !== undefined && { v6: { text: dual.v6 } }),
  });
}

/**
 * `spec.gatewayNode`: `n1,n2`, or `n1:ip,n2:ip` (a node may be named once for each family) where each node sends what it translates from that
 * address.
 */
function projectGatewayNodes(text: string): Pick<SubnetSpecFact, "gatewayNodes" | "gatewaySources"> {
  const names: string[] = [];
  const ips: string[] = [];
  const invalid: string[] = [];
  for (const entry of commaList(text)) {
    const colon = entry.indexOf(":");
    const name = colon < 0 ? entry : entry.slice(0, colon).trim();
    if (name !== "") names.push(name);
    if (colon < 0) continue;
    const address = entry.slice(colon + 1).trim();
    const ip = parseIp(address);
    if (ip === undefined) invalid.push(address);
    else ips.push(ip.text);
  }
  return { gatewayNodes: [...new Set(names)], gatewaySources: { ips, invalid } };
}
