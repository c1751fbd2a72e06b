#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# OVN's DHCPNAK has no server identifier, so clients that insist on one ignore it: dhcpcd, as Debian configures it (`require dhcp_server_identifier` in /etc/dhcpcd.conf). A client that starts with the lease of another address,
# such as a virtual machine whose address has changed, does not ask for a new one at once, but when its time for the old one is over (dhcpcd: after five seconds, `reboot` in dhcpcd.conf(5)).
#
# Guessed: RFC 2131 §4.3.1, table 3: a DHCPNAK has the server identifier (MUST), and it is broadcast if no relay is in between (§4.3.2). Seen with OVN 26.03.1: it has the option that says NAK and no other, and
# its destination is the port's own address, which the client does not have yet (`pinctrl_handle_put_dhcp_opts` in pinctrl.c, also in 25.03 and in the main branch of August 2026). A DHCPACK has the identifier.
. "$(dirname "$0")/ovn-sandbox.sh"
ovn_install sid 26.03.1
ovn_start
ovn_start_chassis

nb dhcp-options-create 10.0.0.0/24
options=$(nb dhcp-options-list | cut -d ' ' -f 1)
nb dhcp-options-set-options "$options" server_id=10.0.0.1 server_mac=02:00:00:00:00:fe lease_time=3600 router=10.0.0.1
nb ls-add s -- lsp-add s vm -- lsp-set-addresses vm "02:00:00:00:01:01 10.0.0.11" -- lsp-set-dhcpv4-options vm "$options"
vsctl add-port br-int vm -- set interface vm type=dummy external_ids:iface-id=vm options:pcap=$run/vm.pcap
nb --timeout=30 wait-until logical_switch_port vm up=true
nb --timeout=30 --wait=hv sync

# A DHCPREQUEST (option 53: 3) for an address (option 50), as a client sends it that starts with a lease (RFC 2131 §4.3.2, INIT-REBOOT).
request() {
  local dhcp ip udp length
  # Operation, hardware, hops and transaction; seconds to the relay's address; the client's; names; cookie and options.
  dhcp=010106000000000${1}$(printf %040d 0)02000000010100000000000000000000$(printf %0384d 0)638253633501033204${2}ff
  length=$((8 + ${#dhcp} / 2))
  udp=00440043$(printf %04x $length)
  ip=4500$(printf %04x $((20 + length)))000000004011
  in_root ovs-appctl -t $run/vswitchd.ctl netdev-dummy/receive vm "ffffffffffff0200000001010800$ip$(checksum "${ip}000000000000ffffffff")00000000ffffffff$udp$(
    checksum "00000000ffffffff0011$(printf %04x $length)${udp}0000$dhcp")$dhcp"
}
# The answer to the request with a number: its destination, and its options but padding: code=value.
answer() {
  local bytes options=() code length
  for _ in $(seq 50); do
    bytes=$(od -An -v -tx1 "$root$run/vm.pcap" | tr -d ' \n')
    [[ $bytes =~ 0a000001([0-9a-f]{8})00430044[0-9a-f]{8}020106000000000$1[0-9a-f]{456}63825363(.*) ]] && break
    sleep 0.1
  done
  bytes=${BASH_REMATCH[2]}
  while [ "${bytes:0:2}" != ff ]; do
    code=$((16#${bytes:0:2})) length=$((2 * 16#${bytes:2:2}))
    if [ $code = 0 ]; then bytes=${bytes:2}; else options+=("$code=${bytes:4:length}") bytes=${bytes:4 + length}; fi
  done
  printf '%s %s\n' "${BASH_REMATCH[1]}" "${options[*]}"
}
request 1 0a00000b
# 54: the server identifier.
expect "the answer to a request for the port's address: destination and options" "0a00000b 53=05 51=00000e10 1=ffffff00 3=0a000001 54=0a000001" "$(answer 1)"
request 2 0a000063
expect "and to one for another address" "0a00000b 53=06" "$(answer 2)"
