#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A Logical_Switch_Port and a Logical_Router_Port of one name: each table of the northbound database takes it, for the indexes on `name` are each
# table's own. Then every change to a port of that switch fails once in the southbound database and is computed again from everything.
#
# Guessed: two ports, for they are rows of different tables; or one of them is left out, with a warning. Seen with OVN 26.03: the switch's port is left
# out, and from then on the first southbound transaction of each change to another port of its switch is refused ("multiple rows in Port_Binding …
# identical values"); northd then forgets what it knew and recomputes everything. Two names cost all pods of the switch the incremental processing.
. "$(dirname "$0")/ovn-sandbox.sh"
ovn_install sid 26.03.1
ovn_start

two_switches
refused() { northd_log | grep -c 'OVNSB commit failed' || true; }
nb --wait=sb sync
expect "refused southbound transactions before" 0 "$(refused)"
nb lrp-add r same 02:00:00:00:09:01 10.0.9.1/24
nb --wait=sb lsp-add a same
expect "ports of that name in the southbound database" patch "$(sb --bare --columns=type find Port_Binding logical_port=same)"
before=$(refused)
for i in 1 2 3; do nb --wait=sb lsp-set-addresses p1 "02:00:00:00:01:01 10.0.0.2$i"; done
# At least one each; now and then it repeats itself some dozen times before the next is taken.
expect "each of three changes of another port of the switch is refused at first" yes "$([ $(($(refused) - before)) -ge 3 ] && echo yes || echo no)"
nb --wait=sb lsp-del same
before=$(refused)
nb --wait=sb lsp-set-addresses p1 "02:00:00:00:01:01 10.0.0.11"
expect "and when one of the two is gone" 0 "$(($(refused) - before))"
