// SPDX-License-Identifier: Apache-2.0

import { ipamAttachmentProvider, OVN_PROVIDER, ovnAttachmentProvider, podAnnotation } from "../../api/annotations.ts";
import { CNI_ERROR, type CniRoute } from "../../api/cni-message.ts";
import { unsupportedType } from "../../api/interface-types.ts";
import { interfaceName, suffixOf } from "../../claims/pod-interfaces.ts";
import { ContractError } from "../../contract/document.ts";
import { decodePodInterface, type InterfaceAddress, type PodInterfaceState } from "../../contract/pod.ts";
import { readGateways } from "../../contract/pod-routes.ts";
import type { NetworkSelectionFact } from "../../facts/network-attachment.ts";
import { projectNetworks } from "../../facts/project-networks.ts";
import { type Ip, parseIp } from "../../net/address.ts";
import { type Cidr, cidrContains, parseCidr } from "../../net/cidr.ts";
import type { NodePod } from "../pods/pods.ts";
import { CniError } from "./cni-error.ts";
import type { PodRequest } from "./request.ts";

/** A route inside the pod. `onlink`: the gateway is outside the interface's own subnets. */
export interface PodRoute {
  readonly destination: Cidr;
  readonly gateway: Ip;
  readonly onlink: boolean;
  /** The route is from the network configuration, not from the pod's annotations. */
  readonly isConfigured?: boolean;
}

/** The controller's allocation for one interface of a pod. */
export interface Allocation {
  /**
   * The network's provider, followed by the interface's name if the pod uses the network more than once; the port's
   * name has the same form.
   */
  readonly provider: string;
  /** The interface has the pod's default route. */
  readonly isDefault: boolean;
  /** IPv4 before IPv6; empty if the subnet allocates MAC addresses only. */
  readonly addresses: readonly InterfaceAddress[];
  /** "" if another plugin creates the interface and chooses the MAC address. */
  readonly mac: string;
  readonly subnet: string;
  /** The KubeVirt virtual machine that owns the address and the port; absent where the pod owns them. */
  readonly machine?: string;
  readonly routes: readonly PodRoute[];
}

/** `missing`: the annotations that the controller has not written yet. */
export type AllocationState =
  | { readonly state: "ready"; readonly allocation: Allocation }
  | { readonly state: "waiting"; readonly missing: "address" | "route" };

const EVERYWHERE: Readonly<Record<4 | 6, Cidr | undefined>> = { 4: parseCidr("0.0.0.0/0"), 6: parseCidr("::/0") };

/**
 * Reads the controller's allocation for the requested interface from a pod's annotations. The routes of the network
 * configuration are added to the pod's own.
 * @throws CniError if an annotation is malformed, or requests an interface that this daemon does not support.
 */
export function readAllocation(
  pod: NodePod,
  request: Pick<PodRequest, "ipamOnly" | "provider" | "ifName" | "routes">,
): AllocationState {
  const { networks, its } = networkOf(pod, request);
  const ofInterface = `${request.provider}.${request.ifName}`;
  // A pod that does not name the network may still have an allocation: its network annotation may have changed.
  const isGiven = pod.annotations[podAnnotation(ofInterface, "allocated")] === "true";
  const hasSuffix = its === undefined ? isGiven : suffixOf(networks, its, pod.annotations) !== undefined;
  const provider = hasSuffix ? ofInterface : request.provider;
  const state = decode(pod, provider, request.ipamOnly);
  if (state.state === "waiting") return state;
  const { nicType, routes: stated, defaultRoute, ...contract } = state.contract;
  const { addresses } = contract;
  const of = `pod ${pod.namespace}/${pod.name}`;
  const unsupported = unsupportedType(nicType);
  if (unsupported !== undefined) throw new CniError(CNI_ERROR.unsupportedField, `${of} ${unsupported}`);
  // Multus can replace the pod's primary network by another one, which is then eth0.
  const isDefault = defaultRoute ?? (provider === OVN_PROVIDER || request.ifName === "eth0");
  const own: CniRoute[] = [
    ...(isDefault ? addresses.flatMap(({ gateway }) => (gateway === undefined ? [] : [{ gw: gateway.text }])) : []),
    ...stated,
    ...askedRoutes(its, addresses),
  ];
  const routes = [
    // Routes that cannot be set are left out: the controller reports them in an Event.
    ...own.flatMap((route) => podRoute(route, addresses) ?? []),
    ...request.routes.map((route): PodRoute => {
      const found = podRoute(route, addresses);
      if (found !== undefined) return { ...found, isConfigured: true };
      throw new CniError(
        CNI_ERROR.invalidConfig,
        `the network configuration has an invalid route ${JSON.stringify(route)} (of pod ${pod.namespace}/${pod.name})`,
      );
    }),
  ];
  return { state: "ready", allocation: { provider, isDefault, ...contract, routes: withoutDoubles(routes) } };
}

/** The networks that a pod names, and the one that a request is about; undefined for the primary network. */
function networkOf(
  { name, namespace, uids, annotations }: NodePod,
  { provider, ifName }: Pick<PodRequest, "provider" | "ifName">,
): { readonly networks: readonly NetworkSelectionFact[]; readonly its?: NetworkSelectionFact } {
  const { networks = [] } = projectNetworks({ name, namespace, uid: uids[0] ?? "", annotations });
  const its = networks.find((one) => {
    const providers = [ovnAttachmentProvider(one.name, one.namespace), ipamAttachmentProvider(one.name, one.namespace)];
    return interfaceName(networks, one) === ifName && providers.includes(provider);
  });
  return { networks, ...(its && { its }) };
}

/**
 * The default routes that the pod requests for an interface (`default-route` of its networks), by gateways in the
 * interface's subnet. Multus sets them after the plugins; from v4.2.2 on only if there is no default route yet (its
 * pull request 1552), so they are set here.
 */
function askedRoutes(
  its: NetworkSelectionFact | undefined,
  addresses: readonly InterfaceAddress[],
): readonly CniRoute[] {
  const cidrs = addresses.map(({ cidr }) => cidr);
  return readGateways(its?.gateways ?? "", cidrs).routes;
}

function decode(pod: NodePod, provider: string, ipamOnly: boolean): PodInterfaceState {
  try {
    return decodePodInterface(pod.annotations, provider, { optionalMac: ipamOnly });
  } catch (error) {
    throw error instanceof ContractError ? notReadable(pod, error) : error;
  }
}

function notReadable(pod: NodePod, cause: ContractError): CniError {
  return new CniError(CNI_ERROR.internal, `${cause.message} (of pod ${pod.namespace}/${pod.name})`, {
    cause,
    details: "it is written by the controller; recreate the pod to allocate again",
  });
}

/**
 * A route of the message or the annotation: without a destination it is the default route of the gateway's family.
 * Undefined if it cannot be set.
 */
function podRoute(route: CniRoute, addresses: readonly InterfaceAddress[]): PodRoute | undefined {
  const stated = route.dst === undefined || route.dst === "" ? undefined : parseCidr(route.dst);
  const family = stated?.family ?? parseIp(route.gw ?? "")?.family;
  if (family === undefined || (route.dst && stated === undefined)) return undefined;
  const gateway = route.gw
    ? parseIp(route.gw)
    : addresses.find((address) => address.ip.family === family && address.gateway !== undefined)?.gateway;
  const destination = stated ?? EVERYWHERE[family];
  if (gateway === undefined || destination === undefined || gateway.family !== family) return undefined;
  return { destination, gateway, onlink: !addresses.some(({ cidr }) => cidrContains(cidr, gateway)) };
}

/**
 * Of two routes to the same destination the last one is used, so that a pod's own default route replaces the
 * subnet's.
 */
function withoutDoubles(routes: readonly PodRoute[]): readonly PodRoute[] {
  const byDestination = new Map(routes.map((route) => [route.destination.text, route]));
  return [...byDestination.values()];
}
