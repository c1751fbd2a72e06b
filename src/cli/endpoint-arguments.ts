// SPDX-License-Identifier: Apache-2.0

import { KubeError, unlessNotFound } from "../kube/errors.ts";
import type { Kube } from "../kube/kube.ts";
import { listEach } from "../kube/pages.ts";
import { ENDPOINT_SLICES, PODS, SERVICES } from "../kube/resources.ts";
import type { EndpointSlice, Pod, Service } from "../kube/types.ts";
import { type Ip, parseIp } from "../net/address.ts";
import { addressEndpoint, type Endpoint, EndpointError, nodeEndpoint, podEndpoint } from "../reachability/endpoint.ts";
import type { Network } from "../reachability/network.ts";
import type { PortQuestion } from "../reachability/port.ts";
import { type ServiceTarget, serviceTarget } from "../reachability/service.ts";

/** The forms of FROM and TO, as written. */
export type EndpointArgument =
  | { readonly kind: "address"; readonly address: Ip }
  | { readonly kind: "node"; readonly name: string }
  | { readonly kind: "pod" | "service"; readonly namespace: string; readonly name: string };

/** Kinds as kubectl abbreviates them. */
const KINDS: Readonly<Record<string, "pod" | "node" | "service">> = {
  ...{ pod: "pod", pods: "pod", po: "pod" },
  ...{ node: "node", nodes: "node", no: "node" },
  ...{ service: "service", services: "service", svc: "service" },
};

/**
 * Parses one end: an address, `NAMESPACE/POD`, `POD`, `pod/…`, `svc/…`, `node/NAME`; names without a namespace are of
 * `namespace`. Throws {@link EndpointError}.
 */
export function parseEndpoint(text: string, namespace: string): EndpointArgument {
  const address = parseIp(text.replace(/^\[(.*)\]$/, "$1"));
  if (address !== undefined) return { kind: "address", address };
  const parts = text.split("/");
  const kind = parts.length > 1 ? KINDS[parts[0] ?? ""] : undefined;
  const names = kind === undefined ? parts : parts.slice(1);
  const [first = "", second] = names;
  if (names.length > 2 || names.includes("") || (kind === "node" && second !== undefined)) {
    throw new EndpointError(
      `${JSON.stringify(text)} is neither an address nor a name: write NAMESPACE/POD, pod/NAME, svc/NAMESPACE/NAME, node/NAME or an IP address`,
    );
  }
  if (kind === "node") return { kind, name: first };
  const named = second === undefined ? { namespace, name: first } : { namespace: first, name: second };
  return { kind: kind ?? "pod", ...named };
}

/** Parses the name of a pod: `NAMESPACE/POD`, or `POD` of `namespace`. Throws {@link EndpointError}. */
export function parsePod(text: string, namespace: string): { readonly namespace: string; readonly name: string } {
  const [first = "", second, ...more] = text.split("/");
  if (first === "" || second === "" || more.length > 0)
    throw new EndpointError(`${JSON.stringify(text)} is not a valid name of a pod: write POD or NAMESPACE/POD`);
  return second === undefined ? { namespace, name: first } : { namespace: first, name: second };
}

/** The ends of a FROM: itself, or each backend of a Service. Rejects with {@link EndpointError} or `KubeError`. */
export async function findSources(kube: Kube, network: Network, end: EndpointArgument): Promise<readonly Endpoint[]> {
  if (end.kind !== "service") return [await findEnd(kube, network, end)];
  const addresses = new Set<string>();
  for (const { endpoints = [] } of await slicesOf(kube, end.namespace, end.name)) {
    for (const endpoint of endpoints) for (const text of endpoint.addresses) addresses.add(text);
  }
  const found = new Map<string, Endpoint>();
  for (const text of addresses) {
    const ip = parseIp(text);
    const pod = network.withAddress(text).find((port) => port.pod !== undefined)?.pod;
    const [namespace, name] = pod?.split("/") ?? [];
    if (namespace !== undefined && name !== undefined) found.set(pod ?? "", podEndpoint(network, namespace, name));
    else if (ip !== undefined) found.set(text, addressEndpoint(network, ip));
  }
  if (found.size === 0) throw new EndpointError(`service ${end.namespace}/${end.name} has no endpoint`);
  return [...found.values()];
}

/** The end of a TO. An address of a Service means that Service. Rejects with {@link EndpointError} or `KubeError`. */
export async function findTarget(
  kube: Kube,
  network: Network,
  end: EndpointArgument,
  port: PortQuestion,
): Promise<{ readonly endpoint: Endpoint } | { readonly service: ServiceTarget }> {
  if (end.kind === "service") {
    const service = await getService(kube, end.namespace, end.name);
    return { service: serviceTarget(service, await slicesOf(kube, end.namespace, end.name), port) };
  }
  const endpoint = await findEnd(kube, network, end);
  if (end.kind !== "address" || endpoint.kind !== "address") return { endpoint };
  const { text } = end.address;
  for await (const service of listEach<Service>(kube, SERVICES)) {
    if (service.spec?.clusterIPs?.includes(text) !== true && service.spec?.clusterIP !== text) continue;
    const { namespace = "", name } = service.metadata;
    return { service: serviceTarget(service, await slicesOf(kube, namespace, name), port) };
  }
  return { endpoint };
}

async function findEnd(kube: Kube, network: Network, end: EndpointArgument): Promise<Endpoint> {
  switch (end.kind) {
    case "address":
      return addressEndpoint(network, end.address);
    case "node":
      return nodeEndpoint(network, end.name);
    default: {
      const { namespace, name } = end;
      if (network.facts.get("pods", `${namespace}/${name}`) === undefined) {
        const node = await hostOf(kube, namespace, name);
        if (node !== undefined) {
          return { ...nodeEndpoint(network, node), label: `${namespace}/${name} (on the network of node ${node})` };
        }
      }
      return podEndpoint(network, namespace, name);
    }
  }
}

/** The node of a pod that is on the host's network. */
async function hostOf(kube: Kube, namespace: string, name: string): Promise<string | undefined> {
  const pod = await kube.get<Pod>(PODS, { namespace, name }).catch(unlessNotFound);
  return pod?.spec?.hostNetwork === true ? pod.spec.nodeName : undefined;
}

async function getService(kube: Kube, namespace: string, name: string): Promise<Service> {
  try {
    return await kube.get<Service>(SERVICES, { namespace, name });
  } catch (error) {
    if (!(error instanceof KubeError) || error.code !== "not-found") throw error;
    const others: string[] = [];
    for await (const { metadata } of listEach(kube, SERVICES, { namespace })) others.push(metadata.name);
    throw new EndpointError(
      `there is no service ${name} in namespace ${namespace}; it has ${others.slice(0, 8).join(", ") || "none"}`,
      { cause: error },
    );
  }
}

async function slicesOf(kube: Kube, namespace: string, name: string): Promise<readonly EndpointSlice[]> {
  const found: EndpointSlice[] = [];
  const query = { namespace, labelSelector: `kubernetes.io/service-name=${name}` };
  for await (const slice of listEach<EndpointSlice>(kube, ENDPOINT_SLICES, query)) found.push(slice);
  return found;
}
