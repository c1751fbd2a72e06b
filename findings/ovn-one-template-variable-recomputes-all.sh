#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# ovn-controller computes the flows of all template load balancers again when one variable of its chassis changes, also of those that do not use it. So the cost of a change grows with the number of
# load balancers with `options:template=true`.
#
# Guessed: it knows which variables a logical flow refers to, as it does for address sets and port groups, and the handler says which variables were added, removed or changed; so only the flows of these.
# Seen with OVN 26.03.1: the handler counts all variables that the row has had as removed (`template_vars_update` in ovn-controller.c, also in 25.03 and in the main branch of August 2026). With one flow for each of
# 1,000 load balancers a change took ovn-controller 33 ms of CPU instead of 3 ms, and with 4,000 of them 180 ms (20 changes each, at a load of 18).
. "$(dirname "$0")/ovn-sandbox.sh"
ovn_install sid 26.03.1
ovn_start
ovn_start_chassis

# Fifty load balancers, each with one variable of its own for its endpoint.
balancers=() variables=()
for i in $(seq 50); do
  balancers+=(-- "--id=@b$i" create load_balancer name=b$i protocol=tcp options:template=true options:address-family=ipv4 "vips={\"10.96.0.$i:80\"=\"^endpoint$i\"}" -- add logical_switch s load_balancer "@b$i")
  variables+=("variables:endpoint$i=\"10.0.0.$i:80\"")
done
nb ls-add s -- lsp-add s p -- lsp-set-addresses p "02:00:00:00:01:01 10.0.0.11"
nb --id=@t create chassis_template_var chassis=chassis "${variables[@]}" "${balancers[@]}" >/dev/null
vsctl add-port br-int p -- set interface p type=dummy external_ids:iface-id=p
nb --timeout=30 wait-until logical_switch_port p up=true
nb --timeout=30 --wait=hv sync

# How many logical flows it has translated in all.
translated() { in_root ovs-appctl -t $run/controller.ctl coverage/read-counter consider_logical_flow; }
after() {
  local before
  before=$(translated)
  nb --timeout=30 --wait=hv "$@"
  echo $(($(translated) - before))
}
expect "logical flows that are translated after nothing has changed" 0 "$(after sync)"
expect "after a change of a load balancer" 1 "$(after set load_balancer b1 'vips={"10.96.0.1:80"="^endpoint1,10.0.0.200:80"}')"
expect "after a change of its variable" 50 "$(after set chassis_template_var . 'variables:endpoint1="10.0.0.201:80"')"
