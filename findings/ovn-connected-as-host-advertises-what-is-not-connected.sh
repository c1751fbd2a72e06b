#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# With `dynamic-routing-redistribute=connected-as-host` a router advertises a host route for each address in use on its connected networks. It does so
# for each address of a port of a connected switch, also for one that is in none of the router's networks, and for a port that is disabled.
#
# Guessed: an address outside of the router's networks is left out, for the router has no route to it. Seen with OVN 26.03: it has an
# Advertised_Route, and the router drops what this attracts (ovn-trace ends in lr_in_ip_routing). ovn-nb(5) speaks of addresses "on the connected networks".
. "$(dirname "$0")/ovn-sandbox.sh"
ovn_install sid 26.03.1
ovn_start

two_switches
nb set logical_router r options:dynamic-routing=true options:dynamic-routing-redistribute=connected-as-host
nb lsp-add a outside -- lsp-set-addresses outside "02:00:00:00:01:02 172.30.0.5"
nb lsp-add a disabled -- lsp-set-addresses disabled "02:00:00:00:01:03 10.0.0.13" -- lsp-set-enabled disabled disabled
nb --wait=sb sync

advertised() { sb --bare --columns=ip_prefix find Advertised_Route ip_prefix="$1" | sort -u | grep -c . || true; }
delivered() {
  trace --minimal b "inport==\"p2\" && eth.src==02:00:00:00:02:01 && eth.dst==02:00:00:00:00:02 && ip4.src==10.0.1.11 && ip4.dst==$1 && ip.ttl==64 && udp" | grep -c "output(\"$2\")" || true
}
expect "advertised: the address of a port" 1 "$(advertised 10.0.0.11)"
expect "delivered: a packet to it" 1 "$(delivered 10.0.0.11 p1)"
expect "advertised: an address outside of the router's networks" 1 "$(advertised 172.30.0.5)"
expect "delivered: a packet to it" 0 "$(delivered 172.30.0.5 outside)"
expect "advertised: the address of a port that is disabled" 1 "$(advertised 10.0.0.13)"
expect "delivered: a packet to it" 0 "$(delivered 10.0.0.13 disabled)"
