// SPDX-License-Identifier: Apache-2.0

import type { Ip } from "../net/address.ts";

/** The first packet of a connection, as ACLs see it. */
export interface Packet {
  /** Name of the logical switch port that it comes from; absent if it comes from outside the switch. */
  readonly inport?: string;
  /** Name of the logical switch port that it goes to; OVN does not know it in ACLs of direction `from-lport`. */
  readonly outport?: string;
  /** The node that evaluates the rule: `is_chassis_resident` is true for its ports only; absent if it is not known. */
  readonly node?: string;
  readonly source: Ip;
  readonly destination: Ip;
  /** An IP protocol, by name or number. */
  readonly protocol: "TCP" | "UDP" | "SCTP" | "ICMP" | "ICMPv6" | number;
  /** Ports of TCP, UDP and SCTP. No comparison with an absent one is true. */
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  /** Other fields by their name in the match language (`icmp4.type`, `eth.src`); no comparison with an absent one is true. */
  readonly fields?: Readonly<Record<string, bigint>>;
}

/** The meaning of names in matches. As long as its contents are the same, a set must be the same array or set: look-up tables are cached with it. */
export interface NamedSets {
  /** The names of the ports of `@name`; `undefined` if there is no such group. */
  portGroup(name: string): ReadonlySet<string> | undefined;
  /** The addresses and prefixes of `$name`; `undefined` if there is no such set. */
  addressSet(name: string): readonly string[] | undefined;
  /** The node that a port is on. Absent: no port's node is known. */
  nodeOf?(port: string): string | undefined;
}

const PROTOCOLS = { TCP: 6n, UDP: 17n, SCTP: 132n, ICMP: 1n, ICMPv6: 58n } as const;

/** For the first packet of a connection, unfragmented and untagged. */
const DEFAULTS: Readonly<Record<string, bigint>> = {
  ...{
    "ct.trk": 1n,
    "ct.new": 1n,
    "ct.est": 0n,
    "ct.rel": 0n,
    "ct.rpl": 0n,
    "ct.inv": 0n,
    "ct.dnat": 0n,
    "ct.snat": 0n,
  },
  ...{ ct_mark: 0n, ct_label: 0n, "pkt.mark": 0n, "vlan.tci": 0n, "ip.frag": 0n },
};

/** The value of a numeric field of the match language; `undefined` if the packet does not have it. Prerequisites are not checked. */
export function numericField(name: string): (packet: Packet) => bigint | undefined {
  switch (name) {
    case "eth.type":
      return (packet) => (packet.source.family === 4 ? 0x800n : 0x86ddn);
    case "ip.proto":
      return ({ protocol }) => (typeof protocol === "number" ? BigInt(protocol) : PROTOCOLS[protocol]);
    case "ip4.src":
    case "ip6.src":
      return (packet) => packet.source.value;
    case "ip4.dst":
    case "ip6.dst":
      return (packet) => packet.destination.value;
    case "tcp.src":
    case "udp.src":
    case "sctp.src":
      return ({ sourcePort }) => (sourcePort === undefined ? undefined : BigInt(sourcePort));
    case "tcp.dst":
    case "udp.dst":
    case "sctp.dst":
      return ({ destinationPort }) => (destinationPort === undefined ? undefined : BigInt(destinationPort));
    default: {
      const usual = DEFAULTS[name];
      return ({ fields }) => fields?.[name] ?? usual;
    }
  }
}
