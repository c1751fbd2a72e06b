#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Chains of Logical_Router_Policy (columns `chain` and `jump_chain`): a packet that no rule of a chain matches does not come back.
#
# Guessed: as in iptables and nftables, the rules after the jump are examined next. Seen with OVN 25.03 and 26.03: the packet leaves the
# whole table as if a rule had allowed it, so a `drop` below the jump is not reached. ovn-nb(5) says where a jump goes to and not what
# happens at a chain's end.
. "$(dirname "$0")/ovn-sandbox.sh"
ovn_install sid 26.03.1
ovn_start

two_switches
policy() { nb -- --id=@p create Logical_Router_Policy "$@" -- add Logical_Router r policies @p >/dev/null; }
packet='inport=="p1" && eth.src==02:00:00:00:01:01 && eth.dst==02:00:00:00:00:01 && ip4.src==10.0.0.11 && ip4.dst==10.0.1.11 && ip.ttl==64 && udp'
reached() { trace --minimal a "$packet" | grep -c 'output("p2")' || true; }

policy priority=50 'match="ip4.src == 10.0.0.11"' action=drop
nb --wait=sb sync
expect "packets that pass the drop" 0 "$(reached)"
# A jump above it, to a chain whose only rule is about other packets.
policy priority=100 'match=ip4' action=jump jump_chain=inner
policy priority=10 'match=ip6' action=drop chain=inner
nb --wait=sb sync
expect "packets that pass the drop below a jump" 1 "$(reached)"
