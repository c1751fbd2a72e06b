// SPDX-License-Identifier: Apache-2.0

import { isOvnProvider } from "../../api/annotations.ts";
import type { EgressText } from "../../contract/subnet.ts";
import type { FactReader } from "../../facts/store.ts";
import type { SubnetFact } from "../../facts/subnet.ts";
import { cidrContains, parseCidr } from "../../net/cidr.ts";
import { dualValues, parseDualIp } from "../../net/dual.ts";
import type { PolicyProblem } from "../../policy/types.ts";

/** The kernel's tables (`/etc/iproute2/rt_tables`: unspec, default, main, local) and Weft's. */
const RESERVED_TABLES: readonly Reserved[] = [
  [0, 0],
  [253, 255],
  [870, 879],
  [8700, 8799],
];
/** Rule 0 is the kernel's for local addresses; rules from 32766 on are for the tables main and default. */
const RESERVED_PRIORITIES: readonly Reserved[] = [
  [0, 0],
  [870, 879],
  [8700, 8799],
  [32_766, 0xffff_ffff],
];

const LINK_LOCAL = parseCidr("fe80::/10");

/** The first and the last number of a range. */
type Reserved = readonly [number, number];

/** `Subnet.spec.externalEgressGateway` in the form for nodes, and what is wrong with it. */
export interface Egress {
  readonly egress?: EgressText;
  readonly problems: readonly PolicyProblem[];
}

/** The older subnet with the same routing table; undefined if there is none. */
export function egressTableOwner(reader: FactReader, subnet: SubnetFact): string | undefined {
  if (subnet.egress.gateway === "") return undefined;
  const others = reader.by("subnets", "egressTable", String(subnet.egress.table));
  return others.find((other) => other.name !== subnet.name && isOlder(other, subnet))?.name;
}

function isOlder(a: SubnetFact, b: SubnetFact): boolean {
  return a.created === b.created ? a.name < b.name : a.created < b.created;
}

/** Reads the external egress gateway of a subnet. @param owner see {@link egressTableOwner}. */
export function readEgress(subnet: SubnetFact, router: string, owner: string | undefined): Egress {
  const { gateway, table, priority } = subnet.egress;
  if (gateway === "") return { problems: [] };
  const problem = (field: string, message: string): Egress => ({
    problems: [
      {
        reason: "InvalidEgressGateway",
        path: `spec.${field}`,
        message: `${message}; externalEgressGateway is ignored`,
      },
    ],
  });
  const parsed = parseDualIp(gateway);
  if (parsed === undefined)
    return problem(
      "externalEgressGateway",
      `"${gateway}" must be one address, or one of each family with a comma between`,
    );
  if (subnet.natOutgoing) return problem("externalEgressGateway", "it and natOutgoing exclude each other");
  if (subnet.vpc !== router || !isOvnProvider(subnet.provider))
    return problem("externalEgressGateway", `only subnets of VPC "${router}" leave through nodes`);
  for (const family of ["v4", "v6"] as const) {
    const address = parsed[family];
    if (address === undefined) continue;
    const cidr = parseCidr(subnet.cidr[family] ?? "");
    if (cidr === undefined)
      return problem("externalEgressGateway", `${address.text} is of a family that the subnet does not have`);
    if (cidrContains(cidr, address))
      return problem(
        "externalEgressGateway",
        `${address.text} is in the subnet itself; it must be a router outside the cluster`,
      );
    if (LINK_LOCAL !== undefined && cidrContains(LINK_LOCAL, address))
      return problem(
        "externalEgressGateway",
        `${address.text} is a link-local address; use one that is valid on all nodes`,
      );
  }
  if (isReserved(table, RESERVED_TABLES))
    return problem(
      "policyRoutingTableID",
      `${table} must be set and not be one of ${listed(RESERVED_TABLES)}, which are reserved`,
    );
  if (isReserved(priority, RESERVED_PRIORITIES))
    return problem(
      "policyRoutingPriority",
      `${priority} must be from 1 to 32765 and not be one of 870-879, 8700-8799, which are reserved`,
    );
  if (owner !== undefined)
    return problem("policyRoutingTableID", `${table} is the table of subnet ${owner}; choose another one`);
  return { egress: { gateways: dualValues(parsed).map(({ text }) => text), table, priority }, problems: [] };
}

function isReserved(value: number, ranges: readonly Reserved[]): boolean {
  return !Number.isInteger(value) || value < 0 || ranges.some(([first, last]) => value >= first && value <= last);
}

function listed(ranges: readonly Reserved[]): string {
  return ranges.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(", ");
}
