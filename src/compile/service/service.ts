// SPDX-License-Identifier: Apache-2.0

import { SERVICE } from "../../api/annotations.ts";
import { foreignExternalName, foreignName, loadBalancerName, nodePortsName, repeatsName } from "../../api/names.ts";
import type { Fragment } from "../../desired/fragment.ts";
import type { UnitKind } from "../../desired/unit-kind.ts";
import {
  balancedAddresses,
  type EndpointSliceFact,
  type ProblemFact,
  type ServiceFact,
  type ServicePortFact,
  servicePortKey,
} from "../../facts/service.ts";
import type { FactReader } from "../../facts/store.ts";
import { annotate, type WeftEffect } from "../effects.ts";
import { FragmentBuilder } from "../fragment-builder.ts";
import { leavingSetId } from "../owner-ids.ts";
import { report } from "../reports.ts";
import { hostPort, isByNode, isV6, isZonal, targetsOf, usable } from "./endpoint-choice.ts";
import { addExternal, type ExternalService, readExternal, releaseAddresses } from "./external-balancer.ts";
import { isServed, type Taken, takenPorts } from "./external-conflicts.ts";
import { type HealthChecks, makeCheckSources, serviceHealth } from "./health-checks.ts";
import { addLocal } from "./internal-policy-local.ts";
import { addLoadBalancer } from "./load-balancer.ts";
import { slicesOnOvn } from "./secondary-endpoints.ts";
import { rangesOfServices } from "./service-ranges.ts";
import { repeatsOf } from "./service-repeats.ts";
import { addSameNode } from "./service-same-node.ts";
import { slicesInVpc, vpcOfService } from "./service-vpc.ts";
import { addZonal } from "./service-zones.ts";
import { isPlaced, type ServiceVips, vipsOfService } from "./switch-lb-vip-check.ts";

interface ServiceInput {
  readonly service: ServiceFact;
  /** The VPC that it is in. */
  readonly vpc: string;
  readonly defaultVpc: string;
  /** Nodes reach Services through OVN. */
  readonly replacement: boolean;
  readonly vpcExists: boolean;
  /** The ranges of ClusterIPs: addresses in them are balanced by their own Services. */
  readonly serviceRanges: readonly string[];
  readonly slices: readonly EndpointSliceFact[];
  readonly vips: ServiceVips;
  /** Its addresses in an external subnet. */
  readonly external: ExternalService;
  /** The ports of external addresses that another Service has. */
  readonly taken: Taken;
  /** For a Service of another VPC: the ports of its addresses at which Services of the default VPC are served. */
  readonly servedInDefault: readonly string[];
  readonly health: HealthChecks;
  /** The addresses whose endpoints are not chosen by node. */
  readonly wide: readonly string[];
  /** The zones that have nodes, if endpoints have zone hints. */
  readonly zones: readonly string[];
  /** All nodes, if endpoints have node hints. */
  readonly nodes: readonly string[];
}

/**
 * A Service as pods of its VPC see it: one load balancer for each protocol, in the group that every switch of the VPC has. It is small, so a changed
 * endpoint rewrites a small row. The client's address is kept, so policies see the client.
 *
 * It has the cluster addresses, the VIPs, and those external addresses that kube-proxy would serve to pods: with all endpoints, whatever
 * `externalTrafficPolicy` is, as kube-proxy does for clients in the cluster. Node ports, and traffic that nodes send, are left to kube-proxy.
 */
export const serviceUnit: UnitKind<FactReader, ServiceInput, WeftEffect> = {
  name: "service",
  priority: 4,

  read(reader, key) {
    const service = reader.get("services", key);
    if (service === undefined) return undefined;
    const cluster = reader.get("cluster", "cluster");
    const all = slicesOnOvn(reader, reader.by("endpointSlices", "service", key));
    const defaultVpc = cluster?.router ?? "";
    const vpc = vpcOfService(reader, service, all, defaultVpc);
    const slices = slicesInVpc(reader, service, all, vpc);
    const vpcExists = reader.get("vpcs", vpc) !== undefined;
    const vips = vipsOfService(reader, service, slices, vpc, defaultVpc);
    const external = readExternal(reader, service, vpc);
    const { v4 = "", v6 = "" } = external.served?.given ?? {};
    const own = balancedAddresses(service).filter((one) => !service.nodeLocal || !service.addresses.includes(one));
    const wide = [...own, ...vips.addresses].filter((one) => one !== v4 && one !== v6);
    const hinted = (by: typeof isZonal): boolean => hintedFamilies(service, service.ports, wide, slices, by).length > 0;
    const zones = hinted(isZonal) ? reader.all("zones").map((zone) => zone.key) : [];
    const nodes = hinted(isByNode) ? reader.all("nodeNames").map((node) => node.key) : [];
    const health = serviceHealth(reader, service, vips.addresses, slices, vpc);
    const serviceRanges = rangesOfServices(reader);
    const replacement = cluster?.kubeProxyReplacement === true;
    const taken = takenPorts(reader, service, vpc, defaultVpc);
    const servedInDefault = vpc === defaultVpc ? [] : servedIn(reader, service, defaultVpc);
    const found = { service, vpc, defaultVpc, replacement, vpcExists, serviceRanges, slices, vips, external };
    return { ...found, taken, servedInDefault, health, wide, zones, nodes };
  },

  compile(input): Fragment<WeftEffect> {
    const { service, vpc, vpcExists, slices, servedInDefault } = input;
    const { uid, namespace, name } = service;
    const about = { resource: "services", namespace, name, uid } as const;
    const build = new FragmentBuilder();
    const { release, served } = input.external;
    const released = release === undefined ? [] : [releaseAddresses(service, release)];
    if (service.leftToOthers || !isPlaced(service, slices)) return build.finish(released);
    const foreign = input.defaultVpc !== "" && vpc !== input.defaultVpc;
    if (!vpcExists) {
      if (foreign) refuseInDefaultVpc(build, service, input.defaultVpc, servedInDefault);
      const message = `VPC "${vpc}" does not exist; pods cannot reach the Service at its addresses`;
      const missing = report(about, [{ path: "metadata.annotations", reason: "VpcNotFound", message }]);
      return build.finish([...released, ...missing]);
    }
    if (service.nodeLocal) addLocal(build, service, vpc, slices);
    for (const protocol of ["TCP", "UDP", "SCTP"] as const) {
      addCluster(build, input, protocol);
      if (input.replacement && !foreign) addNodePorts(build, service, vpc, slices, protocol);
    }
    if (foreign) refuseInDefaultVpc(build, service, input.defaultVpc, servedInDefault);
    else if (service.keepsClient) noteEndpoints(build, slices);
    if (served !== undefined) addExternal(build, service, vpc, served, slices, !foreign);
    const problems = [
      ...service.problems,
      ...slices.flatMap((slice) => slice.problems),
      ...input.vips.problems,
      ...input.health.problems,
      ...input.external.problems,
      ...input.taken.problems,
      ...(input.replacement && !foreign ? nodeLimits(service) : []),
    ];
    const annotations = service.vpc === "" ? {} : { [SERVICE.vpc]: service.vpc };
    return build.finish([
      ...released,
      ...report(about, problems),
      ...makeCheckSources(input.health),
      // Kube-OVN writes it when it sees an EndpointSlice, and tools read it there.
      ...(slices.length === 0
        ? []
        : annotate("services", { namespace, name, uid, annotations }, { [SERVICE.vpc]: vpc })),
    ]);
  },
};

/** Lets the replies of endpoints leave by their own node, where node ports are translated back: see `addNodeGateway`. */
function noteEndpoints(build: FragmentBuilder, slices: readonly EndpointSliceFact[]): void {
  const addresses = new Set(slices.flatMap(({ endpoints }) => endpoints.map(({ address }) => address)));
  for (const address of addresses)
    build.member("Address_Set", leavingSetId("local", isV6(address) ? 6 : 4), "addresses", address);
}

/** The differences, without kube-proxy, between a Service's spec and how nodes serve it. */
function nodeLimits({ stickyOutside }: ServiceFact): readonly ProblemFact[] {
  if (stickyOutside === undefined) return [];
  const message =
    "through node ports and external addresses, all clients that come to one node have one endpoint; set externalTrafficPolicy: Local to spread them over the nodes";
  return [{ path: "spec.sessionAffinity", reason: "NotSupported", message }];
}

/**
 * Without kube-proxy, node ports and external addresses of a Service with `internalTrafficPolicy: Local` and without `externalTrafficPolicy: Local`:
 * nodes translate them to a port of the ClusterIP of their own, where all endpoints are used.
 */
function addNodePorts(
  build: FragmentBuilder,
  service: ServiceFact,
  vpc: string,
  slices: readonly EndpointSliceFact[],
  protocol: ServicePortFact["protocol"],
): void {
  const ports = service.wide?.filter(({ of }) => of.protocol === protocol) ?? [];
  const vips = service.addresses.flatMap((address) =>
    ports.map(({ of, port }) => {
      const targets = usable(targetsOf(of, isV6(address), slices));
      return [hostPort(address, port), targets.map(({ text }) => text).join(",")];
    }),
  );
  if (vips.length > 0)
    addLoadBalancer(build, service, vpc, {
      name: nodePortsName(service.key, protocol),
      protocol,
      vips: Object.fromEntries(vips),
      affinity: service.affinity,
    });
}

/**
 * Refuses clients of the default VPC at the addresses of a Service of another VPC. Otherwise OVN would send them to
 * their node, and kube-proxy, which does not know VPCs, on to the pod with the endpoint's address in the default VPC.
 * Ports that the Service does not have are not served there. Ports at which a Service of the default VPC is served (`served`) are that Service's.
 */
function refuseInDefaultVpc(
  build: FragmentBuilder,
  service: ServiceFact,
  defaultVpc: string,
  served: readonly string[],
): void {
  const external = [...service.externalIps, ...service.ingressIps];
  for (const protocol of ["TCP", "UDP", "SCTP"] as const) {
    const ports = service.ports.filter((port) => port.protocol === protocol);
    const refuse = (name: string, addresses: readonly string[], inside: boolean): void => {
      const vips = addresses.flatMap((address) =>
        ports.flatMap((port) =>
          served.includes(servicePortKey(address, port)) ? [] : [[hostPort(address, port.port), ""]],
        ),
      );
      if (vips.length > 0)
        addLoadBalancer(build, service, defaultVpc, { name, protocol, vips: Object.fromEntries(vips), inside });
    };
    refuse(foreignName(service.key, protocol), service.addresses, false);
    refuse(foreignExternalName(service.key, protocol), external, true);
  }
}

function servedIn(reader: FactReader, service: ServiceFact, vpc: string): readonly string[] {
  const { addresses, externalIps, ingressIps, ports } = service;
  return [...addresses, ...externalIps, ...ingressIps].flatMap((address) =>
    ports.flatMap((port) => (isServed(reader, service, address, port, vpc) ? [servicePortKey(address, port)] : [])),
  );
}

/** The addresses at which clients on all nodes use the same endpoints, or those of their node or zone. */
function addCluster(
  build: FragmentBuilder,
  {
    service,
    vpc,
    slices,
    serviceRanges: ranges,
    wide,
    zones,
    nodes,
    health,
    taken,
    vips: { addresses: own },
  }: ServiceInput,
  protocol: ServicePortFact["protocol"],
): void {
  const { key, affinity } = service;
  const ports = service.ports.filter((port) => port.protocol === protocol);
  const families = (by: typeof isZonal): readonly boolean[] => hintedFamilies(service, ports, wide, slices, by);
  const zonal = zones.length === 0 ? [] : families(isZonal);
  const hinted = [...new Set([...zonal, ...(nodes.length === 0 ? [] : families(isByNode))])];
  for (const v6 of hinted) {
    const addresses = wide.filter((address) => isV6(address) === v6);
    const at = { service, vpc, protocol, v6, addresses, taken: taken.ports };
    addSameNode(build, at, slices, nodes);
    addZonal(build, at, slices, zonal.includes(v6) ? zones : []);
  }
  const vips: Record<string, string> = {};
  for (const address of wide) {
    if (hinted.includes(isV6(address))) continue;
    for (const port of ports) {
      if (taken.ports.includes(servicePortKey(address, port))) continue;
      const targets = usable(targetsOf(port, isV6(address), slices));
      vips[hostPort(address, port.port)] = targets.map(({ text }) => text).join(",");
    }
  }
  if (Object.keys(vips).length === 0) return;
  const name = loadBalancerName(key, protocol);
  const checks = own.length > 0 && protocol !== "SCTP" ? { checks: health.mappings } : {};
  addLoadBalancer(build, service, vpc, { name, protocol, vips, affinity, ...checks });
  const repeats = affinity === 0 ? {} : repeatsOf(vips, ranges);
  if (Object.keys(repeats).length > 0)
    addLoadBalancer(build, service, vpc, { name: repeatsName(key, protocol), vips: repeats });
}

/**
 * The families (whether IPv6) in which endpoints of some port have hints. Services with affinity ignore them: northd makes no affinity flows for
 * template load balancers.
 */
function hintedFamilies(
  service: ServiceFact,
  ports: readonly ServicePortFact[],
  addresses: readonly string[],
  slices: readonly EndpointSliceFact[],
  by: typeof isZonal,
): readonly boolean[] {
  if (service.affinity > 0) return [];
  const families = [false, true].filter((v6) => addresses.some((address) => isV6(address) === v6));
  return families.filter((v6) => ports.some((port) => by(targetsOf(port, v6, slices))));
}
