# SPDX-License-Identifier: Apache-2.0
# For the findings about Open vSwitch, which source it: Debian's package of one release in a temporary root file system, in it a database
# server and ovs-vswitchd. Needs root and debootstrap; everything goes away at the end.
#
#   ovs_install SUITE VERSION [PACKAGES]   SUITE is a Debian release; fails unless its ovs-vswitchd says VERSION. PACKAGES has commas
#   ovs_start                   the database and ovs-vswitchd without a datapath of the kernel (bridges and ports have the type `dummy`)
#   ovs_start_database          the database alone; ovs_start has called it
#   in_root COMMAND…            runs a program of the release; $run is a folder for its sockets, $root$run the same from outside
#   vsctl ARG…  app ARG…        ovs-vsctl on the database, ovs-appctl on ovs-vswitchd
#   wait_until COMMAND…         for at most ten seconds, until COMMAND succeeds
#   expect WHAT WANTED SEEN     fails unless the two are equal
set -euo pipefail

ovs_install() {
  local suite=$1 version=$2
  root=$(mktemp -d) run=/run/sandbox
  trap 'ovs_end' EXIT
  command -v debootstrap >/dev/null || { echo "install debootstrap first" >&2; exit 2; }
  echo "installing Open vSwitch from Debian $suite in a temporary folder (two minutes)"
  # Without a mount namespace of its own, debootstrap's /proc would stay.
  unshare --mount --propagation private debootstrap --variant=minbase --include="openvswitch-switch${3+,$3}" "$suite" "$root" >"$root.log" 2>&1 ||
    { tail -n 5 "$root.log" >&2; exit 2; }
  mkdir -p "$root$run"
  local said
  said=$(in_root ovs-vswitchd --version | head -n 1)
  [ "$said" = "ovs-vswitchd (Open vSwitch) $version" ] || { echo "Debian $suite has $said now; this was seen with $version" >&2; exit 2; }
  echo "version: $said"
}

ovs_start() {
  in_root ovsdb-tool create $run/conf.db /usr/share/openvswitch/vswitch.ovsschema
  ovs_start_database
  vsctl --no-wait init
  in_root ovs-vswitchd --detach --no-chdir -vconsole:off --enable-dummy=override --disable-system --pidfile=$run/vswitchd.pid --unixctl=$run/vswitchd.ctl unix:$run/db.sock
}

ovs_start_database() {
  in_root ovsdb-server --detach --no-chdir -vconsole:off --pidfile=$run/db.pid --unixctl=$run/db.ctl --remote=punix:$run/db.sock $run/conf.db
}

ovs_end() {
  local pid
  for pid in "$root$run"/*.pid; do if [ -e "$pid" ]; then kill "$(cat "$pid")" || true; fi; done
  rm -rf "$root" "$root.log"
}

in_root() { chroot "$root" env OVS_RUNDIR=$run OVS_LOGDIR=$run "$@"; }
vsctl() { in_root ovs-vsctl --timeout=10 --db=unix:$run/db.sock "$@"; }
app() { in_root ovs-appctl --timeout=10 -t $run/vswitchd.ctl "$@"; }
wait_until() {
  local end=$((SECONDS + 10))
  until "$@"; do [ "$SECONDS" -lt "$end" ] || return 1; sleep 0.1; done
}

expect() {
  if [ "$2" = "$3" ]; then echo "as seen before: $1: $3"; else echo "CHANGED: $1: was $2, is $3" >&2; exit 1; fi
}
