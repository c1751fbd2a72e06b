// SPDX-License-Identifier: Apache-2.0

import { balancedAddresses } from "../facts/service.ts";
import { vipsByRule } from "../facts/service-vips.ts";
import type { FactReader } from "../facts/store.ts";
import { parseIp } from "../net/address.ts";
import { cidrContains, parseCidr } from "../net/cidr.ts";
import type { Protocol } from "./types.ts";

/** One port of a Service's address, and the endpoints of connections to it. */
export interface VirtualPort {
  readonly address: string;
  readonly protocol: Protocol;
  readonly port: number;
  /** Port of endpoints → their addresses, sorted; of the address's family. */
  readonly endpoints: Readonly<Record<number, readonly string[]>>;
}

/** The ports of the Services of one VPC whose addresses are in a CIDR. */
export type VirtualPortsIn = (cidr: string) => readonly VirtualPort[];

/**
 * The endpoints of the Services of one VPC that a rule for a CIDR names; `vpc` is a custom one, or undefined for the default VPC. Those of other VPCs
 * are not balanced there, and their endpoints' addresses may be those of others. They are all that connections may have, including those that are
 * terminating but still serving. Traffic from a pod is evaluated with its destination after load balancing, so a rule for a Service's address must
 * apply to these. `0.0.0.0/0` and `::/0` name no Services.
 */
export function virtualPortsIn(reader: FactReader, cidr: string, vpc: string | undefined): readonly VirtualPort[] {
  const range = parseCidr(cidr);
  if (range === undefined || range.prefix === 0) return [];
  const defaultVpc = reader.get("cluster", "cluster")?.router ?? "";
  return reader.all("services").flatMap((service) => {
    // As recorded by the controller: a new one counts in a custom VPC when it is recorded.
    if ((service.chosenVpc || service.vpc || defaultVpc) !== (vpc ?? defaultVpc)) return [];
    const named = [...balancedAddresses(service), ...vipsByRule(reader, service)].filter((text) => {
      const ip = parseIp(text);
      return ip !== undefined && cidrContains(range, ip);
    });
    if (named.length === 0) return [];
    const slices = reader.by("endpointSlices", "service", service.key);
    return named.flatMap((address) =>
      service.ports.map(({ name, protocol, port }) => {
        const endpoints = new Map<number, Set<string>>();
        for (const { ports, endpoints: present } of slices) {
          for (const own of ports) {
            if (own.name !== name || own.protocol !== protocol) continue;
            const found = endpoints.get(own.port) ?? new Set();
            endpoints.set(own.port, found);
            for (const one of present) {
              if (one.address.includes(":") === address.includes(":")) found.add(one.address);
            }
          }
        }
        const sorted = [...endpoints].flatMap(([number, found]) =>
          found.size === 0 ? [] : [[number, [...found].sort()] as const],
        );
        return { address, protocol, port, endpoints: Object.fromEntries(sorted) };
      }),
    );
  });
}
