// SPDX-License-Identifier: Apache-2.0

/**
 * The symbols of OVN's match language (ovn-sb(5), "Symbols"; ovn lib/logical-fields.c) for packets on a logical switch. Registers and flags are
 * internal to OVN and not for ACLs.
 */

/**
 * The operations that a symbol allows (ovn-sb(5), "Level of Measurement"). A `nominal` one may only be tested for equality, and not be negated: OVN
 * refuses `!tcp` and `inport != "a"`.
 */
export type Level = "ordinal" | "nominal" | "boolean";

/** A field of the packet or of its metadata in OVN. */
export interface FieldSymbol {
  readonly kind: "field";
  /** In bits; 0 for a string. */
  readonly width: number;
  readonly level: Level;
  /** A match that every comparison of the field implies. */
  readonly prerequisite?: string;
}

/** A name for a match. */
export interface PredicateSymbol {
  readonly kind: "predicate";
  readonly level: Level;
  readonly expansion: string;
}

function field(width: number, prerequisite?: string, level: Level = "ordinal"): FieldSymbol {
  return { kind: "field", width, level, ...(prerequisite !== undefined && { prerequisite }) };
}

function predicate(expansion: string, level: Level = "nominal"): PredicateSymbol {
  return { kind: "predicate", level, expansion };
}

const ND = "icmp6.code == 0 && ip.ttl == 255";

/** Symbol name → symbol. */
export const SYMBOLS: ReadonlyMap<string, FieldSymbol | PredicateSymbol> = new Map(
  Object.entries({
    inport: field(0, undefined, "nominal"),
    outport: field(0, undefined, "nominal"),
    "pkt.mark": field(32),
    "eth.src": field(48),
    "eth.dst": field(48),
    "eth.type": field(16, undefined, "nominal"),
    "eth.bcast": predicate("eth.dst == ff:ff:ff:ff:ff:ff", "boolean"),
    "eth.mcast": predicate("eth.dst[40]", "boolean"),
    "eth.mcastv6": predicate("eth.dst[32..47] == 0x3333", "boolean"),
    "vlan.tci": field(16),
    "vlan.present": predicate("vlan.tci[12]", "boolean"),
    ip4: predicate("eth.type == 0x800"),
    ip6: predicate("eth.type == 0x86dd"),
    ip: predicate("ip4 || ip6"),
    "ip.proto": field(8, "ip", "nominal"),
    "ip.dscp": field(6, "ip"),
    "ip.ecn": field(2, "ip"),
    "ip.ttl": field(8, "ip"),
    "ip.frag": field(2, "ip"),
    "ip.is_frag": predicate("ip.frag[0]", "boolean"),
    "ip.later_frag": predicate("ip.frag[1]", "boolean"),
    "ip.first_frag": predicate("ip.is_frag && !ip.later_frag", "boolean"),
    "ip4.src": field(32, "ip4"),
    "ip4.dst": field(32, "ip4"),
    "ip4.mcast": predicate("eth.mcast && ip4.dst[28..31] == 0xe", "boolean"),
    "ip4.src_mcast": predicate("ip4.src[28..31] == 0xe", "boolean"),
    "ip6.src": field(128, "ip6"),
    "ip6.dst": field(128, "ip6"),
    "ip6.label": field(32, "ip6"),
    "ip6.mcast": predicate("eth.mcastv6 && ip6.dst[120..127] == 0xff", "boolean"),
    icmp4: predicate("ip4 && ip.proto == 1"),
    "icmp4.type": field(8, "icmp4"),
    "icmp4.code": field(8, "icmp4"),
    icmp6: predicate("ip6 && ip.proto == 58"),
    "icmp6.type": field(8, "icmp6", "nominal"),
    "icmp6.code": field(8, "icmp6", "nominal"),
    icmp: predicate("icmp4 || icmp6"),
    igmp: predicate("ip4.mcast && ip.proto == 2"),
    arp: predicate("eth.type == 0x806"),
    "arp.op": field(16, "arp"),
    "arp.spa": field(32, "arp"),
    "arp.sha": field(48, "arp"),
    "arp.tpa": field(32, "arp"),
    "arp.tha": field(48, "arp"),
    rarp: predicate("eth.type == 0x8035"),
    nd: predicate(`icmp6.type == {135, 136} && ${ND}`),
    nd_ns: predicate(`icmp6.type == 135 && ${ND}`),
    nd_na: predicate(`icmp6.type == 136 && ${ND}`),
    nd_rs: predicate(`icmp6.type == 133 && ${ND}`),
    nd_ra: predicate(`icmp6.type == 134 && ${ND}`),
    "nd.target": field(128, "nd"),
    "nd.sll": field(48, "nd_ns"),
    "nd.tll": field(48, "nd_na"),
    mldv1: predicate("eth.mcastv6 && ip6.src == fe80::/10 && icmp6.type == {130, 131, 132}"),
    mldv2: predicate("eth.mcastv6 && ip6.dst == ff02::16 && icmp6.type == 143"),
    tcp: predicate("ip.proto == 6"),
    "tcp.src": field(16, "tcp"),
    "tcp.dst": field(16, "tcp"),
    "tcp.flags": field(12, "tcp"),
    udp: predicate("ip.proto == 17"),
    "udp.src": field(16, "udp"),
    "udp.dst": field(16, "udp"),
    sctp: predicate("ip.proto == 132"),
    "sctp.src": field(16, "sctp"),
    "sctp.dst": field(16, "sctp"),
    ct_mark: field(32),
    ct_label: field(128),
    "ct.trk": field(1),
    "ct.new": field(1, "ct.trk"),
    "ct.est": field(1, "ct.trk"),
    "ct.rel": field(1, "ct.trk"),
    "ct.rpl": field(1, "ct.trk"),
    "ct.inv": field(1, "ct.trk"),
    "ct.dnat": field(1, "ct.trk"),
    "ct.snat": field(1, "ct.trk"),
  }),
);
