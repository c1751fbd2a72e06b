// SPDX-License-Identifier: Apache-2.0

import { type Family, parseIp } from "../../net/address.ts";
import { cidrContains, cidrOf, parseCidr } from "../../net/cidr.ts";
import type { Address, AddressKey, AddressSpec } from "../../netlink/addresses.ts";
import { NetlinkError } from "../../netlink/error.ts";
import type { Link, LinkChange, LinkSpec } from "../../netlink/links.ts";
import type { Neighbour } from "../../netlink/neighbours.ts";
import {
  ROUTE_PROTOCOL_KERNEL,
  ROUTE_PROTOCOL_STATIC,
  ROUTE_TABLE_LOCAL,
  ROUTE_TABLE_MAIN,
  type Route,
  type RouteFilter,
  type RouteSpec,
} from "../../netlink/routes.ts";
import type { Rule, RuleSpec } from "../../netlink/rules.ts";
import type { Qdisc, QdiscSpec, TcHandle } from "../../netlink/tc.ts";
import type { NetlinkEvent } from "../../netlink/watch.ts";
import type { NodeKernel } from "../kernel.ts";

/**
 * A kernel in memory, with the behaviour that the drivers depend on: an address adds and removes its routes, a route
 * needs a gateway on a link, a deleted link removes its addresses and routes. Every change is reported to all
 * listeners at once. Tests that act as another program call the same functions.
 */
export class FakeKernel implements NodeKernel {
  readonly #links = new Map<number, Link>();
  readonly #withChecksum = new Set<string>();
  #addresses: Address[] = [];
  #routes: Route[] = [];
  #rules: Rule[] = [];
  readonly #qdiscs = new Map<number, Qdisc>();
  readonly #sysctls = new Map<string, string>();
  readonly #watchers = new Set<(event: NetlinkEvent) => void>();
  #nextIndex = 1;
  /** Called before each change with its name; throws to refuse it. */
  onChange: (operation: string) => void = () => undefined;

  links = (): readonly Link[] => [...this.#links.values()];
  link = (name: string): Link | undefined => this.links().find((link) => link.name === name);

  createLink(spec: LinkSpec): void {
    this.onChange(`createLink ${spec.name}`);
    if (this.link(spec.name) !== undefined) throw new NetlinkError("exists", "RTM_NEWLINK", spec.name);
    const link: Link = {
      index: this.#nextIndex++,
      name: spec.name,
      kind: spec.kind,
      mac: spec.mac ?? "02:00:00:00:ff:01",
      mtu: spec.mtu ?? 1500,
      up: spec.up === true,
      carrier: spec.up === true,
      operState: "unknown",
      loopback: false,
      promiscuous: false,
      alias: spec.alias,
      group: spec.group ?? 0,
      altNames: [],
      master: spec.master,
      peer: undefined,
      peerNetnsId: undefined,
      flags: 0,
    };
    this.#links.set(link.index, link);
    this.#withChecksum.add(link.name);
    this.#notify({ type: "link", change: "set", link });
  }

  setLink(index: number, wanted: LinkChange): void {
    this.onChange(`setLink ${index}`);
    const { netns: _, ...change } = wanted;
    const link = { ...this.#require(index), ...change };
    this.#links.set(index, link);
    if (change.up === false)
      this.#dropRoutes((route) => route.device === index && route.protocol !== ROUTE_PROTOCOL_KERNEL);
    this.#notify({ type: "link", change: "set", link });
  }

  deleteLink(index: number): boolean {
    this.onChange(`deleteLink ${index}`);
    const link = this.#links.get(index);
    if (link === undefined) return false;
    for (const address of this.addresses({ index })) this.deleteAddress(address);
    this.#dropRoutes((route) => route.device === index);
    this.#links.delete(index);
    this.#qdiscs.delete(index);
    this.#notify({ type: "link", change: "removed", link });
    return true;
  }

  checksum = (link: string): boolean => this.#withChecksum.has(link);

  setChecksum(link: string, on: boolean): void {
    if (on) this.#withChecksum.add(link);
    else this.#withChecksum.delete(link);
  }

  addresses({ index, family }: { readonly index?: number; readonly family?: Family } = {}): readonly Address[] {
    return this.#addresses.filter(
      (address) =>
        (index === undefined || address.index === index) && (family === undefined || address.family === family),
    );
  }

  setAddress(spec: AddressSpec): void {
    this.onChange(`setAddress ${spec.address}`);
    this.#require(spec.index);
    const ip = parseIp(spec.address);
    const cidr = ip && cidrOf(ip, spec.prefix);
    if (ip === undefined || cidr === undefined) throw new NetlinkError("invalid", "RTM_NEWADDR", spec.address);
    if (this.#addresses.some((address) => isAddress(address, spec))) return;
    const { index, address, prefix, scope = "global" } = spec;
    const added: Address = {
      ...{ index, address, prefix, scope, family: ip.family, noDad: spec.noDad === true, noPrefixRoute: false },
      ...{ peer: undefined, broadcast: undefined, label: undefined, tentative: false, dadFailed: false },
      ...{ permanent: true, validSeconds: undefined, preferredSeconds: undefined, flags: 0 },
    };
    this.#addresses.push(added);
    this.#notify({ type: "address", change: "set", address: added });
    for (const route of routesOf(added)) {
      if (!this.#routes.some((other) => isSame(other, route))) this.#put(route);
    }
  }

  deleteAddress(key: AddressKey): boolean {
    this.onChange(`deleteAddress ${key.address}`);
    const gone = this.#addresses.find((address) => isAddress(address, key));
    if (gone === undefined) return false;
    this.#addresses = this.#addresses.filter((address) => address !== gone);
    for (const route of routesOf(gone))
      this.#dropRoutes((other) => isSame(other, route) && other.device === gone.index);
    // As the kernel does with an interface's last address, and with routes that have the address as their source.
    const isLast = this.addresses({ index: gone.index, family: gone.family }).length === 0;
    this.#dropRoutes(
      (route) =>
        route.family === gone.family && (route.source === gone.address || (isLast && route.device === gone.index)),
    );
    this.#notify({ type: "address", change: "removed", address: gone });
    return true;
  }

  routes({ family, table, device, protocol }: RouteFilter): readonly Route[] {
    return this.#routes.filter(
      (route) =>
        (family === undefined || route.family === family) &&
        (table === undefined || route.table === table) &&
        (device === undefined || route.device === device) &&
        (protocol === undefined || route.protocol === protocol),
    );
  }

  addRoute(spec: RouteSpec): void {
    this.onChange(`addRoute ${spec.destination}`);
    const route = this.#checked(spec);
    if (this.#routes.some((other) => isSame(other, route)))
      throw new NetlinkError("exists", "RTM_NEWROUTE", "File exists");
    this.#put(route);
  }

  setRoute(spec: RouteSpec): void {
    this.onChange(`setRoute ${spec.destination}`);
    const route = this.#checked(spec);
    const at = this.#routes.findIndex((other) => isSame(other, route));
    if (at >= 0) this.#routes.splice(at, 1);
    this.#put(route);
  }

  deleteRoute(key: RouteSpec): boolean {
    this.onChange(`deleteRoute ${key.destination}`);
    const wanted = routeOf(key);
    const gone = this.#routes.find(
      (route) =>
        isSame(route, wanted) &&
        (key.device === undefined || route.device === key.device) &&
        (key.protocol === undefined || route.protocol === key.protocol),
    );
    if (gone === undefined) return false;
    this.#dropRoutes((route) => route === gone);
    return true;
  }

  rules = (): readonly Rule[] => this.#rules;

  addRule(spec: RuleSpec): void {
    this.onChange(`addRule ${spec.priority}`);
    const rule = ruleOf(spec);
    if (this.#rules.some((other) => ruleText(other) === ruleText(rule) && other.protocol === rule.protocol))
      throw new NetlinkError("exists", "RTM_NEWRULE", "File exists");
    this.#rules = [...this.#rules, rule];
    this.#notify({ type: "rule", change: "set", rule });
  }

  deleteRule(spec: RuleSpec): boolean {
    this.onChange(`deleteRule ${spec.priority}`);
    const wanted = ruleOf(spec);
    const gone = this.#rules.find(
      (rule) => ruleText(rule) === ruleText(wanted) && (spec.protocol === undefined || rule.protocol === spec.protocol),
    );
    if (gone === undefined) return false;
    this.#rules = this.#rules.filter((rule) => rule !== gone);
    this.#notify({ type: "rule", change: "removed", rule: gone });
    return true;
  }

  qdiscs(): readonly Qdisc[] {
    return [...this.#links.keys()].map((index) => this.#qdiscs.get(index) ?? qdiscOf({ index }));
  }

  setQdisc(spec: QdiscSpec): void {
    this.onChange(`setQdisc ${spec.index}`);
    this.#require(spec.index);
    const qdisc = qdiscOf(spec);
    this.#qdiscs.set(spec.index, qdisc);
    this.#notify({ type: "qdisc", change: "set", qdisc });
  }

  deleteQdisc(index: number, _parent: TcHandle): boolean {
    this.onChange(`deleteQdisc ${index}`);
    const qdisc = this.#qdiscs.get(index);
    if (qdisc === undefined) return false;
    this.#qdiscs.delete(index);
    this.#notify({ type: "qdisc", change: "removed", qdisc });
    return true;
  }

  /** There are none, and none is remembered. */
  neighbours = (): readonly Neighbour[] => [];
  setNeighbour = (): void => this.onChange("setNeighbour");
  deleteNeighbour = (): boolean => false;

  /** Every key has a value, at first "0". */
  sysctl = (key: readonly string[]): string => this.#sysctls.get(key.join("/")) ?? "0";

  setSysctl(key: readonly string[], value: string): void {
    this.onChange(`setSysctl ${key.join(".")}`);
    this.#sysctls.set(key.join("/"), value);
    this.#notify({
      type: "netconf",
      netconf: { family: key[0] === "ipv6" ? 6 : 4, where: this.link(key[2] ?? "")?.index ?? "all" },
    });
  }

  watch(listener: (event: NetlinkEvent) => void): { close(): void } {
    this.#watchers.add(listener);
    return { close: () => void this.#watchers.delete(listener) };
  }

  #notify(event: NetlinkEvent): void {
    for (const watcher of [...this.#watchers]) watcher(event);
  }

  #require(index: number): Link {
    const link = this.#links.get(index);
    if (link === undefined) throw new NetlinkError("not-found", "RTM_GETLINK", `no interface ${index}`);
    return link;
  }

  #put(route: Route): void {
    this.#routes.push(route);
    this.#notify({ type: "route", change: "set", route });
  }

  #dropRoutes(which: (route: Route) => boolean): void {
    const gone = this.#routes.filter(which);
    this.#routes = this.#routes.filter((route) => !gone.includes(route));
    for (const route of gone) this.#notify({ type: "route", change: "removed", route });
  }

  #checked(spec: RouteSpec): Route {
    const route = routeOf(spec);
    const gateway = spec.gateway === undefined ? undefined : parseIp(spec.gateway);
    const isOnLink = (other: Route): boolean => {
      const cidr = parseCidr(other.destination);
      return (
        other.gateway === undefined &&
        other.device === spec.device &&
        cidr !== undefined &&
        gateway !== undefined &&
        cidrContains(cidr, gateway)
      );
    };
    if (gateway !== undefined && spec.onlink !== true && !this.#routes.some(isOnLink))
      throw new NetlinkError("unreachable", "RTM_NEWROUTE", "Nexthop has invalid gateway");
    if (spec.device !== undefined) this.#require(spec.device);
    return route;
  }
}

function isAddress(address: Address, key: AddressKey): boolean {
  return address.index === key.index && address.address === key.address && address.prefix === key.prefix;
}

/** Destination, table and metric identify a route. */
function isSame(a: Route, b: Route): boolean {
  return a.destination === b.destination && a.table === b.table && a.metric === b.metric;
}

function routeOf(spec: RouteSpec): Route {
  const family = spec.destination.includes(":") ? 6 : 4;
  return {
    family,
    destination: spec.destination,
    gateway: spec.gateway,
    device: spec.device,
    onlink: spec.onlink === true,
    nextHops: [],
    source: spec.source,
    table: spec.table ?? ROUTE_TABLE_MAIN,
    metric: spec.metric || (family === 6 ? 1024 : 0),
    scope: spec.scope ?? "global",
    protocol: spec.protocol ?? ROUTE_PROTOCOL_STATIC,
    type: spec.type ?? "unicast",
    mtu: spec.mtu,
    flags: 0,
  };
}

/** The routes that the kernel creates for an address. */
function routesOf({ index, address, prefix, family }: Address): readonly Route[] {
  const ip = parseIp(address);
  const cidr = ip && cidrOf(ip, prefix);
  if (cidr === undefined) return [];
  const common = { device: index, protocol: ROUTE_PROTOCOL_KERNEL, ...(family === 4 && { source: address }) };
  return [
    routeOf({ ...common, destination: cidr.text, ...(family === 6 && { metric: 256 }) }),
    {
      ...routeOf({
        ...common,
        destination: `${address}/${family === 4 ? 32 : 128}`,
        table: ROUTE_TABLE_LOCAL,
        type: "local",
      }),
      metric: 0,
    },
  ];
}

function ruleOf(spec: RuleSpec): Rule {
  const { family, priority, source, destination, mark, mask, inputInterface, outputInterface } = spec;
  return {
    ...{ family, priority, source, destination, mark, inputInterface, outputInterface, goto: undefined },
    action: spec.action ?? "table",
    table: spec.table ?? 0,
    mask: mask ?? (mark === undefined ? undefined : 0xffff_ffff),
    ipProtocol: spec.ipProtocol,
    suppressPrefixLength: spec.suppressPrefixLength,
    invert: spec.invert === true,
    protocol: spec.protocol ?? 0,
  };
}

function ruleText(rule: Rule): string {
  return JSON.stringify({ ...rule, protocol: 0 });
}

/** Without a kind: the qdisc that the kernel sets by default. */
function qdiscOf(spec: { readonly index: number } & Partial<QdiscSpec>): Qdisc {
  const { index, handle = "0:", parent = "root" } = spec;
  return {
    ...{ index, handle, parent },
    kind: spec.kind ?? "noqueue",
    rate: spec.kind === "tbf" ? Math.floor((spec.rate ?? 0) / 8) * 8 : undefined,
    limit: spec.kind === "tbf" ? spec.limit : undefined,
  };
}
