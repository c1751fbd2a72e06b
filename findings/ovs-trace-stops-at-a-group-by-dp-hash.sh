#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `ofproto/trace` of a packet whose flow leads to a group of type select with the selection method dp_hash, which is Open vSwitch's default and what OVN's
# load balancers and ECMP routes are.
#
# Guessed: the trace computes a hash, or goes on after the recirculation as it does after `ct`, and shows the bucket. Seen with Open vSwitch 3.5.0: it says "no live
# bucket", although each bucket is live, and its actions of the datapath end at `hash`, `recirc`: the reader concludes that the packet is dropped. The same packet is forwarded.
# With a hash in the traced flow (`dp_hash=1`) the trace reaches one.
. "$(dirname "$0")/ovs-sandbox.sh"
ovs_install trixie 3.5.0
ovs_start

vsctl add-br br0 -- set bridge br0 datapath_type=dummy fail_mode=secure -- add-port br0 p1 -- set interface p1 type=dummy ofport_request=1 \
  -- add-port br0 p2 -- set interface p2 type=dummy ofport_request=2 -- add-port br0 p3 -- set interface p3 type=dummy ofport_request=3
in_root ovs-ofctl -O OpenFlow15 add-group br0 group_id=1,type=select,selection_method=dp_hash,bucket=bucket_id=0,actions=2,bucket=bucket_id=1,actions=3
in_root ovs-ofctl -O OpenFlow15 add-flow br0 in_port=1,actions=group:1

trace() { app ofproto/trace br0 "in_port=1,udp,dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:02,nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_ttl=64,udp_src=1,udp_dst=2$1"; }
trace ""
expect "'no live bucket' in the trace" 1 "$(trace "" | grep -c 'no live bucket' || true)"
expect "buckets that the trace reaches" 0 "$(trace "" | grep -c 'output:[23]' || true)"
expect "buckets that the trace reaches with a hash" 1 "$(trace ,dp_hash=1 | grep -c 'output:[23]' || true)"

# The same packet: Ethernet, IPv4 with its checksum, UDP without one.
app netdev-dummy/receive p1 02000000000202000000000108004500001c00000000401166cf0a0000010a0000020001000200080000
forwarded() { in_root ovs-ofctl --names dump-ports br0 | tr -d '\n' | grep -o 'port  *p[23]:[^:]*tx pkts=[0-9]*' | sed 's/.*tx pkts=//' | awk '{ n += $1 } END { print n + 0 }'; }
is_forwarded() { [ "$(forwarded)" -gt 0 ]; }
wait_until is_forwarded || true
expect "packets that are forwarded" 1 "$(forwarded)"
