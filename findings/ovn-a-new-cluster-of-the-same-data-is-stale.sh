#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A southbound database that is made a cluster again, with all its data and at the same address, is refused by every ovn-controller that runs.
#
# Guessed: ovn-controller connects again and compares its copy with the database, because the new cluster has an id of its own. Seen with OVN 26.03.1
# and 25.03.0: a client of a clustered database remembers the highest index of raft's log that it has seen, whatever the cluster, and takes a server
# with a lower one for a member that lags behind. A new cluster counts from the beginning. `sb-cluster-state-reset` ends it (ovn-controller(8) has it
# for databases that were destroyed); nothing else on the node does but a restart.
. "$(dirname "$0")/ovn-sandbox.sh"
ovn_install sid 26.03.1
ovn_start

sb_stop() { in_root ovs-appctl -t $run/sb.ctl exit; }
# The southbound server with what the file has, as a new cluster of one.
sb_cluster() {
  mv "$root$run/sb.db" "$root$run/sb.old"
  in_root ovsdb-tool create-cluster $run/sb.db $run/sb.old unix:$run/sb.raft
  in_root ovsdb-server --detach --no-chdir -vconsole:off --log-file=$run/sb.log --pidfile=$run/sb.pid --unixctl=$run/sb.ctl \
    --remote=punix:$run/sb.sock $run/sb.db 2>/dev/null
}
controller() { in_root ovs-appctl -t $run/controller.ctl "$@"; }
# Whether ovn-controller is connected within so many seconds.
connected() {
  local end=$((SECONDS + $1))
  until [ "$(controller connection-status)" = connected ]; do
    [ $SECONDS -lt $end ] || { echo no; return; }
    sleep 0.2
  done
  echo yes
}
stale() { grep -c 'clustered database server has stale data' "$root$run/controller.log" || true; }

sb_stop
sb_cluster
ovn_start_chassis
two_switches
for n in {1..30}; do nb --wait=sb set NB_Global . external_ids:n="$n"; done
expect "connected to the first cluster" yes "$(connected 20)"
expect "warnings of stale data" 0 "$(stale)"

sb_stop
in_root ovsdb-tool cluster-to-standalone $run/sb.one $run/sb.db
mv "$root$run/sb.one" "$root$run/sb.db"
sb_cluster
expect "connected to the second, which has the same data" no "$(connected 20)"
expect "ovn-controller calls the data stale" yes "$([ "$(stale)" -gt 0 ] && echo yes || echo no)"

controller sb-cluster-state-reset
expect "connected after sb-cluster-state-reset" yes "$(connected 20)"
