// SPDX-License-Identifier: Apache-2.0

import { isOvnProvider } from "../../api/annotations.ts";
import { samePlain } from "../../collections/plain.ts";
import { joinDual, withAccepted } from "../../facts/project-subnet.ts";
import type { FactReader } from "../../facts/store.ts";
import type { SubnetFact, SubnetSpecFact, VerdictFact } from "../../facts/subnet.ts";
import type { PeeringFact } from "../../facts/vpc.ts";
import { parseIp } from "../../net/address.ts";
import { cidrContains, parseCidr } from "../../net/cidr.ts";
import { type ParsedSubnetAddresses, parseSubnetAddresses } from "../../net/subnet-addresses.ts";
import { selectorProblem } from "../../policy/labels.ts";
import {
  isAccepted,
  nodeConflict,
  peeringConflict,
  type SubnetProblem,
  serviceConflict,
  subnetConflict,
  vlanConflict,
} from "./subnet-conflicts.ts";

/** A subnet's configuration, and whether it is accepted. */
export interface Settled {
  readonly spec: SubnetSpecFact;
  readonly subnet: SubnetFact;
  readonly verdict: VerdictFact;
}

/** The reason of a refusal that ends when addresses are released. */
export const ADDRESSES_IN_USE = "AddressesInUse";

/** A holder of addresses of a subnet; `""` for a family without one. */
export interface SubnetHolder {
  /** Kind and name of the object, for messages. */
  readonly who: string;
  readonly v4: string;
  readonly v6: string;
}

/** State of this process that objects do not record yet. */
export interface Unrecorded {
  /** The last verdict on a subnet: its addresses may be in use before the annotation that records their acceptance is written. */
  readonly last: (subnet: string) => Settled | undefined;
  /** The holders of addresses in a subnet whose allocation is still being recorded. */
  readonly holders: (subnet: string) => readonly SubnetHolder[];
}

/** The other objects that a subnet's verdict depends on. */
export interface SubnetSurroundings {
  /** The subnets whose addresses overlap this one's. */
  readonly others: readonly SubnetSpecFact[];
  /** A node with an address in its range. */
  readonly node: { readonly node: string; readonly address: string } | undefined;
  /** The active peerings of its VPC. */
  readonly links: readonly PeeringFact[];
}

/**
 * Decides which configuration of a subnet is accepted, together with its neighbours. Accepted configuration stays active: an invalid or
 * conflicting edit is refused and the last accepted addresses stay, so an invalid `kubectl apply` breaks neither this subnet nor another. Of two new
 * subnets that overlap in one VPC, the older is accepted (by creation time, then by name).
 */
export function settleSubnet(
  reader: FactReader,
  current: SubnetSpecFact,
  { others, node, links }: SubnetSurroundings,
  unrecorded: Unrecorded = { last: () => undefined, holders: () => [] },
): Settled {
  const holders = (): readonly SubnetHolder[] => holdersIn(reader, current.name, unrecorded);
  const spec = withLast(current, unrecorded.last(current.name), holders);
  const { accepted, nodeContract: _contract, annotated: _annotated, records: _records, ...written } = spec;
  const key = spec.name;
  const problem =
    written.problem ??
    withoutVpc(reader, written) ??
    serviceConflict(written, reader) ??
    vlanConflict(reader, written) ??
    subnetConflict(written, others, isAccepted(spec)) ??
    (isAccepted(spec) ? undefined : peeringConflict(written, links)) ??
    nodeConflict(written, node) ??
    inUse(spec, holders);
  const unclear = unclearSelector(written);
  const refused = joined(problem, unclear);
  const settled = (subnet: SubnetFact, verdict: VerdictFact): Settled => ({ spec: current, subnet, verdict });
  if (refused === undefined) return settled(written, { key, ok: true, reason: "Ready", message: "" });
  const base = problem === undefined ? written : withAccepted(spec);
  // Namespaces of a selector that cannot be read are not known: the former ones stay bound.
  const namespaceSelectors = (unclear && accepted?.namespaceSelectors) ?? base.namespaceSelectors;
  const former = { ...base, namespaceSelectors };
  const stands =
    problem === undefined || (subnetConflict(former, others, true) === undefined && subnetAddressesOf(former).ok);
  if (accepted !== undefined && stands) {
    return settled(former, { key, ok: true, reason: "Ready", message: "", refused });
  }
  return settled(written, { key, ok: false, ...refused });
}

/** The spec. The last verdict counts as recorded if an object has an address of it that the spec would leave out. */
function withLast(
  spec: SubnetSpecFact,
  last: Settled | undefined,
  holders: () => readonly SubnetHolder[],
): SubnetSpecFact {
  if (last === undefined || !last.verdict.ok || last.subnet.uid !== spec.uid || last.subnet.cidr === spec.cidr)
    return spec;
  const { cidr, gateway, excludeIps, namespaceSelectors } = last.subnet;
  const { accepted } = spec;
  if (accepted !== undefined && samePlain([accepted.cidr, accepted.gateway], [cidr, gateway])) return spec;
  // Exclusions that could not be read were projected without the accepted ones.
  const exclusions = spec.problem === undefined ? spec.excludeIps : excludeIps;
  const known = { ...spec, excludeIps: exclusions, accepted: { cidr, gateway, excludeIps, namespaceSelectors } };
  return inUse(known, holders) === undefined ? spec : known;
}

function joined(...problems: readonly (SubnetProblem | undefined)[]): SubnetProblem | undefined {
  const known = problems.filter((problem) => problem !== undefined);
  const [first] = known;
  return first && { reason: first.reason, message: known.map(({ message }) => message).join("; ") };
}

/** Parsed addresses of subnets are cached: each change of one subnet compares a thousand others. */
const parsedAddresses = new WeakMap<
  SubnetFact["cidr"],
  { readonly of: string; readonly parsed: ParsedSubnetAddresses }
>();

/** The addresses of a subnet for IPAM, or why they are invalid. */
export function subnetAddressesOf({ cidr, gateway, excludeIps }: SubnetFact): ParsedSubnetAddresses {
  const fields = { cidrBlock: joinDual(cidr), gateway: joinDual(gateway), excludeIps };
  const of = JSON.stringify(fields);
  let known = parsedAddresses.get(cidr);
  if (known?.of !== of) {
    known = { of, parsed: parseSubnetAddresses(fields) };
    parsedAddresses.set(cidr, known);
  }
  return known.parsed;
}

function unclearSelector({ namespaceSelectors }: SubnetFact): SubnetProblem | undefined {
  for (const [i, selector] of namespaceSelectors.entries()) {
    const problem = selectorProblem(selector);
    if (problem === undefined) continue;
    return { reason: "InvalidSelector", message: `spec.namespaceSelectors[${i}]: ${problem}` };
  }
  return undefined;
}

function withoutVpc(reader: FactReader, { vpc, provider }: SubnetFact): SubnetProblem | undefined {
  if (!isOvnProvider(provider) || reader.get("vpcs", vpc) !== undefined) return undefined;
  const message = `VPC "${vpc}" (spec.vpc) does not exist; create it, or recreate the subnet in another VPC`;
  return { reason: "VpcUnknown", message };
}

/** The objects with addresses in a subnet. */
function holdersIn(reader: FactReader, subnet: string, unrecorded: Unrecorded): readonly SubnetHolder[] {
  const recorded = [
    ...reader.by("ips", "subnet", subnet).map(({ name, v4, v6 }) => ({ who: ipObject(name), v4, v6 })),
    ...reader.by("addressHolders", "subnet", subnet),
  ];
  const known = new Set(recorded.map(({ who }) => who));
  return [...recorded, ...unrecorded.holders(subnet).filter(({ who }) => !known.has(who))];
}

/** An IP object in messages. */
export function ipObject(name: string): string {
  return `IP ${name}`;
}

/** The objects that have an address which the spec's new addresses leave out; read only if these are new. */
function inUse(spec: SubnetSpecFact, holders: () => readonly SubnetHolder[]): SubnetProblem | undefined {
  const { accepted, cidr, gateway } = spec;
  if (accepted === undefined || isAccepted(spec)) return undefined;
  const out: { readonly text: string; readonly who: string }[] = [];
  for (const holder of holders()) {
    for (const family of ["v4", "v6"] as const) {
      const text = holder[family];
      if (text === "") continue;
      if (text === gateway[family]) {
        const message = `spec.gateway ${text} is in use by ${holder.who}; choose an address that is not in use`;
        return { reason: ADDRESSES_IN_USE, message };
      }
      const address = parseIp(text);
      const [now, was] = [parseCidr(cidr[family] ?? ""), parseCidr(accepted.cidr[family] ?? "")];
      if (address === undefined || was === undefined || !cidrContains(was, address)) continue;
      if (now === undefined || !cidrContains(now, address)) out.push({ text, who: holder.who });
    }
  }
  const [first] = out;
  if (first === undefined) return undefined;
  const more = out.length > 1 ? ` (and ${out.length - 1} more addresses in use)` : "";
  const blocks = Object.values(cidr).join(",");
  const message = `spec.cidrBlock ${blocks} does not contain ${first.text}, which is in use by ${first.who}${more}; choose a range that contains all addresses in use, or delete their owners`;
  return { reason: ADDRESSES_IN_USE, message };
}
