#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The Neighbor Solicitation for the IPv6 next hop of a policy (`reroute`) goes to the solicited-node address of the packet's destination, where the next hop does not
# listen. So packets are lost until the next hop itself has sent something.
#
# Guessed: a router solicits every neighbor at the neighbor's own solicited-node address (RFC 4861 §4.3). Seen with OVN 26.03.1 (and 25.03.0): northd adds a flow that
# sets eth.dst and ip6.dst of the solicitation for each next hop of a static route; all others have one flow, which sets nd.target alone, and ovn-controller
# takes the packet's own destination (pinctrl_handle_nd_ns). The newest northd has one flow for all. A static route in a table that no port has also adds the flow.
. "$(dirname "$0")/ovn-sandbox.sh"
ovn_install sid 26.03.1
ovn_start

nb lr-add r -- lrp-add r r-a 02:00:00:00:00:01 fd00:a::1/64 -- lrp-add r r-b 02:00:00:00:00:02 fd00:b::1/64
nb lr-route-add r fd00:c::/64 fd00:b::98 -- lr-policy-add r 100 "ip6.src == fd00:a::11" reroute fd00:b::99
nb --wait=sb sync

# The address at which the router solicits a next hop; "(the packet's destination)" if the flow sets none.
solicited() {
  sb lflow-list r | grep lr_in_arp_request | grep "xxreg[01] == $1)" | sed -n 's/.*ip6.dst = \([^;]*\);.*/\1/p' | grep . || echo "(the packet's destination)"
}
expect "the next hop of a static route is solicited at" "ff02::1:ff00:98" "$(solicited fd00:b::98)"
expect "that of a policy at" "(the packet's destination)" "$(solicited fd00:b::99)"
nb --route-table=none lr-route-add r fd00:b::99/128 fd00:b::99
nb --wait=sb sync
expect "and with a static route in a table of no port at" "ff02::1:ff00:99" "$(solicited fd00:b::99)"
