#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A TCP port pair is used again while the server still has it in TIME-WAIT, and the new SYN's timestamp is older (RFC 7323 §5.3), so the server answers by the
# old connection's ACK, the client by a RST, and then by the SYN again: Linux does that within milliseconds. In the userspace conntrack of Open vSwitch the
# server's answer to the second SYN is invalid (ct_state +inv), so that a firewall drops it: the connection stalls until the client gives up.
# A client's timestamps differ by the address that it asks, so this meets one that speaks to a server by a load balancer's address and directly.
#
# Guessed: after the RST the entry is closed, and the second SYN makes a new one. Seen with Open vSwitch 3.5.0: the old ACK counts as the beginning of the server's
# half, and its sequence numbers rule; `ovs-appctl dpctl/ct-disable-tcp-seq-chk` makes the answer valid.
set -euo pipefail
suite=trixie version=3.5.0
root=$(mktemp -d) run=/run/sandbox
trap 'for pid in "$root$run"/*.pid; do if [ -e "$pid" ]; then kill "$(cat "$pid")" || true; fi; done; rm -rf "$root" "$root.log"' EXIT
command -v debootstrap >/dev/null || { echo "install debootstrap first" >&2; exit 2; }
echo "installing Open vSwitch from Debian $suite in a temporary folder (two minutes)"
unshare --mount --propagation private debootstrap --variant=minbase --include=openvswitch-switch,python3-minimal "$suite" "$root" >"$root.log" 2>&1 ||
  { tail -n 5 "$root.log" >&2; exit 2; }
mkdir -p "$root$run"
in_root() { chroot "$root" env OVS_RUNDIR=$run OVS_LOGDIR=$run "$@"; }
said=$(in_root ovs-vswitchd --version | head -n 1)
[ "$said" = "ovs-vswitchd (Open vSwitch) $version" ] || { echo "Debian $suite has $said now; this was seen with $version" >&2; exit 2; }
echo "version: $said"

in_root ovsdb-tool create $run/conf.db /usr/share/openvswitch/vswitch.ovsschema
in_root ovsdb-server --detach --no-chdir -vconsole:off --pidfile=$run/db.pid --unixctl=$run/db.ctl --remote=punix:$run/db.sock $run/conf.db
vsctl() { in_root ovs-vsctl --db=unix:$run/db.sock --no-wait "$@"; }
app() { in_root ovs-appctl -t $run/vswitchd.ctl "$@"; }
vsctl init
# A datapath without devices: packets are given to it by ovs-appctl.
in_root ovs-vswitchd --detach --no-chdir -vconsole:off --enable-dummy=override --disable-system --pidfile=$run/vswitchd.pid --unixctl=$run/vswitchd.ctl unix:$run/db.sock
vsctl add-br br0 -- set bridge br0 datapath_type=dummy fail_mode=secure -- add-port br0 client -- set interface client type=dummy ofport_request=1 \
  -- add-port br0 server -- set interface server type=dummy ofport_request=2
for _ in $(seq 50); do if in_root ovs-ofctl dump-ports br0 2>/dev/null | grep -q 'port  *server'; then break; fi; sleep 0.1; done

begin() { # Each time in a zone of its own.
  in_root ovs-ofctl del-flows br0
  printf '%s\n' \
    "table=0,ip,actions=ct(zone=$1,table=1)" \
    "table=1,ct_state=+trk+new,tcp,in_port=1,actions=ct(commit,zone=$1),2" \
    "table=1,ct_state=+trk+est,tcp,in_port=1,actions=2" \
    "table=1,ct_state=+trk+est,tcp,in_port=2,actions=1" \
    "table=1,priority=40000,ct_state=+trk+inv,tcp,in_port=2,tcp_flags=+syn+ack,actions=drop" | in_root ovs-ofctl add-flows br0 -
}
packet() { # FROM FLAGS SEQUENCE ACKNOWLEDGEMENT
  local hex
  hex=$(in_root python3 - "$@" <<'P'
import struct, sys
source, flags, seq, ack = sys.argv[1], int(sys.argv[2], 16), int(sys.argv[3]), int(sys.argv[4])
def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16: total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff
client, server = (bytes([10, 0, 0, 1]), 40000), (bytes([10, 0, 0, 2]), 80)
(a, p), (b, q) = (client, server) if source == "client" else (server, client)
tcp = struct.pack("!HHIIBBHHH", p, q, seq, ack, 5 << 4, flags, 65535, 0, 0)
tcp = tcp[:16] + struct.pack("!H", checksum(a + b + struct.pack("!BBH", 0, 6, 20) + tcp)) + tcp[18:]
ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, 0, 0x4000, 64, 6, 0, a, b)
ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
macs = [bytes([2, 0, 0, 0, 0, n]) for n in (1, 2)]
print(((macs[1] + macs[0] if source == "client" else macs[0] + macs[1]) + b"\x08\x00" + ip + tcp).hex())
P
  )
  app netdev-dummy/receive "$1" "$hex"
}
SYN=02 SYNACK=12 ACK=10 FINACK=11 RST=04
# A connection that the server closes first, and its port pair used again, with the answer of a socket in TIME-WAIT before the real one.
reuse() {
  packet client $SYN 1000 0; packet server $SYNACK 5000 1001; packet client $ACK 1001 5001
  packet server $FINACK 5001 1001; packet client $ACK 1001 5002; packet client $FINACK 1001 5002; packet server $ACK 5002 1002
  packet client $SYN 900000 0; packet server $ACK 5002 1002; packet client $RST 1002 0
  packet client $SYN 900000 0; packet server $SYNACK 777000000 900001
  sleep 1
}
invalid() { in_root ovs-ofctl dump-flows br0 | sed -n 's/.*n_packets=\([0-9]*\),.*priority=40000.*/\1/p'; }
expect() { if [ "$2" = "$3" ]; then echo "as seen before: $1: $3"; else echo "CHANGED: $1: was $2, is $3" >&2; exit 1; fi; }

begin 1; reuse
expect "answers to the second SYN that are invalid" 1 "$(invalid)"
app dpctl/ct-disable-tcp-seq-chk >/dev/null
begin 2; reuse
expect "the same without sequence checks" 0 "$(invalid)"
