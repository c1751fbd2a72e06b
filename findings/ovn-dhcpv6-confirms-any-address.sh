#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A DHCPv6 client that starts with the lease of another network asks whether its address is right here (Confirm). OVN does not say no. A client that goes by the RFC keeps the address, and since OVN's leases never
# end, it asks in the same way at every start: a virtual machine that is in another subnet than its disk was before has no address of that subnet.
#
# Guessed: the server answers with the status NotOnLink, and the client solicits an address (RFC 8415 §18.3.3). Seen with OVN 26.03.1 (also in the main branch of August 2026): the answer is that to a Request, an IA_NA with the port's
# address and no status (`pinctrl_handle_put_dhcpv6_opts` in pinctrl.c does not read the addresses of a message). Without a status it means Success, for the addresses that the client asked about (§18.2.10.3).
. "$(dirname "$0")/ovn-sandbox.sh"
ovn_install sid 26.03.1
ovn_start
ovn_start_chassis

dhcpv6_client dns_server=fd00:a::53
client=0001000a00030001020000000101
address() { printf '00050018%s0000000000000000' "$1"; }
# A Confirm (type 4) with a Client Identifier (1), the time that has elapsed (8), and an IA_NA (3) with an address (5).
confirm() { dhcpv6 "04$2${client}0008000200000003002800000001ffffffffffffffff$(address "$1")" | tail -n 1; }
# The answer's type (7: Reply), its transaction, and its options but the Client Identifier: codes, and the address.
said() {
  local answer options=() code length
  read -r answer
  printf '%s %s' "${answer:0:2}" "${answer:2:6}"
  answer=${answer:8}
  while [ -n "$answer" ]; do
    code=$((16#${answer:0:4})) length=$((2 * 16#${answer:4:4}))
    if [ $code = 3 ]; then options+=("3:${answer:40:32}"); elif [ $code != 1 ]; then options+=("$code"); fi
    answer=${answer:8 + length}
  done
  printf ' %s\n' "${options[*]}"
}
own=fd00000a000000000000000000000011 other=fd00000b000000000000000000000099
expect "the answer to a Confirm of the port's own address" "07 000001 3:$own 23 2" "$(confirm $own 000001 | said)"
# Without option 13, the status.
expect "and of one in fd00:b::/64, where the port is not" "07 000002 3:$own 23 2" "$(confirm $other 000002 | said)"
