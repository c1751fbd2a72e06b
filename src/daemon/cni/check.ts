// SPDX-License-Identifier: Apache-2.0

import { CNI_ERROR, type CniResult } from "../../api/cni-message.ts";
import { commaList } from "../../collections/comma-list.ts";
import { hostLinkName } from "../../node/link-names.ts";
import { EXTERNAL_ID, type PodPort, type Ports } from "../ovs/ports.ts";
import type { ObservedInterface, PodLinks } from "../pods/pod-links.ts";
import { isOfProvider } from "./attachment.ts";
import type { PodSource } from "./await-allocation.ts";
import { allocatedAddresses, canonical, sameIp } from "./check-addresses.ts";
import { CniError } from "./cni-error.ts";
import type { PodRequest } from "./request.ts";

/** Dependencies of {@link checkAttachment}. */
export interface CheckDependencies {
  readonly pods: PodSource;
  readonly ports: Ports;
  readonly links: PodLinks;
}

/**
 * Implements CNI SPEC 1.1 CHECK: compares the actual interface with the result of ADD and with the current
 * allocation.
 * @throws CniError naming every difference.
 */
export async function checkAttachment(deps: CheckDependencies, request: PodRequest): Promise<void> {
  const [port] = deps.ports.ofContainer(request.containerId, request.ifName);
  const inside = await deps.links.inspect(request.netns, request.ifName);
  const hostEnd = await deps.links.exists(hostLinkName(request.containerId, request.ifName));
  const faults = [
    ...portFaults(port, request),
    ...(hostEnd ? [] : ["the host end of the veth pair does not exist"]),
    ...insideFaults(inside, port, request),
    ...(inside === undefined ? [] : allocationFaults(inside, allocatedAddresses(deps.pods, request), request)),
  ];
  if (faults.length === 0) return;
  throw new CniError(
    CNI_ERROR.internal,
    `network of pod ${request.podNamespace}/${request.podName}, ${request.ifName}: ${faults.join("; ")}`,
    { details: "recreate the pod to set up its network again" },
  );
}

function portFaults(port: PodPort | undefined, request: PodRequest): readonly string[] {
  if (port === undefined) return ["no port on br-int"];
  const has = port.externalIds[EXTERNAL_ID.ifaceId];
  return [
    ...(isOfProvider(port, request.provider)
      ? []
      : [`port ${port.name} is bound to ${has}, which does not belong to provider ${request.provider}`]),
    ...(port.error === "" ? [] : [`ovs-vswitchd reports an error for port ${port.name}: ${port.error}`]),
    ...(port.installed ? [] : [`ovn-controller has not installed the flows of port ${port.name}`]),
  ];
}

function insideFaults(
  inside: ObservedInterface | undefined,
  port: PodPort | undefined,
  request: PodRequest,
): readonly string[] {
  if (inside === undefined) return [`interface ${request.ifName} does not exist in ${request.netns}`];
  const faults = inside.up ? [] : [`${request.ifName} is down`];
  const expected = expectation(request.prevResult, request.ifName);
  if (expected.mac !== undefined && expected.mac !== inside.mac) {
    faults.push(`${request.ifName} has MAC ${inside.mac}, not ${expected.mac}`);
  }
  for (const address of expected.addresses) {
    if (!inside.addresses.includes(address)) faults.push(`${request.ifName} has no address ${address}`);
  }
  for (const ip of commaList(port?.externalIds[EXTERNAL_ID.ip] ?? "")) {
    if (!inside.addresses.some((address) => address.startsWith(`${ip}/`))) {
      faults.push(`${request.ifName} has no address ${ip}, which its port has`);
    }
  }
  for (const destination of expected.routes) {
    // A network that was attached later may have replaced the default route, as its annotation `default_route`
    // requests.
    if (inside.routes.includes(destination) || inside.defaultsOfOthers.includes(destination)) continue;
    faults.push(`no route to ${destination}`);
  }
  return faults;
}

function allocationFaults(
  inside: ObservedInterface,
  allocated: readonly string[] | undefined,
  { ifName }: PodRequest,
): readonly string[] {
  return (allocated ?? [])
    .filter((address) => !inside.addresses.some((has) => sameIp(has, address)))
    .map((address) => `${ifName} has no address ${address}, which is allocated to the pod`);
}

/**
 * What the result of ADD states about this interface. Routes of other plugins' interfaces cannot be distinguished, so
 * only default routes are expected.
 */
function expectation(
  result: CniResult | undefined,
  ifName: string,
): { readonly mac?: string; readonly addresses: readonly string[]; readonly routes: readonly string[] } {
  const index = result?.interfaces?.findIndex((entry) => entry.name === ifName && entry.sandbox) ?? -1;
  if (result === undefined || index < 0) return { addresses: [], routes: [] };
  const mac = result.interfaces?.[index]?.mac?.toLowerCase();
  const ours = (result.ips ?? []).filter((entry) => entry.interface === index);
  const routes = (result.routes ?? []).flatMap(({ dst }) => (dst === "0.0.0.0/0" || dst === "::/0" ? [dst] : []));
  return {
    ...(mac === undefined ? {} : { mac }),
    addresses: ours.map(({ address }) => canonical(address)),
    routes: ours.some(({ gateway }) => gateway) ? routes : [],
  };
}
