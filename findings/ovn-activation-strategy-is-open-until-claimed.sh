#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A port that is moved to another chassis with `activation-strategy=rarp` is open there, before anything has activated it, while ovn-controller waits for the answer
# to some other write to the southbound database. So two virtual machines answer for one address for some milliseconds, longer where the database is slow.
#
# Guessed: the flows that keep the port closed come with those that bind it. Seen with OVN 26.03.1: ovn-controller binds the port at once, but
# writes `Port_Binding.additional_chassis` only when its former transaction is answered, and the flows that close the port (physical.c, setup_activation_strategy) are made
# only for a chassis that is in that column. Here the database is stopped for as long as we like.
. "$(dirname "$0")/ovn-sandbox.sh"
ovn_install sid 26.03.1
ovn_start
ovn_start_chassis

two_switches
sb chassis-add other geneve 127.0.0.2
nb lsp-add a vm -- lsp-set-addresses vm "02:00:00:00:01:05 10.0.0.15" -- lsp-set-options vm requested-chassis=other,chassis activation-strategy=rarp
nb lsp-add a p3 -- lsp-set-addresses p3 "02:00:00:00:01:03 10.0.0.13"
nb --wait=hv sync

add() { vsctl add-port br-int "$1" -- set interface "$1" type=dummy external_ids:iface-id="$1"; }
number() { printf '0x%x' "$(sb --bare --columns=tunnel_key "$@")"; }
outport=$(number find port_binding logical_port=vm)
metadata=$(number find datapath_binding external_ids:name=a)
# Flows (table 65, OFTABLE_LOG_TO_PHY) that hand a packet to the port, and flows of a higher priority that drop it.
flows() { in_root ovs-ofctl -O OpenFlow15 dump-flows unix:$run/br-int.mgmt "table=65,metadata=$metadata,reg15=$outport" 2>/dev/null | grep -c "priority=$1," || true; }
# Resolves when the chassis has flows for the port.
bound() {
  local end=$((SECONDS + 10))
  until [ "$(flows 100)" != 0 ]; do [ $SECONDS -lt $end ] || break; sleep 0.05; done
}

add vm
bound
nb --wait=hv sync
expect "the port is bound" 1 "$(flows 100)"
expect "and closed" 1 "$(flows 1000)"

vsctl del-port vm
nb --wait=hv sync
database=$(cat "$root$run/sb.pid")
kill -STOP "$database"
# Its claim is not answered.
add p3
sleep 0.5
add vm
bound
expect "the port is bound while the database does not answer" 1 "$(flows 100)"
expect "and open" 0 "$(flows 1000)"
kill -CONT "$database"
nb --wait=hv sync
expect "closed when the database answers" 1 "$(flows 1000)"
