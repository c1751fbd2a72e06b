// SPDX-License-Identifier: Apache-2.0

import type { PodFact } from "../facts/pod.ts";
import type { Family } from "../net/address.ts";
import type { Packet } from "../policy/packet.ts";

/** The protocol and port of a question: if the protocol has ports, the destination port by number or by name. */
export type PortQuestion =
  | { readonly protocol: "ICMP" }
  | { readonly protocol: "TCP" | "UDP" | "SCTP"; readonly port: number }
  | { readonly protocol: "TCP" | "UDP" | "SCTP" | undefined; readonly name: string };

/**
 * Parses `80`, `tcp/80`, `UDP/53`, `icmp`, or the name of a port with or without a protocol (`http`, `tcp/http`).
 * Returns an error message if it is invalid.
 */
export function parsePort(text: string): PortQuestion | string {
  const accepted = "write tcp/80, udp/53, sctp/9, icmp, 80 (TCP), or the name of a port such as http";
  if (/^icmp(v6)?$/i.test(text)) return { protocol: "ICMP" };
  const [head = "", tail] = text.split("/", 2);
  const protocol = head.toUpperCase();
  const port = tail ?? head;
  if (tail !== undefined && protocol !== "TCP" && protocol !== "UDP" && protocol !== "SCTP") {
    return `${JSON.stringify(text)}: ${JSON.stringify(head)} is not a protocol with ports; ${accepted}`;
  }
  if (/^\d+$/.test(port)) {
    const number = Number(port);
    if (number < 1 || number > 65_535) return `${JSON.stringify(text)}: ports must be 1 to 65535; ${accepted}`;
    return { protocol: tail === undefined ? "TCP" : (protocol as "TCP"), port: number };
  }
  // A port's name is an IANA service name (RFC 6335 §5.1).
  if (!/^(?=.*[a-z])[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(port))
    return `${JSON.stringify(text)} is not a valid port; ${accepted}`;
  return { protocol: tail === undefined ? undefined : (protocol as "TCP"), name: port };
}

/** The protocol and port of packets of one family. */
export type PacketPort = Pick<Packet, "protocol" | "destinationPort">;

/** Resolves a question for a pod that may have named ports; an error message if it has no such name. */
export function resolvePort(question: PortQuestion, receiver: PodFact | undefined): PortQuestion | string {
  if (!("name" in question)) return question;
  const { name, protocol } = question;
  const own = receiver?.ports ?? [];
  const found = own.find((port) => port.name === name && (protocol === undefined || port.protocol === protocol));
  if (found !== undefined) return { protocol: found.protocol as "TCP", port: found.number };
  const who = receiver === undefined ? "the destination is not a pod" : `no container of pod ${receiver.key} has it`;
  const names = own.map((port) => `${port.name} (${port.protocol} ${port.number})`).join(", ");
  return `port name ${JSON.stringify(name)}: ${who}${names === "" ? "; give a number" : `; it has ${names}`}`;
}

/** A question with a number as part of a packet. */
export function packetPort(question: PortQuestion, family: Family): PacketPort {
  if ("port" in question) return { protocol: question.protocol, destinationPort: question.port };
  return { protocol: family === 4 ? "ICMP" : "ICMPv6" };
}

/** A question as text: `TCP 80`, `ICMP`. */
export function portQuestionText(question: PortQuestion): string {
  if ("port" in question) return `${question.protocol} ${question.port}`;
  return "name" in question ? `port ${question.name}` : question.protocol;
}
