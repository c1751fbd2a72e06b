#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A BFD session between two router ports of OVN never comes up, on two chassis with a network between them: each end gets the packets of the other, and both stay `down`. Routes that are bound
# to the sessions are never used.
#
# Guessed: OVN's ports speak to each other as to any router. RFC 5880 §6.8.6: in a packet whose Your Discriminator is 0, with which a session begins, the receiver finds the session by other
# fields, such as addresses (RFC 5881 §4). Seen with OVN 26.03.1: ovn-controller finds it by Your Discriminator alone (`pinctrl_find_bfd_monitor_entry_by_disc`), so it ignores such a packet. The
# other end must have answered OVN's own packet before, with OVN's discriminator; another implementation does so, OVN does not.
. "$(dirname "$0")/ovn-sandbox.sh"
ovn_install sid 26.03.1
ovn_start

# Open vSwitch without a datapath of the kernel and ovn-controller, as a chassis: its name, the other end of the wire, its address for tunnels. The bridge to the network outside has the port `wire-<name>`.
chassis() {
  local name=$1 db=$run/$1.sock
  in_root ovsdb-tool create $run/$name.db /usr/share/openvswitch/vswitch.ovsschema
  in_root ovsdb-server --detach --no-chdir -vconsole:off --pidfile=$run/$name-db.pid --unixctl=$run/$name-db.ctl --remote=punix:$db $run/$name.db
  in_root ovs-vsctl --db=unix:$db --no-wait init -- set open . external_ids:system-id=$name external_ids:ovn-remote=unix:$run/sb.sock external_ids:ovn-encap-type=geneve \
    external_ids:ovn-encap-ip=$3 external_ids:ovn-bridge=int-$name external_ids:ovn-bridge-mappings=outside:ex-$name \
    -- add-br int-$name -- set bridge int-$name datapath_type=dummy fail_mode=secure -- add-br ex-$name -- set bridge ex-$name datapath_type=dummy \
    -- add-port ex-$name wire-$name -- set interface wire-$name type=dummy "options:$2" options:pcap=$run/$name.pcap
  in_root ovs-vswitchd --detach --no-chdir -vconsole:off --enable-dummy=override --disable-system --pidfile=$run/$name-vswitchd.pid --unixctl=$run/$name-vswitchd.ctl unix:$db
  in_root ovn-controller --detach --no-chdir -vconsole:off --log-file=$run/$name.log --pidfile=$run/$name.pid --unixctl=$run/$name.ctl unix:$db 2>/dev/null
}
chassis one pstream=punix:$run/wire 192.0.2.1
chassis two stream=unix:$run/wire 192.0.2.2

nb ls-add net -- lsp-add net outside -- lsp-set-type outside localnet -- lsp-set-addresses outside unknown -- lsp-set-options outside network_name=outside
router() {
  nb lr-add $1 -- set logical_router $1 options:chassis=$1 -- lrp-add $1 $1-net $2 $3/24 -- lsp-add net net-$1 -- lsp-set-type net-$1 router -- lsp-set-addresses net-$1 router \
    -- lsp-set-options net-$1 router-port=$1-net
}
# A route makes northd start the session.
session() { nb create bfd logical_port=$1-net dst_ip=$2 >/dev/null; nb --bfd="$(nb --bare --columns=_uuid find bfd logical_port=$1-net dst_ip=$2)" lr-route-add $1 $3 $2; }
router one 02:00:00:00:00:01 10.0.0.1
router two 02:00:00:00:00:02 10.0.0.2
session one 10.0.0.2 203.0.113.0/24
session two 10.0.0.1 203.0.113.0/24
# With an end that is not OVN.
session one 10.0.0.9 198.51.100.0/24
nb --wait=hv sync
sleep 10

status() { nb --bare --columns=status find bfd logical_port=$1-net dst_ip=$2; }
expect "the session of the first router with the second" down "$(status one 10.0.0.2)"
expect "that of the second one with the first" down "$(status two 10.0.0.1)"

# From an address to port 3784: state and Your Discriminator. UDP with 24 bytes, RFC 5880 §4.1: version and diagnostic, state and flags, multiplier, length 24, My and Your Discriminator.
seen() { od -An -v -tx1 "$root$run/$1.pcap" | tr -d ' \n' | grep -oE "$2$3....0ec80020....20[0-9a-f]{2}..18[0-9a-f]{16}" | sed -E 's/.*20(..)..18.{8}(.{8})$/\1 \2/' | sort -u; }
# Bits 40 of the state are "down".
expect "what the wire brings to the second chassis: state and Your Discriminator" "40 00000000" "$(seen two 0a000001 0a000002)"
expect "and to the first one" "40 00000000" "$(seen one 0a000002 0a000001)"

# An Ethernet frame from 10.0.0.9 to 10.0.0.1 and port 3784 with a state and a Your Discriminator; My Discriminator 9, one packet each second, ten of which may be lost.
answer() {
  local sum=0 i
  ip=4500003400000000ff1100000a0000090a000001
  for ((i = 0; i < 40; i += 4)); do sum=$((sum + 16#${ip:i:4})); done
  sum=$(printf %04x $((0xffff - (sum % 0xffff))))
  in_root ovs-appctl -t $run/one-vswitchd.ctl netdev-dummy/receive wire-one \
    "02000000000102000000000908004500003400000000ff11${sum}0a0000090a000001c0000ec80020000020${1}0a1800000009${2}000f4240000f424000000000"
}
answer 40 00000000
sleep 2
expect "the session with another end, after a packet with Your Discriminator 0" down "$(status one 10.0.0.9)"
disc=$(sb --bare --columns=disc find bfd dst_ip=10.0.0.9)
# Bits 80 are "init".
answer 80 "$(printf %08x "$disc")"
for _ in 1 2 3 4 5; do [ "$(status one 10.0.0.9)" = up ] && break; sleep 1; done
expect "and after one with its own discriminator" up "$(status one 10.0.0.9)"
