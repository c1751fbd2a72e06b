#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# If chassis have several tunnel addresses, for example in two networks, then multicast, broadcast, and what goes to the target of a live migration take any of the tunnels between two chassis: from an address
# in the one network to an address in the other, too. Where these have no route to each other, or source addresses are filtered, such packets are lost, to some chassis and not to others.
#
# Guessed: `ovn-encap-ip-default` is for all packets that have no port with an `encap-ip` of its own, and the target of a migration has that of its interface (`Port_Binding.additional_encap`). Seen with OVN
# 26.03.1: the default is for ports alone; multicast takes the first tunnel to the chassis in a hash table (`tunnel_to_chassis` in physical.c), and for a port's additional chassis ovn-controller looks for an encap of its own chassis
# among these, finds none, and also takes the first (`get_remote_tunnels`).
. "$(dirname "$0")/ovn-sandbox.sh"
ovn_install sid 26.03.1
ovn_start
ovn_start_chassis

# This chassis and eight others, each with an address in 192.0.2.0/24, the default, and one in 198.51.100.0/24, and with a port. A ninth port moves to each of them, to an interface with the second address.
vsctl set open . external_ids:ovn-encap-ip=192.0.2.1,198.51.100.1 external_ids:ovn-encap-ip-default=192.0.2.1
nb ls-add s -- lsp-add s p -- lsp-set-addresses p "02:00:00:00:01:01 10.0.0.11"
vsctl add-port br-int p -- set interface p type=dummy external_ids:iface-id=p
for i in 11 12 13 14 15 16 17 18; do
  nb lsp-add s q$i -- lsp-set-addresses q$i "02:00:00:00:02:$i 10.0.0.1$i" -- lsp-add s m$i -- lsp-set-addresses m$i "02:00:00:00:03:$i 10.0.0.2$i"
  sb --id=@d create encap type=geneve ip=192.0.2.$i chassis_name=c$i options:is_default=true -- --id=@e create encap type=geneve ip=198.51.100.$i chassis_name=c$i \
    -- --id=@c create chassis name=c$i encaps=@d,@e >/dev/null
done
nb --timeout=30 wait-until logical_switch_port p up=true
nb --timeout=30 --wait=sb sync
uuid() { sb --bare --columns=_uuid find "$@"; }
here=$(uuid chassis name=chassis)
for i in 11 12 13 14 15 16 17 18; do
  chassis=$(uuid chassis name=c$i)
  sb set port_binding q$i chassis=$chassis encap="$(uuid encap ip=192.0.2.$i)" -- set port_binding m$i chassis=$here additional_chassis=$chassis additional_encap="$(uuid encap ip=198.51.100.$i)"
done
nb --timeout=30 --wait=hv sync

# "local>remote", the first number of each, for each flow of table REMOTE_OUTPUT that has a destination in $1; those from the default address (reg13=0) if the flow depends on it.
pairs() {
  local port
  in_root ovs-ofctl dump-flows br-int | grep -E "$1" | grep -v 'reg13=0x10000/' | grep -oE 'output:[0-9]+' | while IFS=: read -r _ port; do
    vsctl --bare --columns=options find interface ofport=$port | sed -nE 's/.*local_ip=([0-9]+)\..*remote_ip=([0-9]+)\..*/\1>\2/p'
  done
}
key() { sb --bare --columns=tunnel_key find port_binding logical_port=$1; }
those() { for i in 11 12 13 14 15 16 17 18; do printf 'reg15=0x%x,metadata|' "$(key $1$i)"; done | sed 's/|$//'; }
only() { sort -u | paste -sd ' '; }
expect "packets to the ports: from the default address to the port's" "192>192" "$(pairs "$(those q)" | only)"
# 0x8000: _MC_flood.
multicast=$(pairs 'reg15=0x8000,metadata')
expect "tunnels for multicast, one for each chassis" 8 "$(wc -l <<<"$multicast")"
expect "only between the default addresses" no "$([ "$(only <<<"$multicast")" = "192>192" ] && echo yes || echo no)"
moving=$(pairs "$(those m)")
expect "tunnels to the targets of migrations" 8 "$(wc -l <<<"$moving")"
expect "only to their interfaces' address" no "$([ "$(only <<<"$moving")" = "192>198" ] && echo yes || echo no)"
echo "multicast: $(paste -sd ' ' <<<"$multicast"); targets of migrations: $(paste -sd ' ' <<<"$moving")"
