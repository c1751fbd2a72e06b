#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A Load_Balancer VIP whose backends are of both address families (the endpoints of a dual-stack Service, say) has no logical flow at all.
#
# Guessed: northd leaves out the backends of the other family and goes on with the rest, as it leaves out only the unreachable next hop of
# several in a routing policy. Seen with OVN 25.03 and 26.03: the whole VIP is left out, its right backends too, and connections to it
# take the way they would take without a load balancer. Every command succeeds; 26.03 logs one warning, 25.03 none.
. "$(dirname "$0")/ovn-sandbox.sh"
ovn_install sid 26.03.1
ovn_start

two_switches
balancer() { nb -- --id=@l create Load_Balancer name="$1" protocol=tcp "vips:\"$2\"=\"$3\"" -- add Logical_Switch a load_balancer @l >/dev/null; }
balancer one 192.0.2.1:80 10.0.1.11:80
balancer both 192.0.2.2:80 '10.0.1.11:80,[fd00::1]:80'
nb --wait=sb sync

flows() { sb lflow-list a | grep 'ct_lb_mark(backends' | grep -cF "ip4.dst == $1 " || true; }
expect "logical flows of the VIP with an IPv4 backend" 1 "$(flows 192.0.2.1)"
expect "logical flows of the VIP with an IPv4 and an IPv6 backend" 0 "$(flows 192.0.2.2)"
expect "warnings about it" 1 "$(northd_log | grep -c 'Failed to initialize LB VIP' || true)"
