// SPDX-License-Identifier: Apache-2.0

import { CNI_ERROR, type CniRoute } from "../../api/cni-message.ts";
import type { InterfaceAddress } from "../../contract/pod.ts";
import { readGateways } from "../../contract/pod-routes.ts";
import type { NetworkSelectionFact } from "../../facts/network-attachment.ts";
import { type Ip, parseIp } from "../../net/address.ts";
import { type Cidr, cidrContains, parseCidr } from "../../net/cidr.ts";
import { CniError } from "./cni-error.ts";

/** A route inside the pod. `onlink`: the gateway is outside the interface's own subnets. */
export interface PodRoute {
  readonly destination: Cidr;
  readonly gateway: Ip;
  readonly onlink: boolean;
  /** The route is from the network configuration, not from the pod's annotations. */
  readonly isConfigured?: boolean;
}

const EVERYWHERE: Readonly<Record<4 | 6, Cidr | undefined>> = { 4: parseCidr("0.0.0.0/0"), 6: parseCidr("::/0") };

/**
 * The routes of an interface of a pod: the subnet's default route, if the interface has the pod's, those of its annotation `routes` and of its
 * networks, and those of the network configuration. Routes that cannot be set are left out: the controller reports them in an Event.
 * @param of the pod, for messages.
 * @throws CniError if the network configuration has a route that cannot be set.
 */
export function wantedRoutes(
  its: NetworkSelectionFact | undefined,
  {
    isDefault,
    addresses,
    stated,
  }: {
    readonly isDefault: boolean;
    readonly addresses: readonly InterfaceAddress[];
    readonly stated: readonly CniRoute[];
  },
  { configured, of }: { readonly configured: readonly CniRoute[]; readonly of: string },
): readonly PodRoute[] {
  const own: CniRoute[] = [
    ...(isDefault ? addresses.flatMap(({ gateway }) => (gateway === undefined ? [] : [{ gw: gateway.text }])) : []),
    ...stated,
    ...askedRoutes(its, addresses),
  ];
  return withoutDoubles([
    ...own.flatMap((route) => podRoute(route, addresses) ?? []),
    ...configured.map((route): PodRoute => {
      const found = podRoute(route, addresses);
      if (found !== undefined) return { ...found, isConfigured: true };
      throw new CniError(
        CNI_ERROR.invalidConfig,
        `the network configuration has an invalid route ${JSON.stringify(route)} (of ${of})`,
      );
    }),
  ]);
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
