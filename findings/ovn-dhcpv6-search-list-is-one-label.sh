#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The DHCPv6 option `domain_search` reaches a client as one label with the dots, and the commas, of the text in it: a client that asks for `example.com` as its search
# list searches in a top-level domain `example\.com`, which does not exist. A name without dots is right.
#
# Guessed: RFC 8415 §10 and RFC 3646 §4: a list of names, each of which is a sequence of labels (RFC 1035 §3.1), as OVN encodes DHCPv4's `domain_search_list`, DHCPv6's `fqdn` and
# `dnssl` of router advertisements. Seen with OVN 26.03.1: ovn-controller writes one length and the text (`compose_out_dhcpv6_opts` in pinctrl.c, also in 25.03 and
# in the main branch of August 2026). A length has six bits (the upper two mark pointers), so a text of 64 characters or more is not even a label.
. "$(dirname "$0")/ovn-sandbox.sh"
ovn_install sid 26.03.1
ovn_start
ovn_start_chassis

# Option 24 of the answer to an Information-request (type 11) with a Client Identifier (1) and an Option Request (6) for it.
searched() { dhcpv6 "0b${1}0001000a00030001020000000101000800020000000600020018" | tail -n 1 | sed -nE 's/.*0018(00..)([0-9a-f]*)0002000a00030001.*/\1 \2/p'; }
text() { printf '%s' "$1" | od -An -v -tx1 | tr -d ' \n'; }

dhcpv6_client 'domain_search="example.com,example.org"'
expect "the search list example.com, example.org: length and bytes" "0019 17$(text example.com,example.org)00" "$(searched 000001)"
nb dhcp-options-set-options "$(nb dhcp-options-list | cut -d ' ' -f 1)" server_id=02:00:00:00:00:fe 'domain_search="lan"'
nb --wait=hv sync
expect "the search list lan" "0005 03$(text lan)00" "$(searched 000002)"
