// SPDX-License-Identifier: Apache-2.0

import { spell } from "../../api/composed-name.ts";
import { nodesAddressSet, peeringPortName } from "../../api/names.ts";
import { samePlain } from "../../collections/plain.ts";
import { stableMac } from "../../desired/identity.ts";
import { linksOverlap, peeringAsWritten } from "../../facts/project-peering.ts";
import type { FactReader } from "../../facts/store.ts";
import { hasLocalnet, isRouted, isUnderlay } from "../../facts/underlay.ts";
import type { LinkAddress, PeeringFact, VpcFact } from "../../facts/vpc.ts";
import { cidrsOverlap, parseCidr } from "../../net/cidr.ts";
import { type Dual, dualValues } from "../../net/dual.ts";
import type { PolicyProblem } from "../../policy/types.ts";
import type { Note } from "../effects.ts";
import type { FragmentBuilder } from "../fragment-builder.ts";
import { nameCollisionKey, peeringRole } from "../name-claims.ts";
import { routerId, routerPortId } from "../owner-ids.ts";
import { externalIds } from "../rows.ts";
import { routerAddresses, u2oRouterOf } from "../subnet/subnet-u2o.ts";

/** One end of an active peering: the router's port towards the other router. */
export interface PeeringLink {
  readonly remoteVpc: string;
  readonly local: Dual<LinkAddress>;
  /** The addresses of the other router. */
  readonly remote: Dual<string>;
  /** Name of the port. */
  readonly port: string;
  /** Name of the port of the other router. */
  readonly peer: string;
}

/** Which peerings of a VPC are active, and why the others are not. */
export interface Peerings {
  readonly links: readonly PeeringLink[];
  /** Invalid entries. */
  readonly problems: readonly PolicyProblem[];
  /** Entries that wait for another object. */
  readonly notes: readonly Note[];
  /** The active peerings to be recorded. */
  readonly remembered: readonly PeeringFact[];
}

/** A range of a VPC's accepted subnets that its router is connected to. */
export interface ConnectedRange {
  readonly subnet: string;
  readonly cidr: string;
  /** The router's own address in it; absent if the subnet has no gateway. */
  readonly gateway?: string;
  /** The subnet is also a network outside the cluster, with hosts that Weft does not know. */
  readonly isOutside: boolean;
}

/**
 * Decides which peerings of a VPC are active: those that both VPCs name, with two addresses of one network, if no range of one VPC overlaps a range
 * of the other. Each side evaluates both sides, so they come to the same result. If new addresses of an active peering cannot be used, it stays
 * active with its former addresses while both VPCs name it.
 */
export function readPeerings(reader: FactReader, vpc: VpcFact): Peerings {
  const links: PeeringLink[] = [];
  const remembered: PeeringFact[] = [];
  const problems: PolicyProblem[] = [];
  const notes: Note[] = [];
  const own = vpc.peerings.length === 0 ? [] : connectedRanges(reader, vpc.name);
  const known = new Set(vpc.peerings.map(({ path }) => path));
  // Entries that the projection has left out.
  for (const problem of vpc.problems) {
    const [entry] = /^spec\.vpcPeerings\[\d+\]/.exec(problem.path) ?? [];
    if (entry !== undefined && !known.has(entry))
      problems.push({ ...problem, message: `${problem.message}; the entry is ignored` });
  }
  for (const entry of vpc.peerings) {
    const { path, remoteVpc } = entry;
    const remote = reader.get("vpcs", remoteVpc);
    const named = remote?.peerings.find((one) => one.remoteVpc === vpc.name);
    if (remote === undefined) {
      notes.push({ reason: "VpcNotFound", message: `${path}.remoteVpc: VPC "${remoteVpc}" does not exist` });
      continue;
    }
    if (named === undefined) {
      notes.push({ reason: "PeeringIncomplete", message: `${path}: ${incomplete(vpc.name, remoteVpc, entry)}` });
      continue;
    }
    const others = connectedRanges(reader, remoteVpc);
    const taken = takenBy(reader, vpc, entry);
    const wanted = taken === undefined ? entry : { ...entry, local: {} };
    const theirs = takenBy(reader, remote, named) === undefined ? named : { ...named, local: {} };
    const judge = (mine: PeeringFact, its: PeeringFact): Omit<PolicyProblem, "path"> | undefined =>
      mismatchOf(mine, its, remoteVpc) ?? overlapOf(own, others, mine, vpc.name, remoteVpc);
    const wrong = taken === undefined ? judge(entry, theirs) : sharedNetwork(entry, taken);
    const former = { mine: formerOf(vpc, wanted), theirs: formerOf(remote, theirs) };
    const active =
      wrong === undefined
        ? { mine: wanted, theirs }
        : judge(former.mine, former.theirs) === undefined
          ? former
          : undefined;
    const rest = active === undefined ? "the peering is not active" : "the last accepted peering stays active";
    // The projection reports invalid addresses.
    const read = vpc.problems.filter((problem) => problem.path.startsWith(`${path}.`));
    for (const problem of [...read, ...(read.length === 0 && wrong ? [{ ...wrong, path }] : [])])
      problems.push({ ...problem, message: `${problem.message}; ${rest}` });
    if (active === undefined) continue;
    remembered.push({ ...active.mine, path: "" });
    const { v4, v6 } = active.theirs.local;
    links.push({
      remoteVpc,
      local: active.mine.local,
      remote: { ...(v4 && { v4: v4.address }), ...(v6 && { v6: v6.address }) },
      port: portName(reader, vpc.name, remoteVpc),
      peer: portName(reader, remoteVpc, vpc.name),
    });
  }
  return { links, problems, notes, remembered };
}

/**
 * The peerings of a VPC that were active and that both VPCs still name. New ranges of subnets are checked against
 * them, so that a new subnet does not end a peering. Only recorded peerings that both VPCs' records contain are
 * included.
 */
export function recordedPeerings(reader: FactReader, vpc: string): readonly PeeringFact[] {
  const named = (list: readonly PeeringFact[] | undefined, vpc: string): boolean =>
    list?.some(({ remoteVpc }) => remoteVpc === vpc) === true;
  const { former, peerings } = reader.get("vpcs", vpc) ?? { former: {}, peerings: [] };
  return (former.vpcPeerings ?? []).filter(({ remoteVpc }) => {
    const remote = reader.get("vpcs", remoteVpc);
    return named(peerings, remoteVpc) && named(remote?.peerings, vpc) && named(remote?.former.vpcPeerings, vpc);
  });
}

/** The ranges of a VPC's accepted subnets that its router is connected to. */
export function connectedRanges(reader: FactReader, vpc: string): readonly ConnectedRange[] {
  return reader.by("subnets", "vpc", vpc).flatMap((subnet) => {
    const { name, cidr } = subnet;
    if (!isRouted(subnet) || reader.get("verdicts", name)?.ok !== true) return [];
    const router = u2oRouterOf(reader, subnet);
    // The router has no port in it yet.
    if (isUnderlay(subnet) && router === undefined) return [];
    const addresses = routerAddresses(subnet, router);
    return (["v4", "v6"] as const).flatMap((family): ConnectedRange[] => {
      const [block, own] = [cidr[family], addresses[family]];
      if (block === undefined) return [];
      return [
        { subnet: name, cidr: block, isOutside: hasLocalnet(subnet), ...(own !== undefined && { gateway: own }) },
      ];
    });
  });
}

/** Names of the VPCs with a peering that both sides name: they keep the VPC from being deleted, unless they are being deleted too. */
export function peeredBy(reader: FactReader, vpc: VpcFact): readonly string[] {
  return vpc.peerings.flatMap(({ remoteVpc }) => {
    const remote = reader.get("vpcs", remoteVpc);
    return remote?.deleting === false && remote.peerings.some((one) => one.remoteVpc === vpc.name) ? [remoteVpc] : [];
  });
}

/**
 * Adds the router ports of the active peerings, and no routes: as in Kube-OVN, what is sent to the peer is what the VPC's own `staticRoutes` say
 * (`addStaticRoutes` in `static-routes.ts`). northd connects two router ports that name each other (ovn-nb(5), Logical_Router_Port `peer`) and
 * knows the MAC of each at the other router, so ARP is not needed. Packets from a peer with a source address of this VPC's own subnets are dropped,
 * because policies trust such addresses, and in the default VPC those with a node's address as well: a range of the other VPC may contain it. So are those
 * with a source of `dropped` (see `peerSources`).
 */
export function addPeerings(
  build: FragmentBuilder,
  { name: vpc, isDefault }: Pick<VpcFact, "name" | "isDefault">,
  links: readonly PeeringLink[],
  ranges: readonly ConnectedRange[],
  dropped: ReadonlyMap<string, readonly string[]>,
): void {
  for (const { remoteVpc, local, port, peer } of links) {
    const networks = dualValues(local).map(({ address, network }) => `${address}/${network.split("/")[1]}`);
    build.held("Logical_Router", routerId(vpc), "ports", "Logical_Router_Port", routerPortId(port), {
      name: port,
      mac: stableMac(`peering/${vpc}/${remoteVpc}`),
      networks: networks.sort(),
      peer,
      external_ids: externalIds(),
    });
    for (const ip of ["ip4", "ip6"] as const) {
      const all = [...ranges.map(({ cidr }) => cidr), ...(dropped.get(remoteVpc) ?? [])];
      const own = all.filter((cidr) => cidr.includes(":") === (ip === "ip6"));
      if (own.length === 0) continue;
      const sources = [...own.sort(), ...(isDefault ? [`$${nodesAddressSet(ip === "ip4" ? 4 : 6)}`] : [])];
      const id = `${vpc}/peering/${remoteVpc}/sources/${ip}`;
      build.held("Logical_Router", routerId(vpc), "policies", "Logical_Router_Policy", id, {
        priority: 32767,
        match: `inport == ${JSON.stringify(port)} && ${ip}.src == {${sources.join(", ")}}`,
        action: "drop",
        nexthops: [],
        external_ids: externalIds({ sources: ip }),
      });
    }
  }
}

function portName(reader: FactReader, vpc: string, remote: string): string {
  const taken = reader.get("nameCollisions", nameCollisionKey.vpc(vpc))?.taken[peeringRole(remote)];
  return spell(peeringPortName(vpc, remote), taken !== undefined);
}

/**
 * The other peering of a VPC that has the network of an entry; undefined if none has. One that is active keeps its network, also while its entry names another
 * one that is not accepted; of two that are not active, the first in the spec has it.
 */
function takenBy(reader: FactReader, vpc: VpcFact, entry: PeeringFact): PeeringFact | undefined {
  const { rivals = [] } = entry;
  if (rivals.length === 0) return undefined;
  const recorded = recordedPeerings(reader, vpc.name);
  const former = recorded.find(({ remoteVpc }) => remoteVpc === entry.remoteVpc);
  if (former !== undefined && samePlain(former.local, entry.local)) return undefined;
  const before = vpc.peerings.slice(0, vpc.peerings.indexOf(entry));
  const other = [...recorded, ...before].find((one) => rivals.includes(one.remoteVpc) && linksOverlap(one, entry));
  return other && (vpc.peerings.find(({ remoteVpc }) => remoteVpc === other.remoteVpc) ?? other);
}

function sharedNetwork(entry: PeeringFact, { path, remoteVpc }: PeeringFact): Omit<PolicyProblem, "path"> {
  const { localConnectIP } = peeringAsWritten(entry);
  const message = `localConnectIP ${localConnectIP} is in the network of ${path}, the peering with VPC "${remoteVpc}"; each peering needs a network of its own`;
  return { reason: "PeeringConflict", message };
}

function formerOf({ former }: VpcFact, entry: PeeringFact): PeeringFact {
  return former.vpcPeerings?.find((one) => one.remoteVpc === entry.remoteVpc) ?? entry;
}

function incomplete(vpc: string, remoteVpc: string, entry: PeeringFact): string {
  const networks = dualValues(entry.local).map(({ network }) => network);
  const another = networks.length === 0 ? "" : ` and as localConnectIP another address of ${networks.join(" and ")}`;
  return `VPC "${remoteVpc}" has no peering with this VPC, so it is not active; add one there, with remoteVpc ${vpc}${another}`;
}

/** Why the two ends of a link do not match; undefined if they do. */
function mismatchOf(
  mine: PeeringFact,
  theirs: PeeringFact,
  remoteVpc: string,
): Omit<PolicyProblem, "path"> | undefined {
  const [a, b] = [mine, theirs].map((one) => peeringAsWritten(one).localConnectIP || "(invalid)");
  const wrong = (what: string): Omit<PolicyProblem, "path"> => ({
    reason: "PeeringMismatch",
    message: `localConnectIP ${a} and that of VPC "${remoteVpc}", ${b}, ${what}`,
  });
  const families = (["v4", "v6"] as const).filter((family) => mine.local[family] ?? theirs.local[family]);
  if (families.length === 0)
    return wrong("must be two addresses of one network, such as 169.254.0.1/30 and 169.254.0.2/30");
  for (const family of families) {
    const [left, right] = [mine.local[family], theirs.local[family]];
    if (left === undefined || right === undefined) return wrong("must have the same address families");
    if (left.network !== right.network) return wrong("are in different networks; they must be two addresses of one");
    if (left.address === right.address) return wrong("are the same address; each router needs its own");
  }
  return undefined;
}

/** Why two VPCs cannot be peered: an address must belong to only one of them. */
function overlapOf(
  own: readonly ConnectedRange[],
  other: readonly ConnectedRange[],
  { local }: PeeringFact,
  vpc: string,
  remoteVpc: string,
): Omit<PolicyProblem, "path"> | undefined {
  const wrong = (message: string): Omit<PolicyProblem, "path"> => ({ reason: "PeeringConflict", message });
  const theirs = other.map((range) => ({ ...range, block: parseCidr(range.cidr) }));
  for (const { subnet, cidr } of own) {
    const mine = parseCidr(cidr);
    const found = theirs.find(({ block }) => mine && block && cidrsOverlap(mine, block));
    if (found !== undefined)
      return wrong(
        `subnet ${subnet} (${cidr}) overlaps subnet ${found.subnet} (${found.cidr}) of VPC "${remoteVpc}": VPCs that are peered must have different addresses`,
      );
  }
  for (const { network } of dualValues(local)) {
    for (const [where, ranges] of [[vpc, own] as const, [remoteVpc, other] as const]) {
      const found = ranges.find(({ cidr }) => overlaps(cidr, network));
      if (found !== undefined)
        return wrong(
          `network ${network} of localConnectIP overlaps subnet ${found.subnet} (${found.cidr}) of VPC "${where}"; choose a network that no subnet has`,
        );
    }
  }
  return undefined;
}

function overlaps(a: string, b: string): boolean {
  const [left, right] = [parseCidr(a), parseCidr(b)];
  return left !== undefined && right !== undefined && cidrsOverlap(left, right);
}
