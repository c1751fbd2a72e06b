#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# ovn-northd computes everything again, all switches, routers and flows, when `external_ids` of one switch, router or router port changes, although the columns are for the client that writes the rows. Those of a switch port, a load balancer or NB_Global
# cost nothing of that kind.
#
# Guessed: external_ids are for the client that writes the row (ovn-nb(5), "Common Columns"), so northd skips them, as it does for switch ports. Seen with OVN 26.03.1: a switch or router can be handled by itself only
# if none of its other columns has changed, and northd does not leave this one out (`ls_changes_can_be_handled`, `lr_changes_can_be_handled` in northd.c).
. "$(dirname "$0")/ovn-sandbox.sh"
ovn_install sid 26.03.1
ovn_start

two_switches
nb lb-add lb 10.96.0.1:80 10.0.0.11:80 -- ls-lb-add a lb
nb --wait=sb sync

computed() { in_root ovn-appctl -t $run/northd.ctl inc-engine/show-stats | awk '/^Node:/ { node = $2 } /recompute:/ && (node == "northd" || node == "lflow") { print node, $NF }'; }
# How often northd has computed all from nothing after external_ids of a row were changed.
again() {
  local before
  before=$(computed)
  nb --wait=sb set $1 $2 external_ids:note=text
  nb --wait=sb sync
  join <(sort <<<"$before") <(computed | sort) | awk '{ print $1 ": " $3 - $2 }' | paste -sd ' '
}
expect "computed again after a change of NB_Global" "lflow: 0 northd: 0" "$(again nb_global .)"
expect "of a load balancer" "lflow: 0 northd: 0" "$(again load_balancer lb)"
expect "of a switch port" "lflow: 0 northd: 0" "$(again logical_switch_port p1)"
expect "of a switch" "lflow: 1 northd: 1" "$(again logical_switch a)"
expect "of a router" "lflow: 1 northd: 1" "$(again logical_router r)"
expect "of a router port" "lflow: 1 northd: 1" "$(again logical_router_port r-a)"
