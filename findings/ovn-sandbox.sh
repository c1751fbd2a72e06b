# SPDX-License-Identifier: Apache-2.0
# For the findings about OVN, which source it: Debian's packages of one release in a temporary root file system, in it a northbound and
# a southbound database and ovn-northd. Needs root and debootstrap; everything goes away at the end.
#
#   ovn_install SUITE VERSION   SUITE is a Debian release; fails unless its ovn-northd says VERSION
#   ovn_start                   the two databases and ovn-northd
#   ovn_start_chassis           after that, Open vSwitch without a datapath of the kernel (ports have the type `dummy`) and ovn-controller
#   vsctl ARG…                  ovs-vsctl on it
#   in_root COMMAND…            runs a program of the release; $run is a folder for its sockets, $root$run the same from outside
#   nb ARG…  sb ARG…  trace ARG…   ovn-nbctl, ovn-sbctl and ovn-trace on these databases
#   northd_log                  what ovn-northd has logged
#   expect WHAT WANTED SEEN     fails unless the two are equal
set -euo pipefail

ovn_install() {
  local suite=$1 version=$2
  root=$(mktemp -d) run=/run/sandbox
  trap 'ovn_end' EXIT
  command -v debootstrap >/dev/null || { echo "install debootstrap first" >&2; exit 2; }
  echo "installing OVN from Debian $suite in a temporary folder (two minutes)"
  # Without a mount namespace of its own, debootstrap's /proc would stay.
  unshare --mount --propagation private debootstrap --variant=minbase --include=openvswitch-switch,ovn-central,ovn-host "$suite" "$root" >"$root.log" 2>&1 ||
    { tail -n 5 "$root.log" >&2; exit 2; }
  mkdir -p "$root$run"
  local said
  said=$(chroot "$root" ovn-northd --version | head -n 1)
  [ "$said" = "ovn-northd $version" ] || { echo "Debian $suite has $said now; this was seen with $version" >&2; exit 2; }
  echo "version: $said"
}

ovn_start() {
  local db
  for db in nb sb; do
    in_root ovsdb-tool create $run/$db.db /usr/share/ovn/ovn-$db.ovsschema
    in_root ovsdb-server --detach --no-chdir -vconsole:off --log-file=$run/$db.log --pidfile=$run/$db.pid --unixctl=$run/$db.ctl \
      --remote=punix:$run/$db.sock $run/$db.db 2>/dev/null
  done
  in_root ovn-northd --detach --no-chdir -vconsole:off --log-file=$run/northd.log --pidfile=$run/northd.pid --unixctl=$run/northd.ctl \
    --ovnnb-db=unix:$run/nb.sock --ovnsb-db=unix:$run/sb.sock 2>/dev/null
}

ovn_start_chassis() {
  in_root ovsdb-tool create $run/conf.db /usr/share/openvswitch/vswitch.ovsschema
  in_root ovsdb-server --detach --no-chdir -vconsole:off --pidfile=$run/conf.pid --unixctl=$run/conf.ctl --remote=punix:$run/conf.sock $run/conf.db
  vsctl --no-wait init -- set open . external_ids:system-id=chassis external_ids:hostname=chassis external_ids:ovn-remote=unix:$run/sb.sock \
    external_ids:ovn-encap-type=geneve external_ids:ovn-encap-ip=127.0.0.1 -- add-br br-int -- set bridge br-int datapath_type=dummy fail_mode=secure
  in_root ovs-vswitchd --detach --no-chdir -vconsole:off --enable-dummy=override --disable-system --pidfile=$run/vswitchd.pid --unixctl=$run/vswitchd.ctl unix:$run/conf.sock
  in_root ovn-controller --detach --no-chdir -vconsole:off --log-file=$run/controller.log --pidfile=$run/controller.pid --unixctl=$run/controller.ctl unix:$run/conf.sock 2>/dev/null
}

ovn_end() {
  local pid
  for pid in "$root$run"/*.pid; do if [ -e "$pid" ]; then kill "$(cat "$pid")" || true; fi; done
  rm -rf "$root" "$root.log"
}

in_root() { chroot "$root" env OVS_RUNDIR=$run OVN_RUNDIR=$run "$@"; }
vsctl() { in_root ovs-vsctl --db=unix:$run/conf.sock "$@"; }
nb() { in_root ovn-nbctl --db=unix:$run/nb.sock "$@"; }
sb() { in_root ovn-sbctl --db=unix:$run/sb.sock "$@"; }
trace() { in_root ovn-trace --db=unix:$run/sb.sock "$@"; }
northd_log() { cat "$root$run/northd.log"; }

# Two switches a and b with a port each (10.0.0.11, 10.0.1.11) on a router r.
two_switches() {
  nb lr-add r -- lrp-add r r-a 02:00:00:00:00:01 10.0.0.1/24 -- lrp-add r r-b 02:00:00:00:00:02 10.0.1.1/24
  local s
  for s in a b; do
    nb ls-add $s -- lsp-add $s $s-r -- lsp-set-type $s-r router -- lsp-set-addresses $s-r router -- lsp-set-options $s-r router-port=r-$s
  done
  nb lsp-add a p1 -- lsp-set-addresses p1 "02:00:00:00:01:01 10.0.0.11"
  nb lsp-add b p2 -- lsp-set-addresses p2 "02:00:00:00:02:01 10.0.1.11"
}

expect() {
  if [ "$2" = "$3" ]; then echo "as seen before: $1: $3"; else echo "CHANGED: $1: was $2, is $3" >&2; exit 1; fi
}
