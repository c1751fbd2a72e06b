#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `Load_Balancer.options:ct_flush` does not move a UDP client that keeps sending, if a datagram of it comes at the wrong time: the client stays with the
# backend that has been removed, for as long as it sends.
#
# Guessed: ovn-controller sends OpenFlow's changes first and "flush conntrack" after them, but ovs-vswitchd's cached flows (megaflows) follow only when
# its revalidators have run. A datagram between the two finds no connection and an old megaflow, which commits the connection to the former backend again. Here the
# time between the two is as long as we like (`revalidator/pause`); on a busy machine it is some 100 ms. Seen with OVN 26.03.1 and 25.03.0, Open vSwitch 3.7.1 and
# 3.5.0: as guessed. What helps is to flush once more after `revalidator/wait`.
. "$(dirname "$0")/ovn-sandbox.sh"
ovn_install sid 26.03.1
ovn_start
ovn_start_chassis

two_switches
nb lsp-add a p3 -- lsp-set-addresses p3 "02:00:00:00:01:03 10.0.0.13" -- lsp-add a p4 -- lsp-set-addresses p4 "02:00:00:00:01:04 10.0.0.14"
nb lb-add lb 192.0.2.1:81 10.0.0.13:8081 udp -- set load_balancer lb options:ct_flush=true -- ls-lb-add a lb
for port in p1 p3 p4; do vsctl add-port br-int $port -- set interface $port type=dummy external_ids:iface-id=$port; done
nb --wait=hv sync

vswitchd() { in_root ovs-appctl -t $run/vswitchd.ctl "$@"; }
backend() { vswitchd dpctl/dump-conntrack | sed -n 's/.*dst=192.0.2.1,.*reply=(src=\([0-9.]*\),.*/\1/p'; }
# Sends a datagram of one flow, and says to whom the flow goes, if it has a connection within two seconds.
datagram() {
  vswitchd netdev-dummy/receive p1 "in_port(1),eth(src=02:00:00:00:01:01,dst=00:00:00:00:00:02),eth_type(0x0800),ipv4(src=10.0.0.11,dst=192.0.2.1,proto=17,tos=0,ttl=64,frag=no),udp(src=5000,dst=81)"
  local _
  for _ in {1..40}; do [ -z "$(backend)" ] || break; sleep 0.05; done
  backend
}

expect "backend at first" 10.0.0.13 "$(datagram)"
vswitchd revalidator/pause
nb --wait=hv set load_balancer lb 'vips:"192.0.2.1:81"="10.0.0.14:8081"'
expect "connections after the flush" "" "$(backend)"
expect "backend of a datagram that finds old megaflows" 10.0.0.13 "$(datagram)"
vswitchd revalidator/resume
vswitchd revalidator/wait
expect "backend of the datagrams after it" 10.0.0.13 "$(datagram)"
vswitchd dpctl/flush-conntrack ct_nw_dst=192.0.2.1,ct_nw_proto=17,ct_tp_dst=81 ct_nw_src=10.0.0.13,ct_nw_proto=17,ct_tp_src=8081
expect "backend after one more flush" 10.0.0.14 "$(datagram)"
