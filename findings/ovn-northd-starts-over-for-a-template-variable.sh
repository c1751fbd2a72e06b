#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# ovn-northd computes everything again, twice, all switches, routers and flows, when one variable of one chassis changes (Chassis_Template_Var), although no logical flow contains its value. A change of the same endpoint in
# a load balancer without variables is computed by itself.
#
# Guessed: northd copies the row to the southbound database, as it does Chassis and address sets, and ovn-controller does the rest. Seen with OVN 26.03.1: the table is an input of the node `northd` that has no handler for changes
# (en_northd in inc-proc-northd.c, also in 25.03 and in the main branch of August 2026), and the nodes behind it are computed again too. The copy in the southbound database is another such input, so northd's own write makes it start over once more.
. "$(dirname "$0")/ovn-sandbox.sh"
ovn_install sid 26.03.1
ovn_start

two_switches
nb lb-add plain 10.96.0.1:80 10.0.0.11:80 -- ls-lb-add a plain
nb --id=@t create load_balancer name=template protocol=tcp options:template=true options:address-family=ipv4 'vips={"10.96.0.2:80"="^endpoint"}' -- add logical_switch a load_balancer @t \
  -- --id=@v create chassis_template_var chassis=one variables:endpoint='"10.0.0.11:80"' >/dev/null
nb --wait=sb sync

# How often each of these has been computed from nothing.
computed() { in_root ovn-appctl -t $run/northd.ctl inc-engine/show-stats | awk '/^Node:/ { node = $2 } /recompute:/ && (node == "northd" || node == "routes" || node == "lflow") { print node, $NF }'; }
again() {
  local before
  before=$(computed)
  nb --wait=sb "$@"
  # By then it has seen what it has written itself.
  nb --wait=sb sync
  join <(sort <<<"$before") <(computed | sort) | awk '{ print $1 ": " $3 - $2 }' | paste -sd ' '
}
expect "computed again after a change of a load balancer's endpoint" "lflow: 0 northd: 0 routes: 0" "$(again set load_balancer plain 'vips:"10.96.0.1:80"="10.0.0.12:80"')"
expect "and after a change of a variable" "lflow: 2 northd: 2 routes: 2" "$(again set chassis_template_var . variables:endpoint='"10.0.0.12:80"')"
