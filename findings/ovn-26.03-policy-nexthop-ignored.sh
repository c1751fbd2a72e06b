#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A Logical_Router_Policy whose next hop stands in the column `nexthop` alone: it works with OVN 25.03, and OVN 26.03 leaves it out.
#
# Guessed: 26.03 still honours the column, which its schema has and its manual describes as before. Seen: the policy has no logical flow
# at all, so what it was to reroute takes the routing table's way. northd says so once in its log ("policy uses deprecated column
# "nexthop", this column is ignored"); no command fails. The set `nexthops` with one member works with both.
. "$(dirname "$0")/ovn-sandbox.sh"
ovn_install sid 26.03.1
ovn_start

two_switches
policy() { nb -- --id=@p create Logical_Router_Policy "$@" -- add Logical_Router r policies @p >/dev/null; }
policy priority=100 'match="ip4.dst == 198.51.100.0/24"' action=reroute nexthop=10.0.1.11
policy priority=101 'match="ip4.dst == 203.0.113.0/24"' action=reroute 'nexthops="10.0.1.11"'
nb --wait=sb sync

flows() { sb lflow-list r | grep 'lr_in_policy ' | grep -cF "$1" || true; }
expect "logical flows of the policy with nexthop" 0 "$(flows 198.51.100.0/24)"
expect "logical flows of the policy with nexthops" 1 "$(flows 203.0.113.0/24)"
expect "warnings about the column" 1 "$(northd_log | grep -c 'deprecated column "nexthop"' || true)"
