// SPDX-License-Identifier: Apache-2.0

import { randomInt } from "node:crypto";
import { NODE } from "../../api/annotations.ts";
import { NODE_INTERFACE } from "../../api/names.ts";
import { isObject } from "../../collections/plain.ts";
import type { Ip } from "../../net/address.ts";
import type { Endpoint } from "../../reachability/endpoint.ts";
import type { ItineraryStep } from "../../reachability/itinerary.ts";
import type { Network } from "../../reachability/network.ts";
import type { PortQuestion } from "../../reachability/port.ts";
import { LackingRight, type ToolTarget } from "../tools/targets.ts";
import type { Capture } from "../tools/top.ts";
import { flowText, type OfprotoTrace, parseOfprotoTrace, type TracedPacket, tunnelFields } from "./ofproto-trace.ts";

/**
 * Where the nodes' Open vSwitch sends a packet in the end:
 *
 * - `pod`: to the interface of a pod
 * - `node`: to the kernel of a node, which routes it
 * - `leaves`: to a physical network
 * - `dropped`
 * - `unknown`: a node could not be asked, or ovn-controller handles the packet
 */
export type NodeOutcome = "pod" | "node" | "leaves" | "dropped" | "unknown";

/** A packet's way through the flows of the nodes' Open vSwitch, as `ofproto/trace` shows it. */
export interface NodeTrace {
  readonly family: "IPv4" | "IPv6";
  readonly steps: readonly ItineraryStep[];
  readonly outcome: NodeOutcome;
  /** The destination address at the end, after load balancing and NAT. */
  readonly destination: string;
  /** The pod or node that gets it. */
  readonly receiver?: string;
}

/** What node traces are made with. */
export interface NodeTracing {
  readonly network: Network;
  /** Node → the container of its Open vSwitch. */
  readonly switches: ReadonlyMap<string, Omit<ToolTarget, "command">>;
  /** The container beside the leader of the southbound database; undefined if there is none. */
  readonly southbound: Omit<ToolTarget, "command"> | undefined;
  readonly capture: Capture;
}

/** The packet to trace: from a port to an address. */
export interface PacketAsked {
  readonly from: Endpoint;
  readonly source: Ip;
  readonly destination: Ip;
  readonly port: PortQuestion;
  /** Where the packet is sent to; absent: found from the destination. */
  readonly mac?: string;
}

/** Chassis that a packet passes: more is a loop. */
const MAX_NODES = 8;
/** An ephemeral port, so that no rule for a well-known port matches. */
const SOURCE_PORT = 45_678;
const TTL = 64;
/** Recirculations that the userspace datapath allows, with that of a packet from a tunnel; `ofproto/trace` does not know (findings/ovs-the-ninth-recirculation-drops.sh). */
const MAX_RECIRCULATIONS = 8;

const KEYWORDS = { TCP: "tcp", UDP: "udp", SCTP: "sctp", ICMP: "icmp" } as const;

/** Finds the interface, prints the names of all, the chassis of tunnels, and the trace. Arguments are no shell text. */
const SCRIPT = `set -e
interface=$(ovs-vsctl --data=bare --no-headings --columns=name find Interface "$1" | head -n 1)
[ -n "$interface" ] || { echo "no interface on this node has $1" >&2; exit 1; }
ovs-vsctl --format=json --columns=name,external_ids list Interface
ovs-vsctl --format=json --columns=name,external_ids list Port
ovs-vsctl --if-exists get Open_vSwitch . external_ids:ovn-encap-ip
ovs-vsctl get Bridge br-int datapath_type
exec ovs-appctl ofproto/trace --names br-int "in_port=\\"$interface\\",$2"`;

/** The fields of the packet; or why it cannot be built. */
function packetOf(network: Network, question: PacketAsked): TracedPacket | string {
  const { from, source, destination, port, mac } = question;
  if ("name" in port) return "the port is known by name only";
  const own = from.place?.mac;
  if (from.place === undefined || own === undefined) return "the sender has no port in OVN";
  const near = network.withAddress(destination.text).find((each) => each.switch === from.place?.switch);
  const to = mac ?? near?.mac ?? network.uplink(from.place.switch)?.routerMac;
  if (to === undefined || to === "")
    return `the MAC of the gateway of subnet ${from.place.switch} is not known here; give it with --mac`;
  return {
    keyword: `${KEYWORDS[port.protocol]}${source.family === 6 ? "6" : ""}`,
    macs: { source: own, destination: to },
    ...{ source: source.text, destination: destination.text, ttl: TTL },
    ...("port" in port && { ports: { source: SOURCE_PORT, destination: port.port } }),
  };
}

/**
 * Follows a packet by the flows that the nodes' Open vSwitch has: nothing is sent. A node that cannot be asked ends it with a step
 * that says why. Never rejects.
 */
export async function traceOnNodes(tracing: NodeTracing, question: PacketAsked): Promise<NodeTrace> {
  const { network } = tracing;
  const steps: ItineraryStep[] = [];
  const family = question.source.family === 4 ? "IPv4" : "IPv6";
  const end = (outcome: NodeOutcome, destination: string, receiver?: string): NodeTrace => ({
    ...{ family, steps, outcome, destination },
    ...(receiver !== undefined && { receiver }),
  });
  const first = packetOf(network, question);
  if (typeof first === "string") {
    steps.push({ at: "Open vSwitch", what: `is not asked: ${first}`, verdict: "unknown" });
    return end("unknown", question.destination.text);
  }
  let packet = first;
  let node = question.from.node ?? "";
  // Open vSwitch chooses a backend by a hash, which the datapath would compute (ovs-ofctl(8), `dp_hash`).
  const fields = [`dp_hash=${randomInt(1, 2 ** 32 - 1)}`];
  let match = `external_ids:iface-id=${question.from.place?.name}`;
  let arrival: readonly string[] = [];
  let way = `from ${question.from.label}`;
  for (let passed = 0; passed < MAX_NODES; passed++) {
    const at = `node ${node}`;
    const add = (what: string, verdict: ItineraryStep["verdict"] = "passes"): unknown =>
      steps.push({ at, what, verdict });
    let view: SwitchAnswer;
    try {
      const flow = flowText(packet, [...fields, ...arrival]);
      view = await askNode(tracing, node, match, flow, packet);
      // The question itself has Open vSwitch ask for the neighbour's MAC.
      if (isUnresolved(view.trace)) view = await askNode(tracing, node, match, flow, packet);
    } catch (error) {
      if (error instanceof LackingRight) throw error;
      add(`cannot be asked: ${error instanceof Error ? error.message : String(error)}`, "unknown");
      return end("unknown", packet.destination);
    }
    const before = packet;
    const { result, warnings } = view.trace;
    packet = view.trace.packet;
    const changed = translation(before, packet);
    const recirculations = view.trace.recirculations + (arrival.length > 0 ? 1 : 0);
    if (view.datapath === "netdev" && result.kind !== "drop" && recirculations > MAX_RECIRCULATIONS) {
      add(
        `the userspace datapath drops it ${way}${changed}: it needs ${recirculations} recirculations, and the limit is ${MAX_RECIRCULATIONS}`,
        "dropped",
      );
      return end("dropped", packet.destination);
    }
    switch (result.kind) {
      case "tunnel": {
        const { remote } = result.header;
        const peer = view.peers.find((each) => each.address === remote);
        const next = peer && nodeOfChassis(network, peer.chassis);
        if (peer === undefined || next === undefined) {
          add(`Open vSwitch sends it ${way} to the tunnel to ${remote}, which is no node's here`, "unknown");
          return end("unknown", packet.destination);
        }
        const failed = warnings.find((warning) => /tunnel|neighbor/.test(warning));
        add(
          `Open vSwitch sends it ${way}${changed} into the tunnel to node ${next} (${remote})${failed === undefined ? "" : `: ${failed}`}`,
          failed === undefined ? "passes" : "unknown",
        );
        const local = view.encapOf(peer);
        match = `options:remote_ip="${local}"`;
        arrival = tunnelFields({ ...result.header, local: remote, remote: local });
        way = `from the tunnel to ${node}`;
        node = next;
        continue;
      }
      case "output":
        return await arrived(tracing, { node, view, packet, way: `${way}${changed}`, add, end });
      case "controller":
        add(
          `Open vSwitch hands it ${way} to ovn-controller, which rejects it, answers it, or resolves the next hop`,
          "unknown",
        );
        return end("unknown", packet.destination);
      default: {
        if (isUnresolved(view.trace)) {
          add(`Open vSwitch cannot send it ${way}: ${warnings.join(", ")}`, "unknown");
          return end("unknown", packet.destination);
        }
        const rule = await droppingFlow(tracing, result.cookie);
        add(
          `Open vSwitch drops it ${way}${result.table === undefined ? "" : `, in table ${result.table}`}${rule}`,
          "dropped",
        );
        return end("dropped", packet.destination);
      }
    }
  }
  steps.push({ at: `node ${node}`, what: `is the ${MAX_NODES}th on the way: a loop`, verdict: "dropped" });
  return end("dropped", packet.destination);
}

/** The MAC of the tunnel's next hop is not known (yet), so the packet is dropped. */
function isUnresolved({ result, warnings }: OfprotoTrace): boolean {
  return result.kind === "drop" && warnings.some((warning) => warning.includes("neighbor cache miss"));
}

interface Arrival {
  readonly node: string;
  readonly view: SwitchAnswer;
  readonly packet: TracedPacket;
  readonly way: string;
  add(what: string, verdict?: ItineraryStep["verdict"]): unknown;
  end(outcome: NodeOutcome, destination: string, receiver?: string): NodeTrace;
}

async function arrived(tracing: NodeTracing, { node, view, packet, way, add, end }: Arrival): Promise<NodeTrace> {
  const { result } = view.trace;
  const ports = result.kind === "output" ? result.ports : [];
  const pods = ports.flatMap((port) => view.pods.get(port) ?? []);
  const [name = ""] = ports;
  if (pods[0] !== undefined) {
    add(`Open vSwitch delivers it ${way} to pod ${pods[0]}, interface ${name}`);
    return end("pod", packet.destination, pods[0]);
  }
  if (name === NODE_INTERFACE) {
    add(`Open vSwitch hands it ${way} to the node, interface ${name}`);
    const route = await kernelRoute(tracing, node, packet);
    add(route.what, route.verdict);
    return end("node", packet.destination, node);
  }
  add(`Open vSwitch sends it ${way} to the physical network, interface ${ports.join(", ")}`);
  return end("leaves", packet.destination);
}

/** The translations of load balancing and NAT on a node, as text. */
function translation(before: TracedPacket, after: TracedPacket): string {
  const shown = ({ ports }: TracedPacket, address: string): string =>
    ports === undefined ? address : `${address} port ${ports.destination}`;
  const changes = [
    ...(before.source === after.source ? [] : [`its source becomes ${after.source}`]),
    ...(before.destination === after.destination ? [] : [`its destination becomes ${shown(after, after.destination)}`]),
  ];
  return changes.length === 0 ? "" : ` (${changes.join("; ")})`;
}

/** What a node has said. */
interface SwitchAnswer {
  readonly trace: OfprotoTrace;
  /** Interface → the pod that it belongs to. */
  readonly pods: ReadonlyMap<string, string>;
  readonly peers: readonly Peer[];
  /** `system`: the kernel's; `netdev`: in userspace. */
  readonly datapath: string;
  /** The own address of the tunnel to a peer. */
  encapOf(peer: Peer): string;
}

/** The other end of a tunnel. */
interface Peer {
  readonly chassis: string;
  readonly address: string;
  readonly local: string | undefined;
}

async function askNode(
  { switches, capture }: NodeTracing,
  node: string,
  match: string,
  flow: string,
  sent: TracedPacket,
): Promise<SwitchAnswer> {
  const where = switches.get(node);
  if (where === undefined) throw new Error(`no pod of Open vSwitch runs there`);
  const text = await capture({ ...where, command: ["bash", "-c", SCRIPT, "trace", match, flow] });
  const [interfaces = "", ports = "", encap = "", datapath = "", ...rest] = text.split("\n");
  const pods = new Map(
    namedIds(interfaces).flatMap(([name, ids]) => {
      const [namespace, pod] = [ids.get("pod_namespace"), ids.get("pod_name")];
      return namespace === undefined || pod === undefined ? [] : [[name, `${namespace}/${pod}`] as const];
    }),
  );
  // `<chassis>@<address>`, and `%<own address>` where the node has several (OVN controller/encaps.c).
  const peers = namedIds(ports).flatMap(([, ids]): readonly Peer[] => {
    const [, chassis, address, local] = /^([^@]+)@([^%]+)(?:%(.*))?$/.exec(ids.get("ovn-chassis-id") ?? "") ?? [];
    return chassis === undefined || address === undefined ? [] : [{ chassis, address, local }];
  });
  const trace = parseOfprotoTrace(rest.join("\n"), sent);
  // Of several addresses each tunnel names its own.
  const own = encap.replaceAll('"', "").split(",")[0] ?? "";
  return { trace, pods, peers, datapath: datapath.replaceAll('"', ""), encapOf: ({ local }) => local ?? own };
}

/** The answer of `ovs-vsctl --format=json --columns=name,external_ids`: name → ids (RFC 7047 §5.1). */
function namedIds(text: string): readonly (readonly [name: string, ids: ReadonlyMap<string, string>])[] {
  const table: unknown = JSON.parse(text);
  if (!isObject(table) || !Array.isArray(table["data"])) throw new Error("its answer is not a table of ovs-vsctl");
  return table["data"].flatMap((row: unknown) => {
    if (!Array.isArray(row)) return [];
    const [name, map]: readonly unknown[] = row;
    if (typeof name !== "string" || !Array.isArray(map) || !Array.isArray(map[1])) return [];
    const pairs: readonly unknown[] = map[1];
    const ids = pairs.flatMap((pair) =>
      Array.isArray(pair) && typeof pair[0] === "string" ? [[pair[0], String(pair[1])] as const] : [],
    );
    return [[name, new Map(ids)] as const];
  });
}

function nodeOfChassis(network: Network, chassis: string): string | undefined {
  return network.facts.all("nodes").find(({ annotations }) => annotations[NODE.chassis] === chassis)?.name;
}

/** The logical flow that a cookie names, as text; empty if it is not known. */
async function droppingFlow({ southbound, capture }: NodeTracing, cookie: string | undefined): Promise<string> {
  const prefix = cookie?.slice("0x".length).padStart(8, "0");
  if (southbound === undefined || prefix === undefined || prefix === "00000000") return "";
  const columns = "--columns=external_ids,match";
  try {
    const text = await capture({
      ...southbound,
      command: ["ovn-sbctl", "--no-leader-only", "--bare", columns, "list", "Logical_Flow", prefix],
    });
    const stage = /\bstage-name=(\S+)/.exec(text)?.[1];
    const match = text.trim().split("\n").at(-1) ?? "";
    return stage === undefined ? "" : ` (stage ${stage}, match ${match.slice(0, 200)})`;
  } catch {
    // The drop itself is what matters.
    return "";
  }
}

/** What the node's kernel does with a packet from `ovn0` (ip-route(8)). */
async function kernelRoute(
  { switches, capture }: NodeTracing,
  node: string,
  { source, destination }: TracedPacket,
): Promise<Pick<ItineraryStep, "what" | "verdict">> {
  const where = switches.get(node);
  try {
    if (where === undefined) throw new Error("no pod of Open vSwitch runs there");
    const command = ["ip", "-o", "route", "get", destination, "from", source, "iif", NODE_INTERFACE];
    const text = (await capture({ ...where, command })).trim();
    if (/^local /.test(text)) return { what: "is itself the destination", verdict: "passes" };
    const by = /\bdev (\S+)/.exec(text)?.[1] ?? "?";
    const via = /\bvia (\S+)/.exec(text)?.[1];
    return { what: `its kernel routes it by ${by}${via === undefined ? "" : ` to ${via}`}`, verdict: "passes" };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    // The destination may be translated before the kernel routes it, as that of a Service by kube-proxy.
    if (/unreachable|No route/i.test(message))
      return {
        what: `its kernel has no route to ${destination}, unless it translates the address first`,
        verdict: "unknown",
      };
    return { what: `its kernel's route could not be read: ${message}`, verdict: "unknown" };
  }
}
