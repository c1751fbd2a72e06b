// SPDX-License-Identifier: Apache-2.0

import { SERVICE } from "../../api/annotations.ts";
import { externalBalancerName } from "../../api/names.ts";
import { asksForOther, isOfAnother } from "../../claims/load-balancer-addresses.ts";
import { addressConflictOf } from "../../claims/status-address-conflict.ts";
import { serviceOwner } from "../../claims/verdict-keys.ts";
import { LOAD_BALANCER_CLASS } from "../../facts/project-load-balancer.ts";
import type {
  EndpointSliceFact,
  LoadBalancerFact,
  ProblemFact,
  ServiceFact,
  ServicePortFact,
} from "../../facts/service.ts";
import type { FactReader } from "../../facts/store.ts";
import type { PatchStatusEffect } from "../effects.ts";
import type { FragmentBuilder } from "../fragment-builder.ts";
import { addWayOut } from "../nat/nat-rule.ts";
import { routerId } from "../owner-ids.ts";
import { externalIds } from "../rows.ts";
import { type ExternalLink, externalLink } from "../vpc/vpc-external.ts";
import { hostPort, isV6, targetsOf, usable } from "./endpoint-choice.ts";
import { HAIRPIN, podBalancerGroupId } from "./load-balancer.ts";

type Given = NonNullable<LoadBalancerFact["given"]>;

/** How a Service is served in an external subnet. */
export interface ExternalService {
  /** Absent if it is not served. */
  readonly served?: { readonly given: Given; readonly link: ExternalLink };
  /** The addresses are to be released: it asks for others now, or for none. */
  readonly release?: LoadBalancerFact;
  readonly problems: readonly ProblemFact[];
}

/** Reads whether a Service is served at the addresses that it has in an external subnet, and why not. It gets them in `src/claims/load-balancer-addresses.ts`. */
export function readExternal(reader: FactReader, { key, loadBalancer }: ServiceFact, vpc: string): ExternalService {
  if (loadBalancer === undefined) return { problems: [] };
  const { given, subnet, unrecorded, claimedBy, removed, exclusive } = loadBalancer;
  if (given === undefined ? subnet === "" : asksForOther(loadBalancer)) return { release: loadBalancer, problems: [] };
  const no = (reason: string, message: string): ExternalService => ({
    problems: [{ path: "status.loadBalancer", reason, message }],
  });
  if (given === undefined && removed) {
    const other = exclusive
      ? ""
      : `; create the Service again with loadBalancerClass "${LOAD_BALANCER_CLASS}" if another implementation does so`;
    const message = `something else has removed the Service's addresses from its status; they are written again, each time after a longer pause${other}`;
    return no("AddressRemoved", message);
  }
  if (given === undefined) {
    if (!isOfAnother(reader, loadBalancer)) return { problems: [] };
    const alone = claimedBy === undefined ? "" : `, or annotation ${claimedBy} if nothing serves it there any more`;
    const message = `the Service has ${unrecorded.join(", ")} from another implementation, so it gets no address of subnet "${subnet}"; create it again with loadBalancerClass "${LOAD_BALANCER_CLASS}", or remove the annotation that names the subnet${alone}`;
    return no("AddressOfAnother", message);
  }
  const conflict = addressConflictOf(reader, serviceOwner(key));
  if (conflict !== undefined) return no("AddressInUse", conflict.message);
  if (loadBalancer.restricted) {
    const message =
      "spec.loadBalancerSourceRanges cannot be applied in an external subnet, so the Service is not reachable there; remove them, or announce the address by BGP";
    return no("NotSupported", message);
  }
  const link = externalLink(reader, vpc, given.subnet);
  if (link !== undefined) return { served: { given, link }, problems: [] };
  const message = `VPC "${vpc}" has no port in external subnet "${given.subnet}", so the Service is not reachable there; set spec.enableExternal of the Vpc, and see the conditions of the Vpc`;
  return no("VpcNotConnected", message);
}

/** The effect that releases the addresses of a Service. Those of another implementation stay. */
export function releaseAddresses(
  { key, uid, namespace, name }: ServiceFact,
  { version, given }: LoadBalancerFact,
): PatchStatusEffect {
  const about = { key: `load-balancer/${key}`, resource: "services", namespace, name, uid } as const;
  const status = given === undefined ? {} : { loadBalancer: { ingress: null } };
  return { kind: "patch-status", ...about, version, annotations: { [SERVICE.loadBalancer]: null }, status };
}

/**
 * A Service as clients of an external subnet see it: a load balancer of its VPC's router for each protocol, which the active gateway node applies and answers ARP
 * and neighbour discovery for. In the default VPC replies leave by the external subnet too, and not by nodes; in another VPC by its routes.
 */
export function addExternal(
  build: FragmentBuilder,
  { key, namespace, name: of, affinity, ports }: ServiceFact,
  vpc: string,
  { given, link }: NonNullable<ExternalService["served"]>,
  slices: readonly EndpointSliceFact[],
  inDefaultVpc: boolean,
): void {
  addRouterBalancers(build, { ports, affinity, ...given }, { vpc, link, inDefaultVpc }, slices, (protocol) => {
    const name = externalBalancerName(key, protocol);
    return { id: `service/${name}`, name, ids: { namespace, service: of } };
  });
}

/** What a load balancer of a router serves: ports at external addresses, "" for none. */
export interface RouterService {
  readonly ports: readonly ServicePortFact[];
  /** Seconds; 0: none. */
  readonly affinity: number;
  readonly v4: string;
  readonly v6: string;
}

/** The load balancers of a VPC's router, and of the switches of its pods, for a service at external addresses, one for each protocol, and the way back in the default VPC. */
export function addRouterBalancers(
  build: FragmentBuilder,
  { ports, affinity, v4, v6 }: RouterService,
  { vpc, link, inDefaultVpc }: { readonly vpc: string; readonly link: ExternalLink; readonly inDefaultVpc: boolean },
  slices: readonly EndpointSliceFact[],
  named: (protocol: ServicePortFact["protocol"]) => {
    readonly id: string;
    readonly name: string;
    readonly ids: Readonly<Record<string, string>>;
  },
): void {
  const addresses = [v4, v6].filter((address) => address !== "");
  for (const protocol of ["TCP", "UDP", "SCTP"] as const) {
    const vips: Record<string, string> = {};
    /** `family/port` → the addresses of endpoints. */
    const replies = new Map<string, Set<string>>();
    for (const port of ports.filter((one) => one.protocol === protocol)) {
      for (const address of addresses) {
        const targets = usable(targetsOf(port, isV6(address), slices));
        vips[hostPort(address, port.port)] = targets.map(({ text }) => text).join(",");
        for (const target of targets) {
          const from = `${isV6(address) ? "v6" : "v4"}/${target.text.slice(target.text.lastIndexOf(":") + 1)}`;
          replies.set(from, (replies.get(from) ?? new Set()).add(target.address));
        }
      }
    }
    if (Object.keys(vips).length === 0) continue;
    const { id, name, ids } = named(protocol);
    const lower = protocol.toLowerCase() as "tcp" | "udp" | "sctp";
    const balancer = build.row("Load_Balancer", id, {
      ...{ name, protocol: lower, vips, selection_fields: [] },
      options: {
        reject: "true",
        ...HAIRPIN,
        ...(protocol === "UDP" && { ct_flush: "true" }),
        ...(affinity > 0 && { affinity_timeout: String(affinity) }),
      },
      external_ids: externalIds({ ...ids, vpc }),
    });
    build.member("Logical_Router", routerId(vpc), "load_balancer", balancer.uuid);
    build.member("Load_Balancer_Group", podBalancerGroupId(vpc, inDefaultVpc), "load_balancer", balancer.uuid);
    if (!inDefaultVpc) continue;
    for (const [from, inside] of [...replies].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const [family, port] = from.split("/");
      const pair = {
        family: family === "v6" ? "v6" : "v4",
        external: "",
        logical: `{${[...inside].sort().join(", ")}}`,
      } as const;
      addWayOut(build, `${id}/${port}`, vpc, [pair], link, ` && ${lower}.src == ${port}`);
    }
  }
}
