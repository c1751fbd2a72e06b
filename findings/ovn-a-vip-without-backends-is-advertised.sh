#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# With `dynamic-routing-redistribute=lb` a router advertises the VIPs of its load balancers to a routing daemon, also a VIP without any backend.
#
# Guessed: a VIP is withdrawn with its last backend, as MetalLB does, so that another cluster or node that announces the same address gets the
# traffic. Seen with OVN 26.03: the Advertised_Route stays, with `reject=true` too, and the router refuses what it attracts.
. "$(dirname "$0")/ovn-sandbox.sh"
ovn_install sid 26.03.1
ovn_start

two_switches
nb set logical_router r options:dynamic-routing=true options:dynamic-routing-redistribute=lb options:chassis=chassis
nb lb-add served 198.51.100.1:80 10.0.1.11:80 -- lb-add empty 198.51.100.2:80 "" -- set load_balancer empty options:reject=true
nb lr-lb-add r served -- lr-lb-add r empty
nb --wait=sb sync

advertised() { sb --bare --columns=ip_prefix find Advertised_Route ip_prefix="$1" | sort -u | grep -c . || true; }
expect "advertised: a VIP with a backend" 1 "$(advertised 198.51.100.1)"
expect "advertised: a VIP without backends" 1 "$(advertised 198.51.100.2)"
nb lb-del served
nb --wait=sb sync
expect "advertised: a VIP whose load balancer is deleted" 0 "$(advertised 198.51.100.1)"
