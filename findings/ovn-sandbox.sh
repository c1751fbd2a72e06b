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
#   checksum HEX                the Internet checksum (RFC 1071) of bytes, both in hexadecimal digits
#   dhcpv6_client OPTION…       after ovn_start_chassis, a port `vm` (02:00:00:00:01:01, fd00:a::11) for which OVN answers DHCPv6 with these options
#   dhcpv6 MESSAGE              sends a DHCPv6 message, in hexadecimal digits, from there; prints all that OVN has answered so far, one message a line
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

checksum() {
  local sum=0 i bytes=$1
  [ $((${#bytes} % 4)) = 0 ] || bytes+=00
  for ((i = 0; i < ${#bytes}; i += 4)); do sum=$((sum + 16#${bytes:i:4})); done
  while ((sum > 0xffff)); do sum=$(((sum & 0xffff) + (sum >> 16))); done
  printf %04x $((0xffff - sum))
}

dhcpv6_client() {
  nb dhcp-options-create fd00:a::/64
  local options
  options=$(nb dhcp-options-list | cut -d ' ' -f 1)
  nb dhcp-options-set-options "$options" server_id=02:00:00:00:00:fe "$@"
  nb ls-add s -- lsp-add s vm -- lsp-set-addresses vm "02:00:00:00:01:01 fd00:a::11" -- lsp-set-dhcpv6-options vm "$options"
  vsctl add-port br-int vm -- set interface vm type=dummy external_ids:iface-id=vm options:pcap=$run/vm.pcap
  nb --timeout=30 wait-until logical_switch_port vm up=true
  nb --timeout=30 --wait=hv sync
}

# From fe80::ff:fe00:101, port 546, to ff02::1:2, port 547; the answers are from fe80::ff:fe00:fe.
dhcpv6() {
  local addresses=fe80000000000000000000fffe000101ff020000000000000000000000010002 length answered
  answered=$(dhcpv6_answers | wc -l)
  length=$(printf %04x $((${#1} / 2 + 8)))
  in_root ovs-appctl -t $run/vswitchd.ctl netdev-dummy/receive vm "33330001000202000000010186dd60000000${length}1101${addresses}02220223$length$(
    checksum "${addresses}0000${length}0000001102220223${length}0000$1")$1"
  for _ in $(seq 20); do if [ "$(dhcpv6_answers | wc -l)" -gt "$answered" ]; then break; fi; sleep 0.1; done
  dhcpv6_answers
}
dhcpv6_answers() {
  local bytes rest length
  bytes=$(od -An -v -tx1 "$root$run/vm.pcap" | tr -d ' \n')
  while [[ $bytes =~ fe80000000000000000000fffe0000fefe80000000000000000000fffe00010102230222(....)....(.*) ]]; do
    rest=${BASH_REMATCH[2]} length=$((2 * 16#${BASH_REMATCH[1]} - 16))
    echo "${rest:0:length}"
    bytes=${rest:length}
  done
}

expect() {
  if [ "$2" = "$3" ]; then echo "as seen before: $1: $3"; else echo "CHANGED: $1: was $2, is $3" >&2; exit 1; fi
}
