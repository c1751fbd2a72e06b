import { OVN_PROVIDER, type PodKey, podAnnotation } from "../api/annotations.ts";
import { CNI_ERROR, type CniRoute } from "../api/cni-message.ts";
import { type Ip, parseIp } from "../net/address.ts";
import { type Cidr, cidrContains, parseCidr } from "../net/cidr.ts";
import { parseMac } from "../net/mac.ts";
import { CniError } from "./cni-error.ts";
import type { PodFact } from "./pods.ts";
import type { PodRequest } from "./request.ts";

/** One address of an interface, with the subnet that it is from. */
export interface AllocatedAddress {
  readonly ip: Ip;
  readonly cidr: Cidr;
  readonly gateway: Ip | undefined;
}

/** A route inside the pod. `onlink`: the gateway is outside of the interface's own subnets. */
export interface PodRoute {
  readonly destination: Cidr;
  readonly gateway: Ip;
  readonly onlink: boolean;
}

/** What the controller has decided for one interface of a pod. */
export interface Allocation {
  /** The network's provider, with the interface's name behind it where the pod uses the network more than once: so its port is named. */
  readonly provider: string;
  /** The interface has the pod's default route. */
  readonly isDefault: boolean;
  /** IPv4 before IPv6; empty where the subnet hands out MAC addresses only. */
  readonly addresses: readonly AllocatedAddress[];
  /** "" where another plugin makes the interface, and chooses. */
  readonly mac: string;
  readonly subnet: string;
  /** The KubeVirt machine whose address and port it is; absent where they are the pod's own. */
  readonly machine?: string;
  readonly routes: readonly PodRoute[];
}

/** `waiting` names what the controller has yet to write. */
export type AllocationState =
  | { readonly state: "ready"; readonly allocation: Allocation }
  | { readonly state: "waiting"; readonly missing: "address" | "route" };

/** Annotations that the controller leaves to users. */
const USERS_KEYS: ReadonlySet<PodKey> = new Set<PodKey>(["routes", "default_route"]);

const EVERYWHERE: Readonly<Record<4 | 6, Cidr | undefined>> = { 4: parseCidr("0.0.0.0/0"), 6: parseCidr("::/0") };

/**
 * Reads the controller's decision about the interface that a request is about from a pod's annotations. The configuration's routes come
 * to the pod's own.
 * @throws CniError where an annotation is malformed, or asks for an interface that this daemon cannot make.
 */
export function readAllocation(
  pod: PodFact,
  request: Pick<PodRequest, "ipamOnly" | "provider" | "ifName" | "routes">,
): AllocationState {
  const ofInterface = `${request.provider}.${request.ifName}`;
  const isTwice = pod.annotations[podAnnotation(ofInterface, "allocated")] === "true";
  const provider = isTwice ? ofInterface : request.provider;
  const get = (key: PodKey): string => pod.annotations[podAnnotation(provider, key)] ?? "";
  if (get("allocated") !== "true") return { state: "waiting", missing: "address" };
  // Only the pod's own interface is written in two steps; `routed` says that policies and routes are in place too.
  if (provider === OVN_PROVIDER && get("routed") !== "true") return { state: "waiting", missing: "route" };

  const fail = (key: PodKey, why: string): CniError =>
    new CniError(
      CNI_ERROR.internal,
      `annotation ${podAnnotation(provider, key)}=${JSON.stringify(get(key))} of pod ${pod.namespace}/${pod.name} ${why}`,
      {
        details: USERS_KEYS.has(key)
          ? "correct it; what the network configuration says of routes counts here too"
          : "the controller writes it; delete the pod to have it allocated anew",
      },
    );
  const nicType = get("pod_nic_type");
  if (nicType !== "" && nicType !== "veth-pair") {
    throw new CniError(
      CNI_ERROR.unsupportedField,
      `pod ${pod.namespace}/${pod.name} asks for an interface of type ${JSON.stringify(nicType)}; only veth-pair is supported`,
    );
  }
  const mac = request.ipamOnly && get("mac_address") === "" ? "" : parseMac(get("mac_address"));
  if (mac === undefined) throw fail("mac_address", "is no MAC address");

  const cidrs = split(get("cidr")).map(parseCidr);
  const gateways = split(get("gateway")).map(parseIp);
  if (cidrs.includes(undefined)) throw fail("cidr", "is no list of subnets");
  if (gateways.includes(undefined)) throw fail("gateway", "is no list of addresses");
  const addresses = split(get("ip_address")).map((text): AllocatedAddress => {
    const ip = parseIp(text);
    if (ip === undefined) throw fail("ip_address", "is no list of addresses");
    const cidr = cidrs.find((candidate) => candidate?.family === ip.family);
    if (cidr === undefined) throw fail("cidr", `has no subnet of the family of ${ip.text}`);
    return { ip, cidr, gateway: gateways.find((candidate) => candidate?.family === ip.family) };
  });
  if (addresses.length === 0 && cidrs.length > 0) {
    throw fail(
      "ip_address",
      `has no address, but ${podAnnotation(provider, "cidr")} is ${JSON.stringify(get("cidr"))}`,
    );
  }
  addresses.sort((a, b) => a.ip.family - b.ip.family);

  const stated = get("default_route");
  if (!["", "true", "false"].includes(stated)) throw fail("default_route", "is neither true nor false");
  // Multus can put another network in the place of the pod's own; it is eth0 then.
  const isDefault = stated === "" ? provider === OVN_PROVIDER || request.ifName === "eth0" : stated === "true";
  const wanted: CniRoute[] = [
    ...(isDefault ? addresses.flatMap(({ gateway }) => (gateway === undefined ? [] : [{ gw: gateway.text }])) : []),
    ...readRoutes(get("routes"), () => fail("routes", "is no JSON list of {dst, gw}")),
    ...request.routes,
  ];
  const routes = wanted.map((route) =>
    podRoute(route, addresses, () => fail("routes", `has a bad route ${JSON.stringify(route)}`)),
  );
  const machine = get("virtualmachine");
  const subnet = get("logical_switch");
  const allocation = { provider, isDefault, addresses, mac, subnet, routes: withoutDoubles(routes) };
  return { state: "ready", allocation: { ...allocation, ...(machine !== "" && { machine }) } };
}

/** A route as the message and the annotation have it: no destination means the default route of the gateway's family. */
function podRoute(route: CniRoute, addresses: readonly AllocatedAddress[], fail: () => CniError): PodRoute {
  const stated = route.dst === undefined || route.dst === "" ? undefined : parseCidr(route.dst);
  const family = stated?.family ?? parseIp(route.gw ?? "")?.family;
  if (family === undefined || (route.dst && stated === undefined)) throw fail();
  const gateway = route.gw
    ? parseIp(route.gw)
    : addresses.find((address) => address.ip.family === family && address.gateway !== undefined)?.gateway;
  const destination = stated ?? EVERYWHERE[family];
  if (gateway === undefined || destination === undefined || gateway.family !== family) throw fail();
  return { destination, gateway, onlink: !addresses.some(({ cidr }) => cidrContains(cidr, gateway)) };
}

/** The last of two routes to one destination wins, so that a pod's own default route replaces the subnet's. */
function withoutDoubles(routes: readonly PodRoute[]): readonly PodRoute[] {
  const byDestination = new Map(routes.map((route) => [route.destination.text, route]));
  return [...byDestination.values()];
}

function readRoutes(text: string, fail: () => CniError): readonly CniRoute[] {
  if (text === "") return [];
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw fail();
  }
  const good = (entry: unknown): entry is CniRoute =>
    typeof entry === "object" &&
    entry !== null &&
    Object.entries(entry).every(([key, part]) => (key !== "dst" && key !== "gw") || typeof part === "string");
  if (Array.isArray(value) && value.every(good)) return value;
  throw fail();
}

function split(csv: string): string[] {
  return csv
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}
