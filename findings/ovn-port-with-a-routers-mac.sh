#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A port of a switch that has the MAC of the router's port, and option arp_proxy=true: two destinations for one MAC.
#
# Guessed: arp_proxy makes northd answer ARP for the port's address and leave the MAC to the router. Seen with OVN 25.03: the option is read on
# ports of type router only; ARP is answered because of the port's own address, and ls_in_l2_lkup has two flows of one priority and one match
# that go to different ports. Nothing is logged. With arp_proxy=ADDRESS on the router's port there is one flow, and ARP is answered.
. "$(dirname "$0")/ovn-sandbox.sh"
ovn_install trixie 25.03.0
ovn_start

two_switches
flows() { sb lflow-list a | grep -F "$1" | grep -cF "$2" || true; }
nb lsp-add a vip -- lsp-set-addresses vip "02:00:00:00:00:01 10.0.0.50" -- lsp-set-options vip arp_proxy=true
nb --wait=sb sync
expect "flows for the router's MAC" 2 "$(flows ls_in_l2_lkup '(eth.dst == 02:00:00:00:00:01)')"
expect "warnings about it" 0 "$(northd_log | grep -c 'WARN' || true)"

nb lsp-del vip -- lsp-set-options a-r router-port=r-a arp_proxy=10.0.0.50
nb --wait=sb sync
expect "flows for the router's MAC, without the port" 1 "$(flows ls_in_l2_lkup '(eth.dst == 02:00:00:00:00:01)')"
expect "flows that answer ARP for the address" 1 "$(flows ls_in_arp_rsp 'arp.tpa == {10.0.0.50/32}')"
