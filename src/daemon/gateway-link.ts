import { NODE_INTERFACE } from "../api/names.ts";
import { linkLocalFromMac } from "../net/mac.ts";
import { type Address, deleteAddress, ensureAddress, listAddresses } from "../netlink/addresses.ts";
import { NetlinkError } from "../netlink/error.ts";
import { getTxChecksum, setTxChecksum } from "../netlink/ethtool.ts";
import { getLink, type LinkChange, listLinks, setLink } from "../netlink/links.ts";
import { deleteRoute, ensureRoute, listRoutes } from "../netlink/routes.ts";
import type { NetlinkSocket } from "../netlink/socket.ts";
import { readSysctl, writeSysctl } from "../netlink/sysctl.ts";
import { inOwnNetns, type Netns } from "../netlink/with-netns.ts";
import type { GatewayPlan } from "./gateway-plan.ts";
import { ensureKernelRoutes } from "./kernel-routes.ts";
import { isHostLinkName } from "./link-names.ts";

/** `protocol` of our routes (rtnetlink(7)): it tells them from an administrator's, so that only ours are ever removed. */
export const ROUTE_PROTOCOL = 87;

/**
 * What one pass changed, one entry a change, empty where all was as it is to be: a word for the kind of thing, by which changes are counted, and
 * then which it was ("route 10.16.0.0/16 dev ovn0").
 */
export type Repairs = readonly string[];

/** Runs something in the node's namespace; a test's is another than its own. */
export type InNode = (work: (ns: Netns) => void) => void;

/**
 * Brings `ovn0` to what the plan says: link, addresses, routes, the switches of the kernel. Touches nothing that is right.
 * @returns undefined where the interface does not exist (yet): ovs-vswitchd makes it.
 */
export function applyGateway(
  host: NetlinkSocket,
  plan: GatewayPlan,
  userspace: boolean,
  inNode: InNode = inOwnNetns,
): Repairs | undefined {
  const link = getLink(host, NODE_INTERFACE);
  if (link === undefined) return undefined;
  const repairs: string[] = [];
  const change: LinkChange = {
    ...(link.mac === plan.mac ? {} : { mac: plan.mac }),
    ...(link.mtu === plan.mtu ? {} : { mtu: plan.mtu }),
    ...(link.up ? {} : { up: true }),
  };
  if (Object.keys(change).length > 0) {
    setLink(host, link.index, change);
    const was = [
      link.mac === plan.mac ? "" : link.mac,
      link.mtu === plan.mtu ? "" : `mtu ${link.mtu}`,
      link.up ? "" : "down",
    ];
    repairs.push(`link ${NODE_INTERFACE} (was ${was.filter((part) => part !== "").join(", ")})`);
  }
  repairs.push(...applySwitches(host, plan, userspace, inNode));
  const settled = listAddresses(host, { index: link.index });
  repairs.push(...applyAddresses(host, plan, link.index, settled));
  repairs.push(...ensureKernelRoutes(host, plan, link.index, settled));
  repairs.push(...applyRoutes(host, plan, link.index));
  return repairs;
}

function applyAddresses(host: NetlinkSocket, plan: GatewayPlan, index: number, all: readonly Address[]): Repairs {
  const repairs: string[] = [];
  const has = all.filter(({ family, scope }) => family === 4 || scope !== "link");
  const wanted = new Map(plan.addresses.map((entry) => [`${entry.ip.text}/${entry.cidr.prefix}`, entry]));
  for (const { address, prefix } of has) {
    // Only the controller gives ovn0 addresses; an old one would be chosen as a source that no longer leads back here.
    if (!wanted.delete(`${address}/${prefix}`) && deleteAddress(host, { index, address, prefix }))
      repairs.push(`address ${address}/${prefix} (not ours)`);
  }
  for (const { ip, cidr } of wanted.values()) {
    ensureAddress(host, { index, address: ip.text, prefix: cidr.prefix, noDad: true });
    repairs.push(`address ${ip.text}/${cidr.prefix}`);
  }
  // The kernel asks for neighbours from it (RFC 4861 §7.2.2), gives it to an interface that comes up, and does not give it again.
  if (
    plan.addresses.some(({ ip }) => ip.family === 6) &&
    !all.some(({ scope, family }) => family === 6 && scope === "link")
  ) {
    const address = linkLocalFromMac(plan.mac)?.text;
    if (address !== undefined) {
      ensureAddress(host, { index, address, prefix: 64, noDad: true, scope: "link" });
      repairs.push(`address ${address}/64`);
    }
  }
  return repairs;
}

function applyRoutes(host: NetlinkSocket, plan: GatewayPlan, index: number): Repairs {
  const repairs: string[] = [];
  const has = listRoutes(host, { device: index, protocol: ROUTE_PROTOCOL });
  const wanted = new Map(
    plan.routes.map((route) => [routeText(route.destination.text, route.gateway.text, route.source?.text), route]),
  );
  for (const route of has) {
    if (wanted.delete(routeText(route.destination, route.gateway, route.source))) continue;
    // A changed gateway or source is replaced below, which leaves no moment without a route.
    if (plan.routes.some(({ destination }) => destination.text === route.destination)) continue;
    if (deleteRoute(host, { destination: route.destination, device: index, protocol: ROUTE_PROTOCOL }))
      repairs.push(`route ${route.destination} (not ours)`);
  }
  for (const { destination, gateway, source } of wanted.values()) {
    ensureRoute(host, {
      destination: destination.text,
      gateway: gateway.text,
      ...(source !== undefined && { source: source.text }),
      device: index,
      protocol: ROUTE_PROTOCOL,
    });
    repairs.push(`route ${destination.text} dev ${NODE_INTERFACE}`);
  }
  return repairs;
}

function routeText(destination: string, gateway: string | undefined, source: string | undefined): string {
  return `${destination} via ${gateway ?? ""} src ${source ?? ""}`;
}

/** The kernel's switches that forwarding between pods and the world needs. */
function applySwitches(host: NetlinkSocket, plan: GatewayPlan, userspace: boolean, inNode: InNode): Repairs {
  const repairs: string[] = [];
  const six = plan.addresses.some(({ ip }) => ip.family === 6);
  const uplinks = six ? listLinks(host).filter(({ loopback, name }) => !loopback && !isHostLinkName(name)) : [];
  inNode((ns) => {
    const set = (value: string, ...key: string[]): void => {
      if (readSysctl(ns, key) === value) return;
      writeSysctl(ns, key, value);
      repairs.push(`sysctl net.${key.join(".")}`);
    };
    set("1", "ipv4", "ip_forward");
    // Answers to a node's address come back through ovn0 while the route to their sender leads elsewhere.
    set("2", "ipv4", "conf", NODE_INTERFACE, "rp_filter");
    if (six) {
      // A forwarding node ignores router advertisements, and would lose a default route that it has from one, unless accept_ra is 2.
      for (const { name } of uplinks) {
        const key = ["ipv6", "conf", name, "accept_ra"];
        if (readOptional(() => readSysctl(ns, key)) === "1") set("2", ...key);
      }
      set("0", "ipv6", "conf", NODE_INTERFACE, "disable_ipv6");
      set("1", "ipv6", "conf", "all", "forwarding");
    }
    if (userspace && getTxChecksum(ns, NODE_INTERFACE)) {
      setTxChecksum(ns, NODE_INTERFACE, false);
      repairs.push(`checksum ${NODE_INTERFACE}`);
    }
  });
  return repairs;
}

function readOptional<R>(read: () => R): R | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof NetlinkError) return undefined;
    throw error;
  }
}
