#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A `Logical_Router_Static_Route` with `policy=src-ip` and the prefix 0.0.0.0/0 (or ::/0), "whatever has no better route goes there", gets
# priority 0 in `lr_in_ip_routing`: that of the router's own last flow, which matches everything and drops. Which of two flows of one priority
# counts is open (ovn-sb(5), Logical_Flow `priority`).
#
# Guessed: it is the least preferred route, but one that counts. ovn-nb(5) says only that the longest prefix wins and that routes by destination
# come before those by source of the same length. Seen with OVN 26.03: priority 0 beside the drop, no warning. Two routes to the two halves
# (0.0.0.0/1 and 128.0.0.0/1) get a priority above it, and a destination route to 0.0.0.0/0 one above the drop as well.
. "$(dirname "$0")/ovn-sandbox.sh"
ovn_install sid 26.03.1
ovn_start

two_switches
route() { nb -- --id=@r create Logical_Router_Static_Route nexthop=10.0.1.11 "$@" -- add Logical_Router r static_routes @r >/dev/null; }
route policy=src-ip ip_prefix=0.0.0.0/0
route policy=src-ip ip_prefix=128.0.0.0/1
nb --wait=sb sync

priority() { sb lflow-list r | grep 'lr_in_ip_routing ' | grep -F "$1" | sed 's/.*priority=\([0-9]*\).*/\1/'; }
expect "priority of the flow that drops what has no route" 0 "$(priority 'match=(1), action=(drop;)')"
expect "priority of the route by source 0.0.0.0/0" 0 "$(priority 'ip4.src == 0.0.0.0/0')"
above=$(priority 'ip4.src == 128.0.0.0/1')
expect "the route by source 128.0.0.0/1 is above the drop" yes "$([ "$above" -gt 0 ] && echo yes || echo no)"
expect "warnings" 0 "$(northd_log | grep -c WARN || true)"
