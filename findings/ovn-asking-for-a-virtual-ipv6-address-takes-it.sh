#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A virtual port binds to the parent that announces its address. For IPv6, who only asks for the address counts as one who announces it.
#
# Expected by the way it is for IPv4, where only requests count whose sender is the address itself: of solicitations only those of duplicate
# address detection (source ::). Guessed after reading northd.c, and seen with OVN 25.03: a solicitation by any parent with its own source address binds the port, so a backup that resolves the address
# has the traffic that comes through the router until the master answers it (its advertisement binds the port again).
. "$(dirname "$0")/ovn-sandbox.sh"
ovn_install trixie 25.03.0
ovn_start

nb ls-add s
for p in 1 2; do nb lsp-add s p$p -- lsp-set-addresses p$p "02:00:00:00:00:0$p 10.0.0.1$p fd00::1$p"; done
nb lsp-add s four -- lsp-set-type four virtual -- lsp-set-options four virtual-ip=10.0.0.50 virtual-parents=p1,p2
nb lsp-add s six -- lsp-set-type six virtual -- lsp-set-options six virtual-ip=fd00::50 virtual-parents=p1,p2
nb --wait=sb sync

binds() { trace s "inport == \"p2\" && eth.src == 02:00:00:00:00:02 && $1" | grep -c bind_vport || true; }
arp='eth.dst == ff:ff:ff:ff:ff:ff && arp.op == 1 && arp.sha == 02:00:00:00:00:02 && arp.tpa == 10.0.0.50'
expect "p2 announces the IPv4 address: bindings" 1 "$(binds "$arp && arp.spa == 10.0.0.50")"
expect "p2 asks for the IPv4 address: bindings" 0 "$(binds "$arp && arp.spa == 10.0.0.12")"
nd='eth.dst == 33:33:ff:00:00:50 && ip6.dst == ff02::1:ff00:50 && nd_ns && nd.target == fd00::50'
expect "p2 probes for duplicates of the IPv6 address: bindings" 1 "$(binds "$nd && ip6.src == ::")"
expect "p2 asks for the IPv6 address: bindings" 1 "$(binds "$nd && ip6.src == fd00::12 && nd.sll == 02:00:00:00:00:02")"
