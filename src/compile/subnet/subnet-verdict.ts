// SPDX-License-Identifier: Apache-2.0

import { isOvnProvider } from "../../api/annotations.ts";
import { samePlain } from "../../collections/plain.ts";
import { joinDual, withAccepted } from "../../facts/project-subnet.ts";
import type { FactReader } from "../../facts/store.ts";
import type { SubnetFact, SubnetSpecFact, VerdictFact } from "../../facts/subnet.ts";
import type { PeeringFact } from "../../facts/vpc.ts";
import { parseIp } from "../../net/address.ts";
import { cidrContains, cidrsOverlap, parseCidr } from "../../net/cidr.ts";
import { type ParsedSubnetAddresses, parseSubnetAddresses } from "../../net/subnet-addresses.ts";
import { selectorProblem } from "../../policy/labels.ts";
import { rangesOfServices } from "../service/service-ranges.ts";

/** A subnet's configuration, and whether it is accepted. */
export interface Settled {
  readonly spec: SubnetSpecFact;
  readonly subnet: SubnetFact;
  readonly verdict: VerdictFact;
}

interface Problem {
  readonly reason: string;
  readonly message: string;
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
    serviceInside(written, reader) ??
    clash(written, others, isAccepted(spec)) ??
    (isAccepted(spec) ? undefined : linkInside(written, links)) ??
    nodeInside(written, node) ??
    inUse(spec, holders);
  const unclear = unclearSelector(written);
  const refused = joined(problem, unclear);
  const settled = (subnet: SubnetFact, verdict: VerdictFact): Settled => ({ spec: current, subnet, verdict });
  if (refused === undefined) return settled(written, { key, ok: true, reason: "Ready", message: "" });
  const base = problem === undefined ? written : withAccepted(spec);
  // Namespaces of a selector that cannot be read are not known: the former ones stay bound.
  const namespaceSelectors = (unclear && accepted?.namespaceSelectors) ?? base.namespaceSelectors;
  const former = { ...base, namespaceSelectors };
  const stands = problem === undefined || (clash(former, others, true) === undefined && subnetAddressesOf(former).ok);
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

function joined(...problems: readonly (Problem | undefined)[]): Problem | undefined {
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

function unclearSelector({ namespaceSelectors }: SubnetFact): Problem | undefined {
  for (const [i, selector] of namespaceSelectors.entries()) {
    const problem = selectorProblem(selector);
    if (problem === undefined) continue;
    return { reason: "InvalidSelector", message: `spec.namespaceSelectors[${i}]: ${problem}` };
  }
  return undefined;
}

/** Pods must not have addresses of the Service ranges: nodes and switches with load balancers translate packets to them. */
function serviceInside(subnet: SubnetFact, reader: FactReader): Problem | undefined {
  const { router } = reader.get("cluster", "cluster") ?? {};
  if (!isOvnProvider(subnet.provider) || (subnet.vpc !== router && !subnet.enableLb)) return undefined;
  const [shared] = rangesOfServices(reader).flatMap(
    (text) => overlap(subnet, { cidr: text.includes(":") ? { v6: text } : { v4: text } }) ?? [],
  );
  if (shared === undefined) return undefined;
  const message = `spec.cidrBlock ${shared.mine} overlaps ${shared.theirs}, the addresses of Services; choose a range outside it`;
  return { reason: "ServiceConflict", message };
}

function withoutVpc(reader: FactReader, { vpc, provider }: SubnetFact): Problem | undefined {
  if (!isOvnProvider(provider) || reader.get("vpcs", vpc) !== undefined) return undefined;
  const message = `VPC "${vpc}" (spec.vpc) does not exist; create it, or recreate the subnet in another VPC`;
  return { reason: "VpcUnknown", message };
}

/** Whether the addresses of the spec are the accepted ones. */
function isAccepted({ accepted, cidr, gateway }: SubnetSpecFact): boolean {
  return accepted !== undefined && samePlain([accepted.cidr, accepted.gateway], [cidr, gateway]);
}

/** The neighbour that a subnet's addresses conflict with. `settled`: they are already accepted. */
function clash(subnet: SubnetFact, others: readonly SubnetSpecFact[], settled: boolean): Problem | undefined {
  for (const other of others) {
    const former = other.accepted && overlap(subnet, other.accepted);
    const wanted = other.problem === undefined && !isAccepted(other) ? overlap(subnet, other) : undefined;
    const between = isOvnProvider(subnet.provider) && other.vpc !== subnet.vpc;
    // If both were accepted in peered VPCs, neither is refused; the peering is.
    const older = isOlder(other, subnet) && !(between && settled);
    // Accepted addresses come before new ones, then those of the older subnet.
    const lost = (former !== undefined && (!settled || older)) || (wanted !== undefined && !settled && older);
    const shared = former ?? wanted;
    if (!lost || shared === undefined) continue;
    const { mine, theirs } = shared;
    const where = between
      ? `in VPC ${other.vpc}, with which VPC ${subnet.vpc} is peered`
      : isOvnProvider(subnet.provider)
        ? `in VPC ${subnet.vpc}`
        : `of provider ${subnet.provider}`;
    const message = `spec.cidrBlock ${mine} overlaps ${theirs} of subnet ${other.name} ${where}; choose a range that no other subnet has`;
    return { reason: "SubnetConflict", message };
  }
  return undefined;
}

/** The link between the routers of peered VPCs has addresses of its own. */
function linkInside(subnet: SubnetFact, links: readonly PeeringFact[]): Problem | undefined {
  if (!isOvnProvider(subnet.provider)) return undefined;
  for (const { remoteVpc, local } of links) {
    const cidr = { ...(local.v4 && { v4: local.v4.network }), ...(local.v6 && { v6: local.v6.network }) };
    const shared = overlap(subnet, { cidr });
    if (shared === undefined) continue;
    const message = `spec.cidrBlock ${shared.mine} overlaps ${shared.theirs}, the network of the peering of VPC ${subnet.vpc} with VPC ${remoteVpc}; choose a range outside it`;
    return { reason: "SubnetConflict", message };
  }
  return undefined;
}

function nodeInside(
  { cidr }: SubnetFact,
  found: { readonly node: string; readonly address: string } | undefined,
): Problem | undefined {
  if (found === undefined) return undefined;
  const { node, address } = found;
  const block = cidr[address.includes(":") ? "v6" : "v4"];
  const message = `spec.cidrBlock ${block} contains ${address}, the address of node ${node}; choose a range without addresses of nodes`;
  return { reason: "NodeConflict", message };
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
function inUse(spec: SubnetSpecFact, holders: () => readonly SubnetHolder[]): Problem | undefined {
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

function overlap(
  a: Pick<SubnetFact, "cidr">,
  b: Pick<SubnetFact, "cidr">,
): { mine: string; theirs: string } | undefined {
  for (const family of ["v4", "v6"] as const) {
    const mine = parseCidr(a.cidr[family] ?? "");
    const theirs = parseCidr(b.cidr[family] ?? "");
    if (mine && theirs && cidrsOverlap(mine, theirs)) return { mine: mine.text, theirs: theirs.text };
  }
  return undefined;
}

function isOlder(a: SubnetFact, b: SubnetFact): boolean {
  return a.created === b.created ? a.name < b.name : a.created < b.created;
}
