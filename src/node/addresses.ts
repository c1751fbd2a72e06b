// SPDX-License-Identifier: Apache-2.0

import { parseIp } from "../net/address.ts";
import { cidrOf } from "../net/cidr.ts";
import type { Address, AddressKey } from "../netlink/addresses.ts";
import {
  ROUTE_PROTOCOL_KERNEL,
  ROUTE_TABLE_LOCAL,
  ROUTE_TABLE_MAIN,
  type Route,
  type RouteSpec,
} from "../netlink/routes.ts";
import { type Driver, driver, type Step } from "./driver.ts";
import type { NodeKernel } from "./kernel.ts";
import type { AddressState, NodeState } from "./state.ts";

/** Metric of the route that the kernel creates for an IPv6 address' prefix (IP6_RT_PRIO_ADDRCONF, net/ipv6_route.h). */
const CONNECTED_METRIC_6 = 256;

/** A link of the state with its addresses and routes. */
interface FoundLink {
  readonly name: string;
  readonly index: number;
  readonly addresses: readonly Address[];
  readonly routes: readonly Route[];
}

type Key = AddressKey & { readonly scope?: "link" };
type AddressStep = Step &
  (
    | { readonly do: "add"; readonly address: Key }
    | { readonly do: "remove"; readonly address: Key }
    /** Deletes it and adds it again, so that the kernel creates its routes. */
    | { readonly do: "renew"; readonly address: Key }
    | { readonly do: "route"; readonly route: RouteSpec }
  );

/**
 * Addresses of the state's links, with the routes that the kernel creates only when an address is added: the route to
 * its prefix, without which no route by a gateway there can be added ("Nexthop has invalid gateway"), and the one of
 * table `local`, without which the node does not accept packets for the address.
 */
export function addressDriver(kernel: NodeKernel): Driver {
  return driver<readonly FoundLink[], AddressStep>({
    kind: "addresses",
    list({ links, addresses }) {
      if (links === undefined || addresses === undefined) return undefined;
      return links.flatMap(({ name }) => {
        const index = kernel.link(name)?.index;
        if (index === undefined) return [];
        const on = kernel.addresses({ index });
        return [{ name, index, addresses: on, routes: kernel.routes({ device: index }) }];
      });
    },
    diff: diffAddresses,
    apply(step) {
      switch (step.do) {
        case "add":
          kernel.setAddress({ ...step.address, noDad: true });
          return "done";
        case "remove":
          return kernel.deleteAddress(step.address) ? "done" : "absent";
        case "renew":
          kernel.deleteAddress(step.address);
          kernel.setAddress({ ...step.address, noDad: true });
          return "done";
        case "route":
          kernel.setRoute(step.route);
          return "done";
      }
    },
  });
}

function diffAddresses(found: readonly FoundLink[], { addresses = [] }: NodeState) {
  const remove: AddressStep[] = [];
  const set: AddressStep[] = [];
  for (const link of found) {
    const wanted = addresses.filter((address) => address.link === link.name);
    const isWanted = ({ address, prefix }: Address): boolean =>
      wanted.some((want) => want.address === address && want.prefix === prefix);
    for (const has of link.addresses) {
      // The kernel adds link-local ones. An old address of Weft would be chosen as a source that no longer leads back
      // here.
      if (isWanted(has) || isLinkLocal(has)) continue;
      const { index, address, prefix } = has;
      remove.push({
        do: "remove",
        address: { index, address, prefix },
        what: `address ${address}/${prefix} (not wanted)`,
      });
    }
    for (const want of wanted) if (!serves(link.addresses, want)) set.push(add(link.index, want));
    for (const want of wanted) set.push(...routesOf(link, want));
  }
  return { remove, set };
}

function isLinkLocal({ family, scope }: Address): boolean {
  return family === 6 && scope === "link";
}

/**
 * The kernel solicits neighbours from a link-local address (RFC 4861 §7.2.2), which it adds to an interface only when
 * that is set up.
 */
function serves(has: readonly Address[], want: AddressState): boolean {
  if (want.scope === "link") return has.some(isLinkLocal);
  return has.some(({ address, prefix }) => address === want.address && prefix === want.prefix);
}

function keyOf(index: number, { address, prefix, scope }: AddressState): Key {
  return { index, address, prefix, ...(scope !== undefined && { scope }) };
}

function add(index: number, want: AddressState): AddressStep {
  return { do: "add", address: keyOf(index, want), what: `address ${want.address}/${want.prefix}` };
}

/** The missing routes of an existing address. The kernel creates those of a new IPv6 address with a short delay. */
function routesOf({ name, index, addresses, routes }: FoundLink, want: AddressState): readonly AddressStep[] {
  const known = addresses.find(({ address, prefix }) => address === want.address && prefix === want.prefix);
  const ip = parseIp(want.address);
  const cidr = ip && cidrOf(ip, want.prefix);
  if (known === undefined || known.tentative || ip === undefined || cidr === undefined) return [];
  const connected: RouteSpec = {
    destination: cidr.text,
    device: index,
    protocol: ROUTE_PROTOCOL_KERNEL,
    ...(ip.family === 4 ? { source: ip.text } : { metric: CONNECTED_METRIC_6 }),
  };
  const local: RouteSpec = {
    destination: `${ip.text}/${ip.family === 4 ? 32 : 128}`,
    device: index,
    table: ROUTE_TABLE_LOCAL,
    type: "local",
    protocol: ROUTE_PROTOCOL_KERNEL,
    ...(ip.family === 4 && { source: ip.text }),
  };
  return [connected, local]
    .filter((route) => !routes.some((candidate) => isRoute(candidate, route)))
    .map((route) => {
      const what = `route ${route === local ? "local " : ""}${route.destination} dev ${name}`;
      // Only the kernel can create the local route so that it is removed with the address; replacing fe80::/64 would
      // replace another interface's.
      const isKernels = ip.family === 6 && (route === local || known.scope === "link");
      return isKernels ? { do: "renew", address: keyOf(index, want), what } : { do: "route", route, what };
    });
}

/** An IPv4 route to a prefix must also have the source address by which the node is known there. */
function isRoute(route: Route, wanted: RouteSpec): boolean {
  return (
    route.destination === wanted.destination &&
    route.table === (wanted.table ?? ROUTE_TABLE_MAIN) &&
    route.type === (wanted.type ?? "unicast") &&
    route.gateway === undefined &&
    (wanted.source === undefined || route.source === wanted.source)
  );
}
