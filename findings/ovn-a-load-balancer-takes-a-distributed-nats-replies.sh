#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A pod with a distributed dnat_and_snat address does not answer there on a port on which it is also an endpoint of any load balancer of the router: the replies go to
# the gateway chassis, which has not translated the request, and leave it with the pod's own address. Other ports of the pod keep working.
#
# Guessed: a reply follows the translation that its request came through, and the load balancer has an address of its own. Seen with OVN 26.03.1: for each endpoint of
# a load balancer northd adds a flow of priority 200 to lr_in_gw_redirect, which matches the endpoint's address and source port alone and comes before the one
# of the distributed address (priority 100), and it takes the packet to the chassisredirect port. It is there for the load balancer's replies, which have to be
# translated back where the request was, but the request's address is no longer in the packet.
. "$(dirname "$0")/ovn-sandbox.sh"
ovn_install sid 26.03.1
ovn_start

two_switches
nb lsp-set-type p2 localnet -- lsp-set-addresses p2 unknown -- lsp-set-options p2 network_name=outside
nb lrp-set-gateway-chassis r-b gateway
nb lr-nat-add r dnat_and_snat 10.0.1.100 10.0.0.11 p1 02:00:00:00:01:64
sb chassis-add gateway geneve 127.0.0.2
nb --wait=sb sync

# What the router does with a reply of the pod from a port: the actions of its stage lr_in_gw_redirect.
reply() {
  trace a "inport==\"p1\" && eth.src==02:00:00:00:01:01 && eth.dst==02:00:00:00:00:01 && ip4 && ip.ttl==64 &&
    ip4.src==10.0.0.11 && ip4.dst==10.0.1.11 && tcp && tcp.src==$1" | sed -n '/lr_in_gw_redirect/,/^$/p' | sed -n 's/^ *\(eth.src = .*\|outport = .*\);$/\1/p' | paste -sd ' '
}
expect "without a load balancer, a reply from port 8080" "eth.src = 02:00:00:00:01:64" "$(reply 8080)"

nb lb-add lb 10.0.1.200:80 10.0.0.11:8080 tcp -- lr-lb-add r lb
nb --wait=sb sync
expect "with one of another address, a reply from its endpoint's port" 'outport = "cr-r-b"' "$(reply 8080)"
expect "and from another port" "eth.src = 02:00:00:00:01:64" "$(reply 8081)"
