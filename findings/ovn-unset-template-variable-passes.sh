#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A load balancer with `options:template=true` whose endpoints are a variable that the node's `Chassis_Template_Var` does not have makes no flow on
# that node: `reject=true` is not honoured, and the packet goes on to the VIP as if there was no load balancer.
#
# Guessed: a variable that is not set stands for no endpoints, which `reject` answers. Seen with OVN 25.03 and 26.03: a connection to the VIP
# is neither refused nor balanced; with ovn-trace the packet ends in the router, which has no port with the address. ovn-nb(5) says nothing of it.
. "$(dirname "$0")/ovn-sandbox.sh"
ovn_install sid 26.03.1
ovn_start

two_switches
balancer() { nb -- --id=@l create Load_Balancer name="$1" protocol=tcp options:reject=true "${@:2}" -- add Logical_Switch a load_balancer @l >/dev/null; }
balancer plain 'vips:"192.0.2.1:80"=""'
balancer template 'vips:"192.0.2.2:80"="^endpoints"' options:template=true options:address-family=ipv4
nb --wait=sb sync

first_packet() {
  trace --ct new a "inport==\"p1\" && eth.src==02:00:00:00:01:01 && eth.dst==02:00:00:00:00:01 && ip4.src==10.0.0.11 && ip4.dst==$1 && tcp.src==1000 && tcp.dst==80 && ip.ttl==64"
}
reaches_router() { first_packet "$1" | grep -c 'ingress(dp="r"' || true; }
expect "a VIP without endpoints passes to the router" 0 "$(reaches_router 192.0.2.1)"
expect "a VIP whose variable is not set passes to the router" 1 "$(reaches_router 192.0.2.2)"
