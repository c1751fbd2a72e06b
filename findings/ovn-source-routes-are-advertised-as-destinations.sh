#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# With `dynamic-routing-redistribute=static` a router advertises its static routes to a routing daemon. A static route by source (`policy=src-ip`),
# whose prefix is a set of clients and not a network behind the router, is advertised too: as a route to that prefix.
#
# Guessed: routes by source are left out, because a routing protocol has no place for them. Seen with OVN 26.03: the prefix has an
# Advertised_Route like any other, so that neighbours send the clients' traffic to this router. So has a route of a `route_table` that only ports
# with this table use. A route that discards has none. ovn-nb(5) says of `static` that static routes are advertised.
. "$(dirname "$0")/ovn-sandbox.sh"
ovn_install sid 26.03.1
ovn_start

two_switches
nb set logical_router r options:dynamic-routing=true options:dynamic-routing-redistribute=static
nb lr-route-add r 203.0.113.0/28 10.0.1.99
nb --policy=src-ip lr-route-add r 203.0.113.16/28 10.0.1.99
nb --route-table=other lr-route-add r 203.0.113.32/28 10.0.1.99
nb lr-route-add r 203.0.113.48/28 discard
nb --wait=sb sync

advertised() { sb --bare --columns=ip_prefix find Advertised_Route ip_prefix="$1" | sort -u | grep -c . || true; }
expect "advertised: a route by destination" 1 "$(advertised 203.0.113.0/28)"
expect "advertised: a route by source" 1 "$(advertised 203.0.113.16/28)"
expect "advertised: a route of another table" 1 "$(advertised 203.0.113.32/28)"
expect "advertised: a route that discards" 0 "$(advertised 203.0.113.48/28)"
