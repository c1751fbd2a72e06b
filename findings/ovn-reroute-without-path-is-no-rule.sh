#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A `Logical_Router_Policy` with `action=reroute` whose next hop is in no network of the router is no rule at all: its packets go on to the rules
# of lower priority and then by the ordinary routes. A policy that sends traffic through a firewall lets it pass beside the firewall while, or
# as long as, the firewall's subnet is not attached.
#
# Guessed: what matches is dropped, as it would be by a route without a path, or by `action=drop`. ovn-nb(5) says of `reroute` only that packets go
# to the next hop. Seen with OVN 26.03: no flow; a warning in ovn-northd's log for the first such policy, and none for the next ones (its limit).
. "$(dirname "$0")/ovn-sandbox.sh"
ovn_install sid 26.03.1
ovn_start

two_switches
policy() { nb -- --id=@p create Logical_Router_Policy action=reroute "$@" -- add Logical_Router r policies @p >/dev/null; }
policy priority=20 'match="ip4.src == 10.0.0.11"' nexthops=10.0.1.11
policy priority=21 'match="ip4.src == 10.0.0.12"' nexthops=203.0.113.1
policy priority=22 'match="ip4.src == 10.0.0.13"' nexthops=203.0.113.1
nb --wait=sb sync

flows() { sb lflow-list r | grep 'lr_in_policy ' | grep -cF "ip4.src == $1" || true; }
expect "flows of the policy with a path" 1 "$(flows 10.0.0.11)"
expect "flows of the policy without" 0 "$(flows 10.0.0.12)"
way() { trace --minimal a "inport==\"p1\" && eth.src==02:00:00:00:01:01 && eth.dst==02:00:00:00:00:01 && ip4.src==$1 && ip4.dst==10.0.1.11 && ip.ttl==64"; }
expect "its packets reach their destination" yes "$(way 10.0.0.12 | grep -q 'output("p2")' && echo yes || echo no)"
expect "warnings for the two policies without a path" 1 "$(northd_log | grep -c 'no path for next hop' || true)"
