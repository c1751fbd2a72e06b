#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A Logical_Router_Port with a /31: what its neighbour sends is dropped if the neighbour has the higher of the two addresses.
#
# Guessed: a /31 has no broadcast address (RFC 3021 §2.2), so either end may have either address. Seen with OVN 25.03 and 26.03: northd takes
# the higher one for the network's broadcast address and drops what comes from it (`lr_in_ip_input`). With the router at the higher address
# and the neighbour at the lower one all goes through; nothing is logged in either case.
. "$(dirname "$0")/ovn-sandbox.sh"
ovn_install sid 26.03.1
ovn_start

# A router with two /31s, at the lower address of one and at the higher of the other, and the way out to a third network.
nb lr-add r -- lrp-add r r-low 02:00:00:00:00:01 10.0.0.0/31 -- lrp-add r r-high 02:00:00:00:00:02 10.0.1.1/31 -- lrp-add r r-far 02:00:00:00:00:03 10.0.2.1/24
for s in low high far; do
  nb ls-add $s -- lsp-add $s $s-r -- lsp-set-type $s-r router -- lsp-set-addresses $s-r router -- lsp-set-options $s-r router-port=r-$s
done
nb lsp-add low p-low -- lsp-set-addresses p-low "02:00:00:00:01:01 10.0.0.1"
nb lsp-add high p-high -- lsp-set-addresses p-high "02:00:00:00:01:02 10.0.1.0"
nb lsp-add far p-far -- lsp-set-addresses p-far "02:00:00:00:01:03 10.0.2.3"
nb --wait=sb sync

reached() { # SWITCH PORT SOURCE MAC ROUTER_MAC
  trace --minimal "$1" "inport==\"$2\" && eth.src==$4 && eth.dst==$5 && ip4.src==$3 && ip4.dst==10.0.2.3 && ip.ttl==64 && udp" | grep -c 'output("p-far")' || true
}
expect "packets through, sent by the lower address" 1 "$(reached high p-high 10.0.1.0 02:00:00:00:01:02 02:00:00:00:00:02)"
expect "packets through, sent by the higher address" 0 "$(reached low p-low 10.0.0.1 02:00:00:00:01:01 02:00:00:00:00:01)"
