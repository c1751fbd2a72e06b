#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A cluster of three ovsdb-servers answers a transaction with an error, and the database has it all the same.
#
# Guessed: an error other than one of the connection means that nothing was done (RFC 7047 §4.1.3: "If any of the operations fail, the
# transaction is not committed"). Seen with OVS 4.0: both followers are stopped while the leader is asked to insert a row whose UUID the client
# chose. The leader gives up its role, the followers go on, and one of them leads with the leader's log, in which the insert is. The server that was
# asked runs the transaction again, meets its own row, and answers `duplicate uuid`. In the same way it answers `constraint violation` for a row
# with a unique name, and does `+= 1` twice.
. "$(dirname "$0")/ovn-sandbox.sh"
ovn_install sid 26.03.1
in_root ovsdb-server --version | head -n 1

in_root ovsdb-tool create-cluster $run/1.db /usr/share/ovn/ovn-nb.ovsschema tcp:127.0.0.1:27641 2>/dev/null
for n in 2 3; do in_root ovsdb-tool join-cluster $run/$n.db OVN_Northbound tcp:127.0.0.1:2764$n tcp:127.0.0.1:27641; done
for n in 1 2 3; do
  in_root ovsdb-server --detach --no-chdir -vconsole:off --log-file=$run/$n.log --pidfile=$run/$n.pid --unixctl=$run/$n.ctl --remote=punix:$run/$n.sock $run/$n.db 2>/dev/null
done
for n in 1 2 3; do in_root ovsdb-client wait unix:$run/$n.sock OVN_Northbound connected 2>/dev/null; done

leads() { in_root ovs-appctl -t $run/$1.ctl cluster/status OVN_Northbound | grep -q '^Role: leader'; }
leader=''
for n in 1 2 3; do if leads $n; then leader=$n; fi; done
followers=$(for n in 1 2 3; do [ $n = "$leader" ] || cat "$root$run/$n.pid"; done)

uuid=0f3c2a7e-5b1d-4c7e-9a52-6d4b8e1f7c10
kill -STOP $followers
in_root ovsdb-client --timeout=60 transact unix:$run/$leader.sock \
  "[\"OVN_Northbound\",{\"op\":\"insert\",\"table\":\"Logical_Switch\",\"uuid\":\"$uuid\",\"row\":{\"name\":\"once\"}}]" >"$root$run/answer" 2>/dev/null &
client=$!
while leads $leader; do sleep 0.2; done
kill -CONT $followers
wait $client || true

expect "answer" '"error":"duplicate uuid"' "$(grep -o '"error":"[^"]*"' "$root$run/answer")"
expect "rows of the name" 1 "$(in_root ovsdb-client --no-leader-only dump unix:$run/$leader.sock OVN_Northbound Logical_Switch name 2>/dev/null | grep -c once || true)"
