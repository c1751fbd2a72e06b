// SPDX-License-Identifier: Apache-2.0

import { OVN_PROVIDER, POD, type PodKey, podAnnotation } from "../api/annotations.ts";
import type { CniRoute } from "../api/cni-message.ts";
import { VETH_PAIR } from "../api/interface-types.ts";
import { type Ip, parseIp } from "../net/address.ts";
import { type Cidr, parseCidr } from "../net/cidr.ts";
import type { Dual } from "../net/dual.ts";
import { parseMac } from "../net/mac.ts";
import { type Annotations, invalidAnnotation, readCsv, type WantedAnnotations, writeDual } from "./annotations.ts";
import type { ContractError } from "./document.ts";
import { readPodRoutes } from "./pod-routes.ts";

/** One interface of a pod as the controller has decided it, to be written. Addresses are canonical strings. */
export interface PodInterfaceText {
  /** It is a port of OVN; otherwise another plugin creates the interface. */
  readonly onOvn: boolean;
  readonly addresses: Dual<string>;
  /** "" where another plugin chooses. */
  readonly mac: string;
  readonly cidr: Dual<string>;
  readonly gateway: Dual<string>;
  readonly subnet: string;
  /** Name of the VPC; "" if its router has no port in the subnet. */
  readonly router: string;
  /** The external network of the subnet, and its VLAN id. */
  readonly localnet?: { readonly network: string; readonly tag: number };
  /** The KubeVirt virtual machine whose address it is. */
  readonly machine?: string;
}

/** One address of an interface, with the range of its subnet. */
export interface InterfaceAddress {
  readonly ip: Ip;
  readonly cidr: Cidr;
  readonly gateway: Ip | undefined;
}

/** One interface of a pod as the node must create it: the controller's decision and the user's routes. */
export interface PodInterfaceContract {
  /** IPv4 before IPv6; empty if the subnet has MAC addresses only. */
  readonly addresses: readonly InterfaceAddress[];
  /** "" where another plugin chooses. */
  readonly mac: string;
  readonly subnet: string;
  readonly machine?: string;
  /** `veth-pair`, or another type that a user requests. */
  readonly nicType: string;
  /** The user's routes, in this order. */
  readonly routes: readonly CniRoute[];
  /** Whether the interface must have the pod's default route; absent if the user has not set it. */
  readonly defaultRoute?: boolean;
}

/** `missing`: the annotation that the controller has not written yet. */
export type PodInterfaceState =
  | { readonly state: "decided"; readonly contract: PodInterfaceContract }
  | { readonly state: "waiting"; readonly missing: "address" | "route" };

const READ_KEYS = [
  "allocated",
  "routed",
  "ip_address",
  "mac_address",
  "cidr",
  "gateway",
  "logical_switch",
  "pod_nic_type",
  "virtualmachine",
  "routes",
  "default_route",
  "mirror",
] as const satisfies readonly PodKey[];

const READ_SUFFIXES = READ_KEYS.map((key) => podAnnotation("", key));

/** Whether a user requests a mirror of an interface's packets: only "true" does. The controller reports invalid values. */
export function isMirrored(annotations: Annotations, provider: string): boolean {
  return annotations[podAnnotation(provider, "mirror")]?.trim() === "true";
}

const READ_WHOLE: readonly string[] = [POD.qos, POD.networks, POD.defaultNetwork];

/** Whether {@link decodePodInterface}, or other code on the node, may read an annotation, for any provider. */
export function concernsInterface(annotation: string): boolean {
  return READ_WHOLE.includes(annotation) || READ_SUFFIXES.some((suffix) => annotation.endsWith(suffix));
}

/** The annotations of a pod about one interface. All of them are written at once. */
export function encodePodInterface(provider: string, of: PodInterfaceText): WantedAnnotations {
  const name = (key: PodKey): string => podAnnotation(provider, key);
  return {
    [name("allocated")]: "true",
    ...(of.onOvn && { [name("routed")]: "true" }),
    [name("ip_address")]: writeDual(of.addresses),
    [name("mac_address")]: of.mac === "" ? undefined : of.mac,
    [name("cidr")]: writeDual(of.cidr),
    [name("gateway")]: writeDual(of.gateway),
    [name("logical_switch")]: of.subnet,
    ...(of.onOvn && {
      [name("logical_router")]: of.router === "" ? undefined : of.router,
      [name("vlan_id")]: of.localnet && String(of.localnet.tag),
      [name("provider_network")]: of.localnet?.network,
    }),
    [name("pod_nic_type")]: VETH_PAIR,
    ...(of.machine !== undefined && { [name("virtualmachine")]: of.machine }),
  };
}

/**
 * Parses the output of {@link encodePodInterface} and users' annotations. `optionalMac`: another plugin creates the interface and may choose the MAC.
 * @throws ContractError whose `field` is the annotation.
 */
export function decodePodInterface(
  annotations: Annotations,
  provider: string,
  { optionalMac }: { readonly optionalMac: boolean },
): PodInterfaceState {
  const get = (key: PodKey): string => annotations[podAnnotation(provider, key)] ?? "";
  const fail = (key: PodKey, why: string): ContractError =>
    invalidAnnotation(annotations, podAnnotation(provider, key), why);
  const list = <T>(key: PodKey, parse: (text: string) => T | undefined, why: string): readonly T[] =>
    readCsv(annotations, podAnnotation(provider, key), parse, why);
  if (get("allocated") !== "true") return { state: "waiting", missing: "address" };
  // Kube-OVN writes the pod's own interface in two steps; `routed` means that policies and routes are in place too.
  if (provider === OVN_PROVIDER && get("routed") !== "true") return { state: "waiting", missing: "route" };

  const mac = optionalMac && get("mac_address") === "" ? "" : parseMac(get("mac_address"));
  if (mac === undefined) throw fail("mac_address", "is not a valid MAC address");
  const cidrs = list("cidr", parseCidr, "is not a list of subnets");
  const gateways = list("gateway", parseIp, "is not a list of addresses");
  const ips = list("ip_address", parseIp, "is not a list of addresses");
  const addresses = ips.map((ip): InterfaceAddress => {
    const cidr = cidrs.find(({ family }) => family === ip.family);
    if (cidr === undefined) throw fail("cidr", `has no subnet of the family of ${ip.text}`);
    return { ip, cidr, gateway: gateways.find(({ family }) => family === ip.family) };
  });
  if (addresses.length === 0 && cidrs.length > 0) {
    throw fail(
      "ip_address",
      `has no address, but ${podAnnotation(provider, "cidr")} is ${JSON.stringify(get("cidr"))}`,
    );
  }
  // Invalid values of users are ignored; the controller reports them in an Event.
  const stated = get("default_route").trim();
  const machine = get("virtualmachine");
  const contract = {
    addresses: addresses.toSorted((a, b) => a.ip.family - b.ip.family),
    mac,
    subnet: get("logical_switch"),
    nicType: get("pod_nic_type") || VETH_PAIR,
    routes: readPodRoutes(
      get("routes"),
      addresses.map(({ cidr }) => cidr),
    ).routes,
    ...((stated === "true" || stated === "false") && { defaultRoute: stated === "true" }),
    ...(machine !== "" && { machine }),
  };
  return { state: "decided", contract };
}
