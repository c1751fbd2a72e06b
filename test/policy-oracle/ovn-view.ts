// SPDX-License-Identifier: Apache-2.0

import { type Ip, parseIp } from "../../src/net/address.ts";
import {
  type AclDecision,
  type AclView,
  decideStage,
  type NamedSets,
  type Packet,
  stageOf,
} from "../../src/policy/acl-evaluation.ts";
import type { Party, PolicyConnection } from "./oracle.ts";
import type { PlainTables, Row } from "./rows.ts";

/** The state of one switch: ACLs by stage, and the named sets. */
interface Switch {
  readonly before: readonly AclView[];
  readonly after: readonly AclView[];
  readonly arriving: readonly AclView[];
  /** Its port to the router, through which all packets come that are not from its own ports. */
  readonly uplink: string | undefined;
  readonly sets: NamedSets;
}

/** The path of a packet, for messages. */
export interface PacketPath {
  /** The decisions of the sender's side, and of the receiver's; `undefined` for a pod without a port. */
  readonly leaves: boolean | undefined;
  readonly arrives: boolean | undefined;
  readonly allowed: boolean;
  readonly by: string;
}

/** A northbound database as OVN enforces it: reachability by its ACLs, port groups and address sets. */
export class OvnView {
  readonly #tables: PlainTables;
  /** Port name and address → its switch's uuid. */
  readonly #switchOf = new Map<string, string>();
  readonly #switches = new Map<string, Switch>();
  readonly #addressSets = new Map<string, readonly string[]>();

  constructor(tables: PlainTables) {
    this.#tables = tables;
    for (const row of this.#rows("Address_Set")) this.#addressSets.set(String(row["name"]), members(row, "addresses"));
    for (const row of this.#rows("Port_Group")) {
      // ovn-northd derives these from each port group (ovn-nb(5), Port_Group `name`).
      const addresses = this.#ports(row).flatMap(addressesOf);
      this.#addressSets.set(
        `${String(row["name"])}_ip4`,
        addresses.filter((address) => !address.includes(":")),
      );
      this.#addressSets.set(
        `${String(row["name"])}_ip6`,
        addresses.filter((address) => address.includes(":")),
      );
    }
    for (const [uuid, row] of tables.get("Logical_Switch") ?? []) this.#addSwitch(uuid, row);
  }

  /** Whether a connection is allowed. Without a port a pod has no network. */
  trace(from: Party, to: Party, connection: PolicyConnection): PacketPath {
    const packet = packetOf(from, to, connection);
    const [inport, outport] = [portOf(from), portOf(to)];
    const near = this.#switchWith(inport, from.address);
    const far = this.#switchWith(outport, to.address);
    const verdicts: string[] = [];
    const stage = (uuid: string | undefined, name: "before" | "after" | "arriving", leaving: boolean): boolean => {
      const it = uuid === undefined ? undefined : this.#switches.get(uuid);
      if (it === undefined) return true;
      // A port of another switch is not known here: its packets come through the router.
      const own = inport !== undefined && (leaving || near === far) ? inport : it.uplink;
      const known = own === undefined ? {} : { inport: own };
      const here = leaving || outport === undefined ? { ...packet, ...known } : { ...packet, ...known, outport };
      const decision = decideStage(it[name], here, it.sets);
      verdicts.push(`${name}: ${describe(decision)}`);
      return decision.verdict === "allow";
    };
    const missing = (port: string | undefined, uuid: string | undefined): boolean =>
      port !== undefined && uuid === undefined;
    const leaves = missing(inport, near) ? undefined : stage(near, "before", true) && stage(near, "after", true);
    const arrives = missing(outport, far) ? undefined : stage(far, "arriving", false);
    return { leaves, arrives, allowed: leaves === true && arrives === true, by: verdicts.join("; ") };
  }

  #switchWith(port: string | undefined, address: string): string | undefined {
    return port === undefined ? undefined : this.#switchOf.get(`${port} ${address}`);
  }

  #addSwitch(uuid: string, row: Row): void {
    const own = new Set<string>();
    let uplink: string | undefined;
    for (const id of members(row, "ports")) {
      const port = this.#tables.get("Logical_Switch_Port")?.get(id);
      if (port === undefined) continue;
      const name = String(port["name"]);
      own.add(name);
      if (port["type"] === "router") uplink = name;
      for (const address of addressesOf(port)) this.#switchOf.set(`${name} ${address}`, uuid);
    }
    const acls = members(row, "acls").map((id) => this.#acl(id));
    const groups = new Map<string, ReadonlySet<string>>();
    for (const group of this.#rows("Port_Group")) {
      const here = this.#ports(group)
        .map((port) => String(port["name"]))
        .filter((name) => own.has(name));
      // On a switch without any of its ports a group has no effect, and its ACLs are not applied.
      if (here.length === 0) continue;
      groups.set(String(group["name"]), new Set(here));
      acls.push(...members(group, "acls").map((id) => this.#acl(id)));
    }
    const of = (stage: ReturnType<typeof stageOf>): readonly AclView[] => acls.filter((acl) => stageOf(acl) === stage);
    this.#switches.set(uuid, {
      before: of("from-lport"),
      after: of("from-lport-after-lb"),
      arriving: of("to-lport"),
      uplink,
      sets: { portGroup: (name) => groups.get(name), addressSet: (name) => this.#addressSets.get(name) },
    });
  }

  #acl(uuid: string): AclView {
    const row = this.#tables.get("ACL")?.get(uuid);
    if (row === undefined) throw new Error(`there is no ACL ${uuid}`);
    return row as unknown as AclView;
  }

  #ports(group: Row): readonly Row[] {
    const rows = members(group, "ports").map((id) => this.#tables.get("Logical_Switch_Port")?.get(id));
    return rows.filter((row) => row !== undefined);
  }

  #rows(table: string): Iterable<Row> {
    return this.#tables.get(table)?.values() ?? [];
  }
}

function packetOf(from: Party, to: Party, { protocol, port }: PolicyConnection): Packet {
  const source = addressOf(from);
  const destination = addressOf(to);
  if (protocol === "ICMP") return { source, destination, protocol: source.family === 4 ? "ICMP" : "ICMPv6" };
  return { source, destination, protocol, sourcePort: 40_000, destinationPort: port };
}

/** Address → the parsed address. There are few. */
const READ = new Map<string, Ip>();

function addressOf({ address }: Party): Ip {
  const known = READ.get(address) ?? parseIp(address);
  if (known === undefined) throw new Error(`${address} is no address`);
  READ.set(address, known);
  return known;
}

function portOf({ pod }: Party): string | undefined {
  if (pod === undefined || pod.spec.hostNetwork === true) return undefined;
  return `${pod.metadata.name}.${pod.metadata.namespace}`;
}

/** The IP addresses of a port (ovn-nb(5), Logical_Switch_Port `addresses`: a MAC and what follows). */
function addressesOf(port: Row): readonly string[] {
  return members(port, "addresses").flatMap((text) => text.split(" ").slice(1));
}

function members(row: Row, column: string): readonly string[] {
  return (row[column] as readonly string[] | undefined) ?? [];
}

function describe({ verdict, by }: AclDecision): string {
  return by === undefined ? verdict : `${verdict} (tier ${by.tier}, ${by.priority}: ${by.match})`;
}
