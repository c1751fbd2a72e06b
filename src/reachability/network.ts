// SPDX-License-Identifier: Apache-2.0

import { DENY_ALL_GROUP, isVpcRouterName, portGroupAddressSet } from "../api/names.ts";
import { NODE_PREFIX, nodePortName } from "../api/port-names.ts";
import { plainVip } from "../compile/service/template-variables.ts";
import type { ColumnValue, Fragment } from "../desired/fragment.ts";
import type { PodFact } from "../facts/pod.ts";
import type { FactReader } from "../facts/store.ts";
import { type Ip, parseIp } from "../net/address.ts";
import { type Cidr, cidrContains, parseCidr } from "../net/cidr.ts";
import type { Dual } from "../net/dual.ts";
import { parseMac } from "../net/mac.ts";
import type { NamedSets } from "../policy/packet.ts";
import { AclIndex, type AclLists } from "./acls.ts";
import type { NetworkPort } from "./network-port.ts";
import { readTables, type Tables, texts } from "./tables.ts";

/** A policy of a router (ovn-nb(5), Logical_Router_Policy). */
export interface RouterPolicy {
  readonly priority: number;
  readonly match: string;
  readonly action: string;
  readonly nexthops: readonly string[];
  readonly label: string;
}

/** A static route (ovn-nb(5), Logical_Router_Static_Route). */
export interface StaticRoute {
  readonly cidr: Cidr;
  /** An address, or `discard`. */
  readonly nexthop: string;
}

/** A translation of a source address by a router (ovn-nb(5), NAT: `snat` and `dnat_and_snat`). */
export interface SourceNat {
  readonly external: string;
  /** The addresses that it is for. */
  readonly logical: Cidr;
  /** The rule's object: `OvnFip web`. */
  readonly label: string;
}

/** A router's port to the router of another VPC (ovn-nb(5), Logical_Router_Port `peer`). */
export interface Peering {
  /** This router's port. */
  readonly port: string;
  /** The other router, and its port. */
  readonly router: string;
  readonly remotePort: string;
  /** The networks of the link. */
  readonly networks: readonly Cidr[];
}

/** The destination of a switch's traffic that is not for its own ports. */
export interface Uplink {
  readonly router: string;
  /** The switch's port towards the router. */
  readonly port: string;
  /** The router's own port towards the switch. */
  readonly routerPort: string;
  /** The MAC of that port. */
  readonly routerMac: string;
}

/**
 * The content of the northbound database for queries about reachability: ports with their addresses, groups, address
 * sets and ACLs. Built from the compiled fragments of all units, so it is the desired state, not the committed one.
 * Immutable.
 */
export class Network implements NamedSets {
  readonly facts: FactReader;
  readonly acls: AclIndex;
  /** Name → port. */
  readonly ports: ReadonlyMap<string, NetworkPort>;
  /** `namespace/pod` → the port of its primary interface. */
  readonly #podPorts = new Map<string, NetworkPort>();
  /** Address → the ports with it; VPCs may overlap. */
  readonly #byAddress = new Map<string, NetworkPort[]>();
  /** Name of a port group → the names of its ports. */
  readonly #groups: ReadonlyMap<string, ReadonlySet<string>>;
  /** Name of an address set → its addresses. */
  readonly #addressSets: ReadonlyMap<string, readonly string[]>;
  /** Switch → its uplink to a router. */
  readonly #uplinks: ReadonlyMap<string, Uplink>;
  /** Router → its policies, in the order of evaluation. */
  readonly #routerPolicies: ReadonlyMap<string, readonly RouterPolicy[]>;
  /** Router → its routes besides its own networks, longest prefixes first. */
  readonly #routes: ReadonlyMap<string, readonly StaticRoute[]>;
  /** Router → its source NAT, the most specific first. */
  readonly #sourceNat: ReadonlyMap<string, readonly SourceNat[]>;
  /** Router → its ports to other routers. */
  readonly #peerings: ReadonlyMap<string, readonly Peering[]>;

  /** Port of a node → the node; created on first use. */
  #nodePorts: ReadonlyMap<string, string> | undefined;
  /** Port → its ACLs, created on first use. */
  readonly #lists = new Map<NetworkPort, AclLists>();
  /** Name of a port group → its SecurityGroup. */
  readonly #securityGroups: ReadonlyMap<string, string>;
  /** Switch → `tcp address:port` of each of its load balancers. */
  readonly #balanced: ReadonlyMap<string, ReadonlySet<string>>;

  constructor(facts: FactReader, fragments: Iterable<Pick<Fragment, "rows" | "edges">>) {
    this.facts = facts;
    const tables = readTables(fragments);
    const { ports, groups, held } = readPorts(tables);
    this.ports = ports;
    this.#groups = groups;
    for (const port of ports.values()) {
      if (port.pod !== undefined && port.provider === undefined) this.#podPorts.set(port.pod, port);
      for (const ip of Object.values(port.addresses) as Ip[]) {
        const known = this.#byAddress.get(ip.text);
        if (known === undefined) this.#byAddress.set(ip.text, [port]);
        else known.push(port);
      }
    }
    this.#addressSets = readAddressSets(tables, held);
    this.#uplinks = readUplinks(tables);
    this.#routerPolicies = readRouterPolicies(tables);
    this.#routes = readRoutes(tables);
    this.#sourceNat = readSourceNat(tables);
    this.#peerings = readPeerings(tables);
    this.#balanced = readBalanced(tables);
    this.#securityGroups = readSecurityGroups(tables);
    this.acls = new AclIndex(tables, ports.values());
  }

  portGroup(name: string): ReadonlySet<string> | undefined {
    return this.#groups.get(name);
  }

  addressSet(name: string): readonly string[] | undefined {
    return this.#addressSets.get(name);
  }

  /** The address sets that do not belong to port groups, by name. */
  plainAddressSets(): Readonly<Record<string, readonly string[]>> {
    const plain = [...this.#addressSets].filter(([name]) => !this.#groups.has(name.replace(/_ip[46]$/, "")));
    return Object.fromEntries(plain.sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  /** The policies of all routers. */
  allRouterPolicies(): Iterable<RouterPolicy> {
    return [...this.#routerPolicies.values()].flat();
  }

  /** The port of a pod's primary interface, if it exists. */
  podPort(pod: Pick<PodFact, "key">): NetworkPort | undefined {
    return this.#podPorts.get(pod.key);
  }

  /** The ports with an address, of pods and of nodes. */
  withAddress(address: string): readonly NetworkPort[] {
    return this.#byAddress.get(address) ?? [];
  }

  uplink(switchName: string): Uplink | undefined {
    return this.#uplinks.get(switchName);
  }

  routerPolicies(router: string): readonly RouterPolicy[] {
    return this.#routerPolicies.get(router) ?? [];
  }

  /** The SecurityGroups that a port is in. */
  securityGroups(port: NetworkPort): readonly string[] {
    return port.groups.flatMap((group) => this.#securityGroups.get(group) ?? []);
  }

  nodeOf(port: string): string | undefined {
    const { pod } = this.ports.get(port) ?? {};
    if (pod !== undefined) return this.facts.get("pods", pod)?.node;
    if (!port.startsWith(NODE_PREFIX)) return undefined;
    this.#nodePorts ??= new Map(this.facts.all("nodes").map(({ name }) => [nodePortName(name), name]));
    return this.#nodePorts.get(port);
  }

  /** Whether OVN itself balances traffic from ports of a switch to an address and port. */
  isBalanced(switchName: string, protocol: string, address: Ip, port: number): boolean {
    const host = address.family === 4 ? address.text : `[${address.text}]`;
    return this.#balanced.get(switchName)?.has(`${protocol.toLowerCase()} ${host}:${port}`) === true;
  }

  /** Whether the nodes are joined to a router. */
  isJoined(router: string): boolean {
    const cluster = this.facts.get("cluster", "cluster");
    return cluster !== undefined && this.#uplinks.get(cluster.joinSubnet)?.router === router;
  }

  /** The routes of a router for an address that is not in its switches: those of the longest prefix. */
  routesTo(router: string, address: Ip): readonly StaticRoute[] {
    const all = (this.#routes.get(router) ?? []).filter(({ cidr }) => cidrContains(cidr, address));
    return all.filter(({ cidr }) => cidr.prefix === all[0]?.cidr.prefix);
  }

  /** The translation of a source address where its packets leave a VPC by its router. */
  sourceNat(router: string, source: Ip): SourceNat | undefined {
    return this.#sourceNat.get(router)?.find(({ logical }) => cidrContains(logical, source));
  }

  /** A router's peerings with the routers of other VPCs. */
  peerings(router: string): readonly Peering[] {
    return this.#peerings.get(router) ?? [];
  }

  /** The ACLs that may concern traffic from or to a port. */
  listsOf(port: NetworkPort): AclLists {
    let lists = this.#lists.get(port);
    if (lists === undefined) {
      lists = this.acls.listsOf(port.switch, port.groups);
      this.#lists.set(port, lists);
    }
    return lists;
  }

  /** The ACLs that concern every port of a switch. */
  switchLists(name: string): AclLists {
    return this.acls.listsOf(name, []);
  }
}

function readPorts(tables: Tables): {
  ports: ReadonlyMap<string, NetworkPort>;
  groups: ReadonlyMap<string, ReadonlySet<string>>;
  /** Name of a port group → all addresses of its ports, in no order. */
  held: ReadonlyMap<string, readonly Ip[]>;
} {
  const switchOf = new Map<string, string>();
  for (const [uuid, { columns }] of tables.rows("Logical_Switch")) {
    for (const port of tables.members(uuid, "ports")) switchOf.set(port, String(columns["name"]));
  }
  const groupsOf = new Map<string, string[]>();
  const members = new Map<string, Set<string>>();
  const held = new Map<string, Ip[]>();
  for (const [uuid, { columns }] of tables.rows("Port_Group")) {
    const group = String(columns["name"]);
    const names = members.get(group) ?? new Set<string>();
    members.set(group, names);
    const ofGroup = held.get(group) ?? [];
    held.set(group, ofGroup);
    for (const port of tables.members(uuid, "ports")) {
      const row = tables.row("Logical_Switch_Port", port)?.columns;
      if (row === undefined) continue;
      ofGroup.push(...allAddressesOf(row["addresses"]));
      if (row["enabled"] === false) continue;
      names.add(String(row["name"]));
      const known = groupsOf.get(port);
      if (known === undefined) groupsOf.set(port, [group]);
      else known.push(group);
    }
  }
  const ports = new Map<string, NetworkPort>();
  for (const [uuid, { columns }] of tables.rows("Logical_Switch_Port")) {
    // A disabled port has addresses for sets only, and no packet passes it.
    if (columns["enabled"] === false) continue;
    const name = String(columns["name"]);
    const ids = columns["external_ids"] as Readonly<Record<string, string>> | undefined;
    const { pod, provider } = ids ?? {};
    ports.set(name, {
      name,
      switch: switchOf.get(uuid) ?? "",
      addresses: addressesOf(columns["addresses"]),
      ...macOf(columns["addresses"]),
      groups: (groupsOf.get(uuid) ?? []).sort(),
      ...(pod !== undefined && { pod }),
      ...(provider !== undefined && { provider }),
    });
  }
  return { ports, groups: members, held };
}

/** The first address of each family (ovn-nb(5), Logical_Switch_Port `addresses`: a MAC, then addresses). */
function addressesOf(column: ColumnValue): Dual<Ip> {
  const found: { v4?: Ip; v6?: Ip } = {};
  for (const ip of allAddressesOf(column)) {
    if (ip.family === 4) found.v4 ??= ip;
    else found.v6 ??= ip;
  }
  return found;
}

/** The first MAC (ovn-nb(5), Logical_Switch_Port `addresses`). */
function macOf(column: ColumnValue): { readonly mac?: string } {
  const mac = texts(column).flatMap((entry) => parseMac(entry.split(" ", 1)[0] ?? "") ?? [])[0];
  return mac === undefined ? {} : { mac };
}

function allAddressesOf(column: ColumnValue): readonly Ip[] {
  return texts(column).flatMap((entry) => entry.split(" ").flatMap((word) => parseIp(word) ?? []));
}

/** The existing address sets, and those that northd creates for port groups (ovn-nb(5), Port_Group `name`). */
function readAddressSets(
  tables: Tables,
  held: ReadonlyMap<string, readonly Ip[]>,
): ReadonlyMap<string, readonly string[]> {
  const sets = new Map<string, readonly string[]>();
  for (const [uuid, { columns }] of tables.rows("Address_Set")) {
    sets.set(String(columns["name"]), tables.members(uuid, "addresses"));
  }
  for (const [group, ips] of held) {
    for (const family of [4, 6] as const) {
      const addresses = ips.flatMap((ip) => (ip.family === family ? ip.text : []));
      sets.set(portGroupAddressSet(group, family), [...new Set(addresses)].sort());
    }
  }
  return sets;
}

function readUplinks(tables: Tables): ReadonlyMap<string, Uplink> {
  const routerOf = new Map<string, { readonly router: string; readonly routerMac: string }>();
  for (const [uuid, { columns }] of tables.rows("Logical_Router")) {
    for (const member of tables.members(uuid, "ports")) {
      const port = tables.row("Logical_Router_Port", member)?.columns;
      if (port?.["name"] === undefined) continue;
      routerOf.set(String(port["name"]), { router: String(columns["name"]), routerMac: String(port["mac"] ?? "") });
    }
  }
  const uplinks = new Map<string, Uplink>();
  for (const [uuid, { columns }] of tables.rows("Logical_Switch")) {
    for (const member of tables.members(uuid, "ports")) {
      const port = tables.row("Logical_Switch_Port", member)?.columns;
      if (port?.["type"] !== "router") continue;
      const options = port["options"] as Readonly<Record<string, string>> | undefined;
      const routerPort = options?.["router-port"] ?? "";
      const at = routerOf.get(routerPort);
      // Those of BFD ports and of nodes in external subnets lead to no other switch.
      if (at !== undefined && isVpcRouterName(at.router))
        uplinks.set(String(columns["name"]), { ...at, port: String(port["name"]), routerPort });
    }
  }
  return uplinks;
}

function readRouterPolicies(tables: Tables): ReadonlyMap<string, readonly RouterPolicy[]> {
  const policies = new Map<string, RouterPolicy[]>();
  for (const [uuid, { columns }] of tables.rows("Logical_Router")) {
    const own = tables.members(uuid, "policies").flatMap((member) => {
      const row = tables.row("Logical_Router_Policy", member);
      if (row === undefined) return [];
      const { priority, match, action, nexthops } = row.columns;
      return {
        priority: Number(priority),
        match: String(match),
        action: String(action),
        nexthops: texts(nexthops),
        label: row.label,
      };
    });
    policies.set(
      String(columns["name"]),
      own.sort((a, b) => b.priority - a.priority),
    );
  }
  return policies;
}

/** Static routes by destination (ovn-nb(5), Logical_Router_Static_Route). */
function readRoutes(tables: Tables): ReadonlyMap<string, readonly StaticRoute[]> {
  const routes = new Map<string, readonly StaticRoute[]>();
  for (const [uuid, { columns }] of tables.rows("Logical_Router")) {
    const own = tables.members(uuid, "static_routes").flatMap((member) => {
      const route = tables.row("Logical_Router_Static_Route", member)?.columns;
      const cidr = parseCidr(String(route?.["ip_prefix"]));
      if (route?.["policy"] === "src-ip" || cidr === undefined) return [];
      return { cidr, nexthop: String(route?.["nexthop"]) };
    });
    routes.set(
      String(columns["name"]),
      own.sort((a, b) => b.cidr.prefix - a.cidr.prefix),
    );
  }
  return routes;
}

/** The kinds of objects that NAT rows come from, by the beginning of their label. */
const NAT_KINDS: Readonly<Record<string, string>> = { fip: "OvnFip", snat: "OvnSnatRule" };

function readSourceNat(tables: Tables): ReadonlyMap<string, readonly SourceNat[]> {
  const found = new Map<string, readonly SourceNat[]>();
  for (const [uuid, { columns }] of tables.rows("Logical_Router")) {
    const own = tables.members(uuid, "nat").flatMap((member): readonly SourceNat[] => {
      const row = tables.row("NAT", member);
      const logical = String(row?.columns["logical_ip"]);
      const cidr = parseCidr(logical) ?? parseCidr(`${logical}/${logical.includes(":") ? 128 : 32}`);
      if (row === undefined || cidr === undefined || row.columns["type"] === "dnat") return [];
      const [kind = "", name = ""] = row.label.split("/");
      const label = NAT_KINDS[kind] === undefined ? row.label : `${NAT_KINDS[kind]} ${name}`;
      return [{ external: String(row.columns["external_ip"]), logical: cidr, label }];
    });
    if (own.length > 0)
      found.set(
        String(columns["name"]),
        own.sort((a, b) => b.logical.prefix - a.logical.prefix),
      );
  }
  return found;
}

function readPeerings(tables: Tables): ReadonlyMap<string, readonly Peering[]> {
  const routerOf = new Map<string, string>();
  const ends: { router: string; port: string; remotePort: string; networks: readonly Cidr[] }[] = [];
  for (const [uuid, { columns }] of tables.rows("Logical_Router")) {
    const router = String(columns["name"]);
    for (const member of tables.members(uuid, "ports")) {
      const row = tables.row("Logical_Router_Port", member)?.columns;
      if (row?.["peer"] === undefined) continue;
      const port = String(row["name"]);
      routerOf.set(port, router);
      const networks = texts(row["networks"]).flatMap((text) => parseCidr(text) ?? []);
      ends.push({ router, port, remotePort: String(row["peer"]), networks });
    }
  }
  const peerings = new Map<string, Peering[]>();
  for (const { router, port, remotePort, networks } of ends) {
    const remote = routerOf.get(remotePort);
    if (remote === undefined) continue;
    const known = peerings.get(router) ?? [];
    peerings.set(router, known);
    known.push({ port, remotePort, networks, router: remote });
  }
  return peerings;
}

/**
 * The addresses and ports of each switch's load balancers (ovn-nb(5), Load_Balancer `vips`, Logical_Switch
 * `load_balancer_group`).
 */
function readBalanced(tables: Tables): ReadonlyMap<string, ReadonlySet<string>> {
  const ofGroup = new Map<string, readonly string[]>();
  for (const [uuid] of tables.rows("Load_Balancer_Group")) {
    const own = tables.members(uuid, "load_balancer").flatMap((member) => {
      const columns = tables.row("Load_Balancer", member)?.columns ?? {};
      return Object.keys((columns["vips"] ?? {}) as object).map(
        (vip) => `${String(columns["protocol"] ?? "tcp")} ${plainVip(vip)}`,
      );
    });
    ofGroup.set(uuid, own);
  }
  const ofSwitch = new Map<string, ReadonlySet<string>>();
  for (const [uuid, { columns }] of tables.rows("Logical_Switch")) {
    const groups = tables.members(uuid, "load_balancer_group");
    ofSwitch.set(String(columns["name"]), new Set(groups.flatMap((group) => ofGroup.get(group) ?? [])));
  }
  return ofSwitch;
}

/** The SecurityGroups of port groups; the group that drops what none of them allows belongs to none. */
function readSecurityGroups(tables: Tables): ReadonlyMap<string, string> {
  return new Map(
    [...tables.rows("Port_Group")].flatMap(([, { columns }]) => {
      const sg = (columns["external_ids"] as Readonly<Record<string, string>> | undefined)?.["sg"];
      return sg === undefined || sg === DENY_ALL_GROUP ? [] : [[String(columns["name"]), sg] as const];
    }),
  );
}
