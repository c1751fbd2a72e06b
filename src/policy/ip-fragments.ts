// SPDX-License-Identifier: Apache-2.0

const NUMBERS = { tcp: 6, udp: 17, sctp: 132 } as const;

/**
 * The further fragments of a datagram whose first one a match for ports of a protocol may be about. Only the first has ports. In the kernel's
 * datapath conntrack puts datagrams together and ACLs see them whole. In the userspace datapath it keeps fragments back until all have
 * come, and then lets them go on one by one (OVS lib/ipf.c). So a rule for a port lets further fragments pass unasked: at the next conntrack on their
 * way, which is there wherever a rule tracks connections, they wait for their first one for ever if that was dropped.
 *
 * In IPv6 OVS does not look for the protocol of a further fragment, and says 44, that of the fragment header (RFC 8200 section 4.5).
 */
export function laterFragments(protocol: keyof typeof NUMBERS): string {
  return `(ip.later_frag && ip.proto == {${NUMBERS[protocol]}, 44})`;
}
