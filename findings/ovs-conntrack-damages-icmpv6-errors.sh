#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# An ICMPv6 error about a connection that the userspace conntrack of Open vSwitch translates arrives damaged: for UDP it has another MTU, for TCP through a translated destination the packet in
# it has another source address. So neither finds the connection a smaller path MTU, nor is a client of a load balancer told that a TCP packet could not be delivered.
#
# Guessed: the outer addresses are translated, the packet inside, and the checksum of the error, as for IPv4 (and that is right there). Seen with Open vSwitch 3.5.0 (and 4.0.0): with the outer addresses it updates
# the checksum that UDP or TCP, the protocol of the connection, would have there (`nat_packet` and `nat_packet_ipv6` in lib/conntrack.c), but it is an ICMPv6 header: in the place of UDP's checksum is the lower half of the MTU, and in that of
# TCP's the first bytes of the inner source address.
. "$(dirname "$0")/ovs-sandbox.sh"
ovs_install trixie 3.5.0 python3-minimal
ovs_start

# A client fd00::1, what it sends outside as 2001:db8::1, and a load balancer fd96::1 with the server fd00::2; the same in IPv4.
vsctl add-br br0 -- set bridge br0 datapath_type=dummy fail_mode=secure \
  -- add-port br0 client -- set interface client type=dummy ofport_request=1 options:pcap=$run/client.pcap \
  -- add-port br0 other -- set interface other type=dummy ofport_request=2 options:pcap=$run/other.pcap
printf '%s\n' "table=0,ip,actions=ct(zone=1,nat,table=1)" "table=0,ipv6,actions=ct(zone=1,nat,table=1)" \
  "table=1,priority=3,ct_state=+new-rel,ip,in_port=1,nw_dst=10.96.0.1,actions=ct(commit,zone=1,nat(dst=10.0.0.2),table=2)" \
  "table=1,priority=3,ct_state=+new-rel,ipv6,in_port=1,ipv6_dst=fd96::1,actions=ct(commit,zone=1,nat(dst=fd00::2),table=2)" \
  "table=1,priority=2,ct_state=+new-rel,ip,in_port=1,actions=ct(commit,zone=1,nat(src=192.0.2.1),table=2)" \
  "table=1,priority=2,ct_state=+new-rel,ipv6,in_port=1,actions=ct(commit,zone=1,nat(src=2001:db8::1),table=2)" \
  "table=1,priority=1,actions=resubmit(,2)" "table=2,in_port=1,actions=2" "table=2,in_port=2,actions=1" | in_root ovs-ofctl add-flows br0 -

cp "$(dirname "$0")/packets.py" "$root$run/"
cat >"$root$run/error.py" <<'P'
import socket, struct, sys
from packets import frame, last, tcp_syn, udp

what, source, destination = sys.argv[1:4]
v6, folder = ":" in source, "/run/sandbox/"
if what == "udp": print(frame(source, destination, 17, udp(53), 6))
if what == "tcp": print(frame(source, destination, 6, tcp_syn(80), 16))
if what == "too-big": # About the last packet: its path has an MTU of 1400.
    print(frame(source, destination, 58 if v6 else 1, struct.pack("!BBHI", *((2, 0) if v6 else (3, 4)), 0, 1400) + last(folder + "other.pcap"), 2))
if what == "read": # The MTU of the error that has arrived, and the addresses of the packet in it.
    error = last(folder + "client.pcap")[40 if v6 else 20:]
    inner = error[8:]
    family, a, b = (socket.AF_INET6, inner[8:24], inner[24:40]) if v6 else (socket.AF_INET, inner[12:16], inner[16:20])
    print(struct.unpack("!I", error[4:8])[0], socket.inet_ntop(family, a), socket.inet_ntop(family, b))
P
packet() { in_root python3 $run/error.py "$@"; }
# UDP or TCP to an address, and the error that comes back from a router for what has been sent: MTU, source and destination.
told() { # PROTOCOL CLIENT DESTINATION ROUTER TRANSLATED
  app netdev-dummy/receive client "$(packet "$1" "$2" "$3")" >/dev/null
  sleep 0.5
  app netdev-dummy/receive other "$(packet too-big "$4" "$5")" >/dev/null
  sleep 0.5
  packet read "$2" "$3"
}
for protocol in udp tcp; do
  expect "IPv4, $protocol, translated source" "1400 10.0.0.1 198.51.100.1" "$(told $protocol 10.0.0.1 198.51.100.1 203.0.113.9 192.0.2.1)"
  expect "IPv4, $protocol, translated destination" "1400 10.0.0.1 10.96.0.1" "$(told $protocol 10.0.0.1 10.96.0.1 203.0.113.9 10.0.0.1)"
done
expect "IPv6, udp, translated source" "13872 fd00::1 2001:db8:1::1" "$(told udp fd00::1 2001:db8:1::1 2001:db8:3::9 2001:db8::1)"
expect "IPv6, udp, translated destination" "13733 fd00::1 fd96::1" "$(told udp fd00::1 fd96::1 2001:db8:3::9 fd00::1)"
expect "IPv6, tcp, translated source" "1400 fd00::1 2001:db8:1::1" "$(told tcp fd00::1 2001:db8:1::1 2001:db8:3::9 2001:db8::1)"
expect "IPv6, tcp, translated destination" "1400 2d2e::1 fd96::1" "$(told tcp fd00::1 fd96::1 2001:db8:3::9 fd00::1)"
