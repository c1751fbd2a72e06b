#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A DHCPv6 client whose identity association has the number 0 gets no answer from OVN, neither to its Solicit nor to any other message: it solicits for ever and has no address. Any other number is
# answered. Some clients use 0 by default, such as those that are configured with `id-assoc na 0` (dhcp6c of WIDE and KAME, so firewalls on FreeBSD).
#
# Guessed: an IAID is four bytes that the client chooses, unique among its own (RFC 8415 §21.4), so 0 is like any other. Seen with OVN 26.03.1: ovn-controller takes 0 for "no IA_NA in the message"
# (`pinctrl_handle_put_dhcpv6_opts` in pinctrl.c), and says so in its log.
. "$(dirname "$0")/ovn-sandbox.sh"
ovn_install sid 26.03.1
ovn_start
ovn_start_chassis

dhcpv6_client dns_server=fd00:a::53
# A Solicit (type 1) with a Client Identifier (1), an IA_NA (3) of this number, and the time that has elapsed (8).
solicit() { dhcpv6 "01$2${client}0003000c${1}0000000000000000000800020000"; }
client=0001000a00030001020000000101
# The answer: type, transaction, and, behind the Client Identifier, the address that it offers.
offered() { sed -nE "s/^(..)(......)$client.*00050018(.{32}).*/\1 \2 \3/p" | paste -sd ,; }
expect "offers to a Solicit with IAID 1" "02 000001 fd00000a000000000000000000000011" "$(solicit 00000001 000001 | offered)"
expect "and to one with IAID 0 after it" "02 000001 fd00000a000000000000000000000011" "$(solicit 00000000 000002 | offered)"
expect "ovn-controller's log" "DHCPv6 option - IA NA not present in the DHCPv6 packet" "$(sed -n 's/.*|WARN|\(DHCPv6 .*\)/\1/p' "$root$run/controller.log")"
