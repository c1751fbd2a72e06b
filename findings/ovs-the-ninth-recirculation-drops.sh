#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The userspace datapath of Open vSwitch drops a packet that its flows send to conntrack nine times, each a recirculation. ofproto/trace says that it is sent; the counter
# `datapath_drop_recirc_error` and a line in the log show the loss. A packet through two routers of OVN, with a load balancer and NAT, can need as many.
#
# Guessed: the limits are those of OpenFlow's tables (64 nested resubmits, 4,096 in all), which trace and the log of ovs-vswitchd name. Seen with Open vSwitch 3.5.0: MAX_RECIRC_DEPTH in lib/dpif-netdev.c is eight, and ovs-vswitchd,
# which translates the flows, does not know of it.
. "$(dirname "$0")/ovs-sandbox.sh"
ovs_install trixie 3.5.0
ovs_start

vsctl add-br br0 -- set bridge br0 datapath_type=dummy fail_mode=secure -- add-port br0 in -- set interface in type=dummy ofport_request=1 -- add-port br0 out -- set interface out type=dummy ofport_request=2
# Each table sends a packet to conntrack, in a zone of its own, and on to the next table.
chain() {
  local i
  in_root ovs-ofctl del-flows br0
  for ((i = 0; i < $1; i++)); do echo "table=$i,ip,actions=ct(commit,zone=$((i + 1)),table=$((i + 1)))"; done | in_root ovs-ofctl add-flows br0 -
  in_root ovs-ofctl add-flow br0 "table=$1,actions=2"
}
# UDP from 10.0.0.1, port 40000, to 10.0.0.2, port 53, without a checksum.
send() { app netdev-dummy/receive in 02000000000202000000000108004500001c00000000401166cf0a0000010a0000029c40003500080000 >/dev/null; }
sent() { vsctl get interface out statistics:tx_packets; }
are_sent() { [ "$(sent)" -ge "$1" ]; }
vsctl set open . other_config:stats-update-interval=500
through() { # NUMBER: how many of three packets are sent
  local before
  chain "$1"
  before=$(sent)
  send; send; send
  wait_until are_sent $((before + 3)) || true
  echo $(($(sent) - before))
}
expect "packets of three that are sent after eight times conntrack" 3 "$(through 8)"
expect "after nine times" 0 "$(through 9)"
expect "the last actions that ofproto/trace names" "Datapath actions: 2" "$(app ofproto/trace br0 in_port=1,udp,nw_src=10.0.0.1,nw_dst=10.0.0.2 | grep '^Datapath actions' | tail -n 1)"
expect "datapath_drop_recirc_error" 3 "$(app coverage/read-counter datapath_drop_recirc_error)"
