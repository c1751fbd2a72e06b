// SPDX-License-Identifier: Apache-2.0

import { nodePortName } from "../api/port-names.ts";
import type { PodFact } from "../facts/pod.ts";
import { type Ip, parseIp } from "../net/address.ts";
import { cidrContains, parseCidr } from "../net/cidr.ts";
import type { Dual } from "../net/dual.ts";
import type { Network } from "./network.ts";
import type { NetworkPort } from "./network-port.ts";
import type { Place } from "./trace.ts";

/** One end of a connection. */
export interface Endpoint {
  /** For messages: `default/web`, `node weft-1`, `192.0.2.7`. */
  readonly label: string;
  readonly kind: "pod" | "node" | "address";
  readonly place: Place;
  /** Its addresses as a source. */
  readonly source: Dual<Ip>;
  /** Its addresses as a destination. */
  readonly destination: Dual<Ip>;
  readonly pod?: PodFact;
  readonly node?: string;
  /** The subnet of an unused address. */
  readonly vacant?: string;
}

/** An end that cannot be found, and what to do about it. */
export class EndpointError extends Error {
  override readonly name = "EndpointError";
}

/** A pod on the pod network. Throws {@link EndpointError} if it does not exist, or has no port yet. */
export function podEndpoint(network: Network, namespace: string, name: string): Endpoint {
  const key = `${namespace}/${name}`;
  const pod = network.facts.get("pods", key);
  if (pod === undefined)
    throw new EndpointError(`there is no pod ${key} on the pod network${near(network, namespace, name)}`);
  const port = network.podPort(pod);
  if (port === undefined) {
    const why = pod.alive ? "it has no address yet" : "its containers have ended";
    throw new EndpointError(`pod ${key} has no port: ${why}; \`weftctl pod ${key}\` shows its state`);
  }
  return podEndpointOf(pod, port);
}

/** The end of a pod with a port. */
export function podEndpointOf(pod: PodFact, port: NetworkPort): Endpoint {
  const { addresses } = port;
  const node = pod.node === undefined ? {} : { node: pod.node };
  return { label: pod.key, kind: "pod", place: port, source: addresses, destination: addresses, pod, ...node };
}

/**
 * A node: its source address to pods is its address on the join subnet, and it is reached by its InternalIP. Throws
 * {@link EndpointError}.
 */
export function nodeEndpoint(network: Network, name: string): Endpoint {
  const node = network.facts.get("nodes", name);
  if (node === undefined) {
    const names = network.facts.all("nodes").map((other) => other.name);
    throw new EndpointError(`there is no node ${name}; the nodes are ${listed(names)}`);
  }
  const port = network.ports.get(nodePortName(name));
  if (port === undefined) {
    throw new EndpointError(`node ${name} has no address on the join subnet yet; see \`weftctl status\``);
  }
  const destination = { ...dualIp(node.internal) };
  return { label: `node ${name}`, kind: "node", place: port, source: port.addresses, destination, node: name };
}

/** The holder of an address: a pod, a node, or an external host. Throws {@link EndpointError} if it is ambiguous. */
export function addressEndpoint(network: Network, address: Ip): Endpoint {
  const only = { [address.family === 4 ? "v4" : "v6"]: address };
  const ports = network.withAddress(address.text);
  const [port, another] = ports;
  if (another !== undefined) {
    const who = ports.map((each) => each.pod ?? each.name);
    throw new EndpointError(`${address.text} is in several VPCs: name one of ${listed(who)} instead`);
  }
  const pod = port?.pod === undefined ? undefined : network.facts.get("pods", port.pod);
  if (port !== undefined && pod !== undefined) {
    return { ...podEndpointOf(pod, port), label: `${address.text} (pod ${pod.key})`, source: only, destination: only };
  }
  const node = network.facts
    .all("nodes")
    .find(({ name, internal }) => port?.name === nodePortName(name) || internal[family(address)] === address.text);
  const join = node && network.ports.get(nodePortName(node.name));
  if (node !== undefined && join !== undefined) {
    const label = `${address.text} (node ${node.name})`;
    return { label, kind: "node", place: join, source: only, destination: only, node: node.name };
  }
  const subnet = network.facts.all("subnets").find(({ cidr }) => {
    const block = parseCidr(cidr[family(address)] ?? "");
    return block !== undefined && cidrContains(block, address);
  });
  const vacant = subnet === undefined ? {} : { vacant: subnet.name };
  return { label: address.text, kind: "address", place: undefined, source: only, destination: only, ...vacant };
}

function family(address: Ip): "v4" | "v6" {
  return address.family === 4 ? "v4" : "v6";
}

function dualIp({ v4, v6 }: Dual<string>): Dual<Ip> {
  const [four, six] = [parseIp(v4 ?? ""), parseIp(v6 ?? "")];
  return { ...(four && { v4: four }), ...(six && { v6: six }) };
}

function near(network: Network, namespace: string, name: string): string {
  const elsewhere = network.facts.all("pods").filter((pod) => pod.name === name);
  if (elsewhere.length > 0)
    return `; ${listed(elsewhere.map(({ key }) => key))} ${elsewhere.length > 1 ? "have" : "has"} that name`;
  if (network.facts.get("namespaces", namespace) === undefined) {
    return `, and no namespace ${namespace}; the namespaces are ${listed(network.facts.all("namespaces").map(({ name }) => name))}`;
  }
  const names = network.facts.by("pods", "namespace", namespace).map(({ name }) => name);
  return names.length === 0 ? `; namespace ${namespace} has none` : `; namespace ${namespace} has ${listed(names)}`;
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, 8).join(", ");
  return names.length > 8 ? `${shown} and ${names.length - 8} more` : shown;
}
