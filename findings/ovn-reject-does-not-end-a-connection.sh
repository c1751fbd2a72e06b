#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# An ACL with `reject` does not end a TCP connection that is established already: OVN answers its segments with a RST that the sender has to ignore, so the application is told when its retransmissions
# time out, as with `drop`. Attempts to connect are refused at once.
#
# Guessed: the RST answers the segment, RFC 9293 §3.5.2: if that has an ACK, the RST's sequence number is the ACK's. Seen with OVN 26.03.1: ovn-controller answers whatever comes as if it were a SYN, with the sequence
# number 0 and an acknowledgement of one byte (`pinctrl_handle_tcp_reset` in pinctrl.c, also in 25.03 and in the main branch of August 2026). A RST outside the window is discarded without a word (RFC 5961 §3.2).
. "$(dirname "$0")/ovn-sandbox.sh"
ovn_install sid 26.03.1
ovn_start
ovn_start_chassis

nb ls-add s -- lsp-add s p -- lsp-set-addresses p "02:00:00:00:01:01 10.0.0.11" -- lsp-add s q -- lsp-set-addresses q "02:00:00:00:01:02 10.0.0.12"
nb acl-add s from-lport 1000 'inport == "p" && tcp.dst == 80' reject
vsctl add-port br-int p -- set interface p type=dummy external_ids:iface-id=p options:pcap=$run/p.pcap
nb --timeout=30 wait-until logical_switch_port p up=true
nb --timeout=30 --wait=hv sync

# A TCP segment from 10.0.0.11, port 40000, to 10.0.0.12, port 80: sequence and acknowledgement number, length of the header and flags, data.
segment() {
  local addresses=0a00000b0a00000c tcp=9c400050$1$2${3}2000 length ip
  length=$((20 + ${#4} / 2))
  ip=4500$(printf %04x $((20 + length)))000040004006
  in_root ovs-appctl -t $run/vswitchd.ctl netdev-dummy/receive p \
    "0200000001020200000001010800$ip$(checksum "${ip}0000$addresses")$addresses$tcp$(checksum "${addresses}0006$(printf %04x $length)${tcp}0000$4")0000$4"
}
# The answers: sequence number, acknowledgement, length of the header and flags (14: RST and ACK).
answers() { od -An -v -tx1 "$root$run/p.pcap" | tr -d ' \n' | grep -oE '0a00000c0a00000b00509c40.{20}' | sed -E 's/^.{24}(.{8})(.{8})(.{4})/\1 \2 \3/'; }
count() { local n; for n in $(seq 50); do [ "$(answers | wc -l)" -ge "$1" ] && break; sleep 0.1; done; }

segment 000003e8 00000000 5002 ""
count 1
expect "the answer to a SYN with the number 1000" "00000000 000003e9 5014" "$(answers | sed -n 1p)"
segment 000003e9 00001389 5018 61626364
count 2
expect "to four bytes with the number 1001 and the acknowledgement 5001" "00000000 000003ea 5014" "$(answers | sed -n 2p)"
