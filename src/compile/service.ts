import { HAIRPIN_SOURCE, loadBalancerName } from "../api/names.ts";
import type { FactReader } from "../facts/store.ts";
import type { EndpointSliceFact, ServiceFact, ServicePortFact } from "../facts/types.ts";
import type { Fragment } from "../unit/fragment.ts";
import type { UnitKind } from "../unit/kind.ts";
import type { WeftEffect } from "./effects.ts";
import { FragmentBuilder } from "./fragment-builder.ts";
import { loadBalancerGroupId } from "./owner-ids.ts";
import { externalIds } from "./rows.ts";

interface ServiceInput {
  readonly service: ServiceFact;
  /** The VPC whose pods it is balanced for; absent where OVN does not balance it. */
  readonly vpc: string | undefined;
  readonly slices: readonly EndpointSliceFact[];
}

/**
 * A Service as pods of its VPC see it: one load balancer for each protocol, in the group that every switch of the VPC has. It is small,
 * so an endpoint's change rewrites a small row; and the client's address stays, so that policies see who speaks.
 *
 * Only cluster addresses are here. Node ports, external addresses and what nodes themselves send stay with kube-proxy, and so do
 * Services with `internalTrafficPolicy: Local`: a load balancer of a switch is the same on all nodes.
 */
export const serviceUnit: UnitKind<FactReader, ServiceInput, WeftEffect> = {
  name: "service",
  priority: 4,

  read(reader, key) {
    const service = reader.get("services", key);
    if (service === undefined) return undefined;
    const named = service.vpc || (reader.get("cluster", "cluster")?.router ?? "");
    const balanced = !service.nodeLocal && service.proxy === "" && reader.get("vpcs", named) !== undefined;
    return {
      service,
      vpc: balanced ? named : undefined,
      slices: balanced ? reader.by("endpointSlices", "service", key) : [],
    };
  },

  compile({ service, vpc, slices }): Fragment<WeftEffect> {
    const build = new FragmentBuilder();
    if (vpc === undefined) return build.finish();
    for (const protocol of ["TCP", "UDP", "SCTP"] as const) {
      const ports = service.ports.filter((port) => port.protocol === protocol);
      if (ports.length === 0) continue;
      const name = loadBalancerName(service.key, protocol);
      const made = build.row("Load_Balancer", `service/${name}`, {
        name,
        protocol: protocol.toLowerCase() as "tcp" | "udp" | "sctp",
        vips: vipsOf(service.addresses, ports, slices),
        // Affinity without an end, by the client's address alone. OVN's `affinity_timeout` drops the first packet of each client,
        // and what is sent again of it as well: its first connection would hang.
        selection_fields: service.sticky ? ["ip_src", "ipv6_src"] : [],
        options: {
          // Without endpoints: an answer at once, not silence.
          reject: "true",
          hairpin_snat_ip: `${HAIRPIN_SOURCE.v4} ${HAIRPIN_SOURCE.v6}`,
          // A UDP client that speaks on would never leave an endpoint that is gone; a TCP connection ends by itself.
          ...(protocol === "UDP" && { ct_flush: "true" }),
        },
        external_ids: externalIds({ namespace: service.namespace, service: service.name, vpc }),
      });
      build.member("Load_Balancer_Group", loadBalancerGroupId(vpc), "load_balancer", made.uuid);
    }
    return build.finish();
  },
};

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
