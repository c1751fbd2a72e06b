// SPDX-License-Identifier: Apache-2.0

import type { EndpointSliceFact, ProblemFact, ServiceFact } from "../../facts/service.ts";
import { vipsByRule } from "../../facts/service-vips.ts";
import type { FactReader } from "../../facts/store.ts";
import { textContains } from "../../net/cidr.ts";
import { dualValues } from "../../net/dual.ts";
import type { Note } from "../effects.ts";
import { vpcOfService } from "./service-vpc.ts";
import { proxiedAddresses } from "./vip-proxies.ts";

// How the VIP of a SwitchLBRule is checked: its text in src/facts/project-switch-lb-rule.ts (`readVips`), that its rule confirms it in
// src/facts/service-vips.ts, that no other object of the VPC has it and that pods of a subnet around it can reach it here.

/** The VIPs of a Service: those at which OVN balances it, and why the others are refused. */
export interface ServiceVips {
  readonly addresses: readonly string[];
  readonly problems: readonly ProblemFact[];
}

/**
 * The VIPs of a Service in its VPC (annotation `switch_lb_vip`). An address that another object of the VPC has is refused, but Services share it by different ports; of several
 * with one port of the same VIP the oldest has it. While the VPC is not known (no endpoint, and no choice by annotations) there are no VIPs.
 */
export function vipsOfService(
  reader: FactReader,
  service: ServiceFact,
  slices: readonly EndpointSliceFact[],
  vpc: string,
  defaultVpc: string,
): ServiceVips {
  const confirmed = vipsByRule(reader, service);
  const problems: ProblemFact[] = service.vips
    // Once its rule is gone, the Service is about to be deleted.
    .filter((vip) => !confirmed.includes(vip) && !isLeftBehind(reader, service))
    .map((vip) => {
      const message = `VIP ${vip} is not used: only the Service of a SwitchLBRule has VIPs; create a SwitchLBRule instead`;
      return { path: "metadata.annotations", reason: "NoSwitchLBRule", message };
    });
  if (!isPlaced(service, slices)) return { addresses: [], problems };
  const addresses = confirmed.filter((address) => {
    const holder = holderOf(reader, service, address, vpc, defaultVpc);
    if (holder === undefined) return true;
    const message = `VIP ${address} is ${holder.what}; the Service is not reachable at it`;
    problems.push({ path: "metadata.annotations", reason: holder.reason, message });
    return false;
  });
  return { addresses, problems };
}

/** Whether a Service was made for a SwitchLBRule that does not exist any more, or is being deleted. */
function isLeftBehind(reader: FactReader, { rule: name, ruleUid }: ServiceFact): boolean {
  const rule = name === "" ? undefined : reader.get("switchLbRules", name);
  return name !== "" && (rule === undefined || rule.deleting || rule.uid !== ruleUid);
}

/** The VIPs in the range of a subnet of the VPC for which ARP and ND are not answered. */
export function unreservedVips(reader: FactReader, vips: readonly string[], vpc: string): readonly Note[] {
  return vips.flatMap((vip) => {
    const subnet = reader
      .by("subnets", "vpc", vpc)
      .find(({ cidr }) => dualValues(cidr).some((text) => textContains(text, vip)));
    if (subnet === undefined || proxiedAddresses(reader, subnet.name).includes(vip)) return [];
    const field = vip.includes(":") ? "v6ip" : "v4ip";
    const message = `VIP ${vip} is in the range of subnet "${subnet.name}", whose pods cannot reach it: create a Vip with spec.subnet "${subnet.name}", type switch_lb_vip and ${field} ${vip}`;
    return [{ reason: "VipNotReserved", message }];
  });
}

/** Whether the VPC of a Service that has only VIPs is known. */
export function isPlaced({ addresses, vpc, chosenVpc }: ServiceFact, slices: readonly EndpointSliceFact[]): boolean {
  if (addresses.length > 0 || vpc !== "" || chosenVpc !== "") return true;
  return slices.some(({ endpoints }) => endpoints.length > 0);
}

/** Whether a Service is one of the VPC's. */
export function isPlacedIn(reader: FactReader, service: ServiceFact, vpc: string, defaultVpc: string): boolean {
  const slices = reader.by("endpointSlices", "service", service.key);
  return isPlaced(service, slices) && vpcOfService(reader, service, slices, defaultVpc) === vpc;
}

/** The other object of the VPC that has an address, for messages. */
function holderOf(
  reader: FactReader,
  service: ServiceFact,
  address: string,
  vpc: string,
  defaultVpc: string,
): { readonly reason: string; readonly what: string } | undefined {
  for (const other of reader.by("services", "address", address)) {
    if (other.key === service.key) continue;
    const isVip = !other.addresses.includes(address);
    if (isVip && (!isBefore(reader, other, service) || !vipsByRule(reader, other).includes(address))) continue;
    const shared = sharedPort(service, other);
    if (shared === undefined || !isPlacedIn(reader, other, vpc, defaultVpc)) continue;
    if (!isVip)
      return { reason: "VipIsClusterIp", what: `the ClusterIP of Service ${other.key}, which has ${shared}, too` };
    const what = `already the VIP of SwitchLBRule "${other.rule}", which is older and has ${shared}, too`;
    return { reason: "VipInUse", what };
  }
  for (const ip of reader.by("ips", "address", address)) {
    if (ip.holder !== "" && reader.get("subnets", ip.subnet)?.vpc === vpc) {
      const node = ip.holder.startsWith("node:");
      const what = node ? `the address of node ${ip.holder.slice(5)}` : `the address of pod ${ip.holder}`;
      return { reason: node ? "VipIsNodeAddress" : "VipIsPodAddress", what };
    }
  }
  if (vpc === defaultVpc) {
    const [node] = reader.by("nodes", "internal", address);
    if (node !== undefined) return { reason: "VipIsNodeAddress", what: `the address of node ${node.name}` };
  }
  for (const { name, gateway } of reader.by("subnets", "vpc", vpc)) {
    if (gateway.v4 === address || gateway.v6 === address)
      return { reason: "VipIsGateway", what: `the gateway of subnet "${name}"` };
  }
  return undefined;
}

/** A port that two Services have, for messages. */
function sharedPort(a: ServiceFact, b: ServiceFact): string | undefined {
  const shared = a.ports.find((one) => b.ports.some((o) => o.protocol === one.protocol && o.port === one.port));
  return shared && `${shared.port}/${shared.protocol}`;
}

/**
 * Whether the first rule is older; of two with the same creation time, the one with the smaller name. The age of the Service does not matter: it may
 * be recreated.
 */
function isBefore(reader: FactReader, a: ServiceFact, b: ServiceFact): boolean {
  const [first, second] = [a, b].map(({ rule }) => reader.get("switchLbRules", rule)?.created ?? "");
  return first === second ? a.rule < b.rule : (first ?? "") < (second ?? "");
}
