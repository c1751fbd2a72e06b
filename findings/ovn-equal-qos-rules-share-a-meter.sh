#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Two logical switches have each a QoS row with the same priority, match, rate and burst. On a chassis both have one OpenFlow meter, so the
# switches share the rate that each was given.
#
# Guessed: a row of the table QoS is a limit of its own, as it belongs to one switch. Seen with OVN 26.03: northd merges the two equal flows into one
# logical flow for both switches (a datapath group), and ovn-controller makes one meter for a logical flow. With a burst that differs
# by one, or with a port of the switch in the match, each has a meter. ovn-nb(5) says nothing of it.
. "$(dirname "$0")/ovn-sandbox.sh"
ovn_install sid 26.03.1
ovn_start
ovn_start_chassis

nb ls-add a -- ls-add b
for s in a b; do
  nb lsp-add $s p-$s
  vsctl add-port br-int v-$s -- set Interface v-$s type=dummy external_ids:iface-id=p-$s
done
meters() { in_root ovs-ofctl -O OpenFlow15 dump-meters unix:$run/br-int.mgmt | grep -c '^meter=' || true; }
limited() { # BURST_A MATCH_A BURST_B MATCH_B
  nb qos-del a -- qos-del b -- qos-add a to-lport 100 "$2" rate=10000 burst="$1" -- qos-add b to-lport 100 "$4" rate=10000 burst="$3"
  nb --wait=hv sync
}
limited 100 'ip4.src == 192.0.2.0/24' 100 'ip4.src == 192.0.2.0/24'
expect "meters of two switches with equal QoS rows" 1 "$(meters)"
limited 100 'ip4.src == 192.0.2.0/24' 101 'ip4.src == 192.0.2.0/24'
expect "meters of two switches with bursts that differ" 2 "$(meters)"
limited 100 'outport == "p-a"' 100 'outport == "p-b"'
expect "meters of two ports" 2 "$(meters)"
