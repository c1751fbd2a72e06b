// SPDX-License-Identifier: Apache-2.0

import { SERVICE } from "../api/annotations.ts";
import { HAIRPIN_SOURCE, loadBalancerName, repeatsName } from "../api/names.ts";
import type { Fragment } from "../desired/fragment.ts";
import type { UnitKind } from "../desired/unit-kind.ts";
import type { ClusterFact } from "../facts/cluster.ts";
import type { EndpointSliceFact, ServiceFact, ServicePortFact } from "../facts/service.ts";
import type { FactReader } from "../facts/store.ts";
import { parseIp } from "../net/address.ts";
import { cidrContains, parseCidr } from "../net/cidr.ts";
import { annotate, report, type WeftEffect } from "./effects.ts";
import { FragmentBuilder } from "./fragment-builder.ts";
import { loadBalancerGroupId } from "./owner-ids.ts";
import { externalIds } from "./rows.ts";
import { isPlaced, type ServiceVips, vipsOfService } from "./service-vip.ts";
import { vpcOfService } from "./service-vpc.ts";

interface ServiceInput {
  readonly service: ServiceFact;
  /** The VPC that it is in. */
  readonly vpc: string;
  /** Whether OVN balances it, if its VPC is there. */
  readonly balanced: boolean;
  readonly vpcExists: boolean;
  readonly serviceCidr: ClusterFact["serviceCidr"];
  readonly slices: readonly EndpointSliceFact[];
  readonly vips: ServiceVips;
}

/**
 * A Service as pods of its VPC see it: one load balancer for each protocol, in the group that every switch of the VPC has. It is small,
 * so an endpoint's change rewrites a small row; and the client's address stays, so that policies see who speaks.
 *
 * Only cluster addresses and VIPs are here. Node ports, external addresses and what nodes themselves send stay with kube-proxy, and so do
 * Services with `internalTrafficPolicy: Local`: a load balancer of a switch is the same on all nodes.
 */
export const serviceUnit: UnitKind<FactReader, ServiceInput, WeftEffect> = {
  name: "service",
  priority: 4,

  read(reader, key) {
    const service = reader.get("services", key);
    if (service === undefined) return undefined;
    const cluster = reader.get("cluster", "cluster");
    const slices = reader.by("endpointSlices", "service", key);
    const vpc = vpcOfService(reader, service, slices, cluster?.router ?? "");
    const vpcExists = reader.get("vpcs", vpc) !== undefined;
    const balanced = !service.nodeLocal && service.proxy === "";
    const vips = vipsOfService(reader, service, slices, vpc, cluster?.router ?? "");
    return { service, vpc, balanced, vpcExists, serviceCidr: cluster?.serviceCidr ?? {}, slices, vips };
  },

  compile(input): Fragment<WeftEffect> {
    const { service, vpc, balanced, vpcExists, slices } = input;
    const { uid, namespace, name } = service;
    const about = { resource: "services", namespace, name, uid } as const;
    const build = new FragmentBuilder();
    if (!balanced || !isPlaced(service, slices)) return build.finish();
    if (!vpcExists) {
      const message = `VPC "${vpc}" does not exist; pods cannot reach the Service at its addresses`;
      return build.finish(report(about, [{ path: "metadata.annotations", reason: "VpcNotFound", message }]));
    }
    for (const protocol of ["TCP", "UDP", "SCTP"] as const) {
      const ports = service.ports.filter((port) => port.protocol === protocol);
      const vips = vipsOf([...service.addresses, ...input.vips.addresses], ports, slices);
      if (Object.keys(vips).length === 0) continue;
      addLoadBalancer(build, loadBalancerName(service.key, protocol), input, protocol, vips, service.affinity);
      const repeats = service.affinity === 0 ? {} : repeatsOf(vips, input.serviceCidr);
      if (Object.keys(repeats).length > 0)
        addLoadBalancer(build, repeatsName(service.key, protocol), input, undefined, repeats, 0);
    }
    const problems = [...service.problems, ...slices.flatMap((slice) => slice.problems), ...input.vips.problems];
    const annotations = service.vpc === "" ? {} : { [SERVICE.vpc]: service.vpc };
    return build.finish([
      ...report(about, problems),
      // Kube-OVN tells it when it has seen an EndpointSlice, and tools read it there.
      ...(slices.length === 0
        ? []
        : annotate("services", { namespace, name, uid, annotations }, { [SERVICE.vpc]: vpc })),
    ]);
  },
};

function addLoadBalancer(
  build: FragmentBuilder,
  name: string,
  { service, vpc }: ServiceInput,
  protocol: ServicePortFact["protocol"] | undefined,
  vips: Readonly<Record<string, string>>,
  affinity: number,
): void {
  const made = build.row("Load_Balancer", `service/${name}`, {
    name,
    // None: its addresses are without ports.
    protocol: protocol?.toLowerCase() as "tcp" | "udp" | "sctp" | undefined,
    vips,
    // As it comes: with affinity, too, for a client whose time is over may go elsewhere.
    selection_fields: [],
    options: {
      // Without endpoints: an answer at once, not silence.
      reject: "true",
      hairpin_snat_ip: `${HAIRPIN_SOURCE.v4} ${HAIRPIN_SOURCE.v6}`,
      // A UDP client that speaks on would never leave an endpoint that is gone; a TCP connection ends by itself.
      ...(protocol === "UDP" && { ct_flush: "true" }),
      ...(affinity > 0 && { affinity_timeout: String(affinity) }),
    },
    external_ids: externalIds({ namespace: service.namespace, service: service.name, vpc }),
  });
  build.member("Load_Balancer_Group", loadBalancerGroupId(vpc), "load_balancer", made.uuid);
}

/**
 * Each endpoint of a sticky Service as an address that leads to itself. northd's flow that learns which endpoint a client has drops the packet
 * that it learns from (`ls_in_lb_aff_learn`, up to 26.03), and drops again what the client sends again: by then the connection is in
 * conntrack, so the packet has the endpoint's address as soon as it comes, its client's affinity is asked for by the Service's
 * address and is not found, and the same flow learns and drops. Balanced once more, by the endpoint's address, the packet is no more one
 * to learn from and goes on. By the address without a port: with one, 25.03 compares the packet's, which is the endpoint's by then, and 26.03
 * conntrack's, which is the Service's.
 */
function repeatsOf(
  vips: Readonly<Record<string, string>>,
  serviceCidr: ServiceInput["serviceCidr"],
): Readonly<Record<string, string>> {
  const blocks = Object.values(serviceCidr).flatMap((text) => parseCidr(text) ?? []);
  const endpoints = Object.values(vips).flatMap((list) => (list === "" ? [] : list.split(",")));
  const addresses = endpoints.map((endpoint) => endpoint.slice(0, endpoint.lastIndexOf(":")).replace(/^\[|\]$/g, ""));
  // Another Service's address is that Service's to balance.
  const own = addresses.filter((address) => {
    const ip = parseIp(address);
    return ip !== undefined && !blocks.some((block) => cidrContains(block, ip));
  });
  return Object.fromEntries([...new Set(own)].sort().map((address) => [address, address]));
}

/** The map of a load balancer: `address:port` → its endpoints by commas, of the same family; empty where there is none. */
function vipsOf(
  addresses: readonly string[],
  ports: readonly ServicePortFact[],
  slices: readonly EndpointSliceFact[],
): Readonly<Record<string, string>> {
  const vips: Record<string, string> = {};
  for (const address of addresses) {
    for (const port of ports) vips[endpoint(address, port.port)] = endpointsOf(isV6(address), port, slices).join(",");
  }
  return vips;
}

/** As in kube-proxy: the ready endpoints, or, where none is, those that end but still serve. */
function endpointsOf(v6: boolean, port: ServicePortFact, slices: readonly EndpointSliceFact[]): readonly string[] {
  const of = (which: "ready" | "draining"): readonly string[] => {
    const found = new Set<string>();
    for (const slice of slices) {
      const numbers = slice.ports.filter(({ name, protocol }) => name === port.name && protocol === port.protocol);
      for (const address of slice[which]) {
        if (isV6(address) !== v6) continue;
        for (const number of numbers) found.add(endpoint(address, number.port));
      }
    }
    return [...found].sort();
  };
  const ready = of("ready");
  return ready.length > 0 ? ready : of("draining");
}

function isV6(address: string): boolean {
  return address.includes(":");
}

function endpoint(address: string, port: number): string {
  return isV6(address) ? `[${address}]:${port}` : `${address}:${port}`;
}
