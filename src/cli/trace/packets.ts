// SPDX-License-Identifier: Apache-2.0

import { randomInt } from "node:crypto";
import type { Kube } from "../../kube/kube.ts";
import type { PortQuestion } from "../../reachability/port.ts";
import type { PodCommands, RunningCommand } from "../tools/pod-commands.ts";
import { captureTarget, everyDaemon, ToolError } from "../tools/targets.ts";

/** What became of real packets. */
export interface PacketReport {
  readonly family: "IPv4" | "IPv6";
  readonly destination: string;
  readonly sent: number;
  /** Packets that were seen at the sender's interface, on its node. */
  readonly left: number;
  /** `NAMESPACE/POD` → packets that were seen at its interface, on its node. */
  readonly arrived: Readonly<Record<string, number>>;
  /** `answered`: by a SYN-ACK, a datagram or an echo reply; `refused`: by a RST or an ICMP error. */
  readonly answer: "answered" | "refused" | "none";
}

/** What is sent from where. */
export interface PacketQuestion {
  readonly from: { readonly namespace: string; readonly name: string; readonly node: string; readonly port: string };
  readonly destination: { readonly family: 4 | 6; readonly text: string };
  readonly port: PortQuestion;
  /** Pods at whose interfaces is looked. */
  readonly receivers: readonly { readonly namespace: string; readonly name: string }[];
}

/** How commands are run in Weft's pods. */
export interface PacketTools extends Pick<PodCommands, "capture" | "start"> {
  readonly kube: Kube;
  /** Weft's. */
  readonly namespace: string;
}

/** Packets of a question: few, so that no limit or alert is hit. */
const COUNT = 3;
/** How long an answer is waited for, in ms. */
const ANSWER_MS = 2_000;
/** Of a Service with more backends some are looked at. */
const MAX_RECEIVERS = 8;

/** Runs a program in the network namespace of the interface with that `iface-id`. */
const IN_POD = `set -e
interface=$(ovs-vsctl --data=bare --no-headings --columns=name find Interface "external_ids:iface-id=$1" | head -n 1)
[ -n "$interface" ] || { echo "no interface on this node has iface-id $1" >&2; exit 1; }
netns=$(ovs-vsctl get Interface "$interface" external_ids:pod_netns | tr -d '"')
shift
exec nsenter "--net=$netns" "$@"`;

/** Sends from a range of ports at the same time and prints what came back: one word for each. */
const SENDER = `
const [protocol, host, port, first, count, ms] = process.argv.slice(1);
const tcp = (localPort) => new Promise((done) => {
  const socket = require("node:net").connect({ host, port: Number(port), localPort, timeout: Number(ms) });
  const end = (word) => { socket.destroy(); done(word); };
  socket.on("connect", () => end("answered")).on("timeout", () => end("none"));
  socket.on("error", ({ code }) => end(code === "ECONNREFUSED" ? "refused" : "none"));
});
const udp = (localPort) => new Promise((done) => {
  const socket = require("node:dgram").createSocket(host.includes(":") ? "udp6" : "udp4");
  const timer = setTimeout(() => end("none"), Number(ms));
  const end = (word) => { clearTimeout(timer); try { socket.close(); } catch {} done(word); };
  socket.on("message", () => end("answered"));
  socket.on("error", ({ code }) => end(code === "ECONNREFUSED" ? "refused" : "none"));
  socket.bind(localPort, () => socket.connect(Number(port), host, (error) => error ? end("none") : socket.send("weft")));
});
const send = protocol === "tcp" ? tcp : udp;
Promise.all(Array.from({ length: Number(count) }, (_, i) => send(Number(first) + i))).then((words) => console.log(words.join(" ")));
`;

/**
 * Sends a few packets from a pod's network namespace, by the daemon's container, and counts them at the interfaces of the sender and of the
 * receivers. Everything that it starts ends with it, and after a minute at the latest. Rejects with a `ToolError` or `KubeError`.
 */
export async function sendPackets(tools: PacketTools, question: PacketQuestion): Promise<PacketReport> {
  const { kube, namespace, capture, start } = tools;
  const { from, destination, port, receivers } = question;
  if ("name" in port) throw new ToolError("packets can be sent to a port with a number only");
  if (port.protocol === "SCTP") throw new ToolError("SCTP packets cannot be sent: Node.js has no such sockets");
  const daemon = (await everyDaemon(kube, namespace)).find(({ node }) => node === from.node);
  if (daemon === undefined) throw new ToolError(`no pod of the daemon runs on node ${from.node}`);
  // Below the kernel's own ephemeral ports, of which a connection of the pod may have one.
  const mark = randomInt(20_000, 32_000);
  const filter = filterOf(port, destination.family, mark);
  const watched = [from, ...receivers.slice(0, MAX_RECEIVERS)];
  const captures: RunningCommand[] = [];
  try {
    for (const pod of watched) {
      const target = await captureTarget(kube, namespace, pod, ["-l", "--immediate-mode", "-c", "100", filter]);
      captures.push(start(target));
    }
    await Promise.all(captures.map((running) => running.says("listening on")));
    const command = ["bash", "-c", IN_POD, "send", from.port, ...senderOf(port, destination, mark)];
    const { pod, container } = daemon;
    const said = await capture({ pod, container, command });
    const [left = 0, ...arrived] = await Promise.all(
      captures.splice(0).map(async (running) => lines(await running.stop())),
    );
    return {
      family: destination.family === 4 ? "IPv4" : "IPv6",
      destination: destination.text,
      sent: COUNT,
      left,
      arrived: Object.fromEntries(
        watched.slice(1).map(({ namespace: of, name }, i) => [`${of}/${name}`, arrived[i] ?? 0]),
      ),
      answer: answerIn(said, port),
    };
  } finally {
    await Promise.all(captures.map((running) => running.stop()));
  }
}

/** What tcpdump is to count: the packets of this run only (pcap-filter(7)). */
export function filterOf(port: PortQuestion, family: 4 | 6, mark: number): string {
  if ("port" in port) {
    const range = `${port.protocol.toLowerCase()} and src portrange ${mark}-${mark + COUNT - 1}`;
    if (port.protocol !== "TCP") return range;
    // Only the flag SYN, of IPv6 by its offset: pcap-filter(7) has tcp[] for IPv4 only.
    return `${range} and ${family === 4 ? "tcp[tcpflags] & tcp-syn" : "ip6[53] & 2"} != 0`;
  }
  // The identifier of echo requests (RFC 792, RFC 4443 §4.1).
  return family === 4
    ? `icmp[icmptype] == icmp-echo and icmp[4:2] == ${mark}`
    : `icmp6 and ip6[40] == 128 and ip6[44:2] == ${mark}`;
}

function senderOf(port: PortQuestion, { text }: PacketQuestion["destination"], mark: number): readonly string[] {
  if (!("port" in port)) {
    // It ends with 1 where nothing has answered.
    const ping = 'ping -n -q -c "$1" -i 0.2 -W "$2" -e "$3" "$4" || [ $? = 1 ]';
    return ["bash", "-c", ping, "ping", String(COUNT), String(ANSWER_MS / 1000), String(mark), text];
  }
  const args = [port.protocol.toLowerCase(), text, port.port, mark, COUNT, ANSWER_MS].map(String);
  return ["node", "-e", SENDER, ...args];
}

/** What came back, from what the sender has printed. */
export function answerIn(text: string, port: PortQuestion): PacketReport["answer"] {
  if (!("port" in port)) return Number(/(\d+) (?:packets )?received/.exec(text)?.[1] ?? 0) > 0 ? "answered" : "none";
  const words = text.trim().split(/\s+/);
  return words.includes("answered") ? "answered" : words.includes("refused") ? "refused" : "none";
}

function lines(text: string): number {
  return text.split("\n").filter((line) => line.trim() !== "").length;
}

const ANSWERS = {
  answered: "answered",
  refused: "refused (RST, or ICMP error)",
  none: `not answered within ${ANSWER_MS / 1000} s`,
} as const;

/** A report as one line. */
export function formatPackets({ family, destination, sent, left, arrived, answer }: PacketReport): string {
  const ends = Object.entries(arrived).map(([pod, count]) => `${count} arrived at pod ${pod}`);
  return `${family}  ${sent} packets to ${destination}: ${[`${left} left the pod`, ...ends].join(", ")}; ${ANSWERS[answer]}`;
}
