// SPDX-License-Identifier: Apache-2.0

import {
  balancedAddresses,
  type ProblemFact,
  type ServiceFact,
  type ServicePortFact,
  servicePortKey,
} from "../../facts/service.ts";
import { vipsByRule } from "../../facts/service-vips.ts";
import type { FactReader } from "../../facts/store.ts";
import { isPlacedIn } from "./switch-lb-vip-check.ts";

/** Ports that a Service does not have at its external addresses, by {@link servicePortKey}, and the Events about them. */
export interface Taken {
  readonly ports: readonly string[];
  readonly problems: readonly ProblemFact[];
}

/**
 * The ports of a Service's external addresses that another Service of its VPC has. An author of a Service can name any address, and OVN does not
 * define which of two load balancers with one address and port is used. So a ClusterIP or a VIP stays with its Service, then an address in a status comes
 * before `externalIPs`, and then the older Service before the younger one (by creation time, then by key).
 */
export function takenPorts(reader: FactReader, service: ServiceFact, vpc: string, defaultVpc: string): Taken {
  const ports = new Set<string>();
  const problems: ProblemFact[] = [];
  for (const address of balancedAddresses(service)) {
    if (service.addresses.includes(address)) continue;
    for (const port of service.ports) {
      const rank = rankOf(reader, service, address);
      const other = othersAt(reader, service, address, port).find((one) => {
        // Clients of the default VPC are refused at the ClusterIP of a Service of another VPC.
        if (vpc === defaultVpc && one.addresses.includes(address)) return true;
        const its = rankOf(reader, one, address);
        return (its < rank || (its === rank && isOlder(one, service))) && isPlacedIn(reader, one, vpc, defaultVpc);
      });
      if (other === undefined) continue;
      ports.add(servicePortKey(address, port));
      const path = service.externalIps.includes(address) ? "spec.externalIPs" : "status.loadBalancer.ingress";
      const whose =
        rankOf(reader, other, address) < rank
          ? `an address of Service ${other.key}`
          : `also of Service ${other.key}, which is older`;
      const message = `${address} with port ${port.port}/${port.protocol} is ${whose}; this Service is not reachable there`;
      problems.push({ path, reason: "AddressInUse", message });
    }
  }
  return { ports: [...ports], problems };
}

/** Whether a Service of the VPC other than the given one is served at a port of an address. */
export function isServed(
  reader: FactReader,
  service: ServiceFact,
  address: string,
  port: ServicePortFact,
  vpc: string,
): boolean {
  return othersAt(reader, service, address, port).some((one) => isPlacedIn(reader, one, vpc, vpc));
}

function othersAt(
  reader: FactReader,
  { key }: ServiceFact,
  address: string,
  port: ServicePortFact,
): readonly ServiceFact[] {
  return reader.by("services", "port", servicePortKey(address, port)).filter((one) => one.key !== key);
}

/** How a Service has an address; the smallest is first: its own, from an implementation of load balancers in its status, or by its author's word. */
function rankOf(reader: FactReader, service: ServiceFact, address: string): 0 | 1 | 2 {
  if (service.addresses.includes(address) || vipsByRule(reader, service).includes(address)) return 0;
  return service.ingressIps.includes(address) ? 1 : 2;
}

function isOlder(a: ServiceFact, b: ServiceFact): boolean {
  return a.created === b.created ? a.key < b.key : a.created < b.created;
}
