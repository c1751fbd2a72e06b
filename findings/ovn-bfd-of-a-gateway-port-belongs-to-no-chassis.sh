#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# With role-based access to the southbound database (the role ovn-controller), a BFD session of a router port with gateway chassis never comes up: northd leaves the chassis of
# the session empty, and the role lets a chassis write the status of sessions with its own name only. The route that is bound to the session is then never installed.
#
# Guessed: northd writes the active gateway chassis, as it writes the gateway router's chassis, because its own schema of roles asks for it. Seen with OVN 26.03.1: `chassis_name` is
# filled only where the router as a whole is bound to a chassis (options:chassis), and stays empty for a port with gateway chassis, also once the port is bound.
. "$(dirname "$0")/ovn-sandbox.sh"
ovn_install sid 26.03.1
ovn_start
ovn_start_chassis

two_switches
nb lrp-set-gateway-chassis r-b chassis
nb create bfd logical_port=r-b dst_ip=10.0.1.99 >/dev/null
nb lr-add g -- set logical_router g options:chassis=chassis -- lrp-add g g-x 02:00:00:00:00:09 10.0.9.1/24
nb create bfd logical_port=g-x dst_ip=10.0.9.99 >/dev/null
# Sessions exist for what a route uses.
nb --bfd="$(nb --bare --columns=_uuid find bfd logical_port=r-b)" lr-route-add r 192.0.2.0/24 10.0.1.99
nb --bfd="$(nb --bare --columns=_uuid find bfd logical_port=g-x)" lr-route-add g 192.0.2.0/24 10.0.9.99
nb --wait=hv sync

chassis_of() { sb --bare --columns=chassis_name find bfd logical_port="$1"; }
expect "a session may be written by" chassis_name "$(sb --bare --columns=authorization find rbac_permission table=BFD)"
expect "the chassis that has the gateway port" chassis "$(sb --bare --columns=hostname list chassis "$(sb --bare --columns=chassis find port_binding logical_port=cr-r-b)")"
expect "the chassis of the session of a gateway router" chassis "$(chassis_of g-x)"
expect "that of a port with gateway chassis" "" "$(chassis_of r-b)"
