// SPDX-License-Identifier: Apache-2.0

const NUMBERS = { tcp: 6, udp: 17, sctp: 132 } as const;

/**
 * Matches the later fragments of datagrams whose first fragment a match for ports may concern. Only the first fragment has ports. With the kernel
 * datapath conntrack reassembles datagrams, so ACLs see them whole. With the userspace datapath conntrack holds fragments until all have arrived and
 * then forwards them one by one (OVS lib/ipf.c). So a rule for a port lets later fragments pass: the next conntrack on their way, which exists
 * wherever a rule tracks connections, waits for the first one, which never arrives if it was dropped.
 *
 * For IPv6, OVS does not look for the protocol of a later fragment and reports 44, the fragment header (RFC 8200 section 4.5).
 */
export function laterFragments(protocol: keyof typeof NUMBERS): string {
  return `(ip.later_frag && ip.proto == {${NUMBERS[protocol]}, 44})`;
}
