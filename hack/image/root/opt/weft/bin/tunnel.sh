# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The interface that tunnels use. Sourced by start-ovs.
#
# The kernel's datapath sends tunnels through the kernel's own stack: the interface stays unchanged. A userspace datapath
# does its own encapsulation and needs the tunnel's address on one of its bridges (OVS's userspace-tunneling documentation): br-phy holds
# the interface as its port, and the interface's addresses and routes. br-phy exists as long as ovs-vswitchd runs, so the moved addresses are also in a
# file, and are restored when OVS stops.

tunnel_bridge=br-phy
tunnel_state=/etc/openvswitch/weft-tunnel

# Words of the lines of the state file that start with KEY: interface, address, route4, route6.
saved() { # KEY
  if [ -e $tunnel_state ]; then sed -n "s/^$1 //p" $tunnel_state; fi
}

addresses_of() { # INTERFACE [4|6]
  ip -json ${2:+-$2} address show dev "$1" scope global 2>/dev/null |
    jq -r '.[].addr_info[]? | select(.local and .temporary != true and .deprecated != true) | "\(.local)/\(.prefixlen)"'
}

# Routes of the main table over INTERFACE that the kernel does not create with its addresses.
routes_of() { # INTERFACE 4|6
  ip "-$2" route show table main dev "$1" | sed -E '/proto kernel/d; s/ (expires [0-9]+sec|linkdown|dead)//g'
}

family_of() { case $1 in *:*) echo 6 ;; *) echo 4 ;; esac; }

# The device with the addresses of INTERFACE: that of its bridge to a network outside (ProviderNetwork), where weft-daemon has moved them there.
uplink_device() { # INTERFACE
  local bridge
  bridge=$(ovs-vsctl --no-wait iface-to-br "$1" 2>/dev/null) || bridge=
  if [ -n "$bridge" ] && [ -e "/sys/class/net/$bridge" ] &&
    [ -n "$(ovs-vsctl --no-wait --if-exists get Bridge "$bridge" external_ids:weft-uplink)" ]; then
    echo "$bridge"
  else echo "$1"; fi
}

# The interface that tunnels use: the first of TUNNEL_INTERFACE that exists, else the one with the node's address.
tunnel_interface() {
  local name
  if [ -n "${TUNNEL_INTERFACE:-}" ]; then
    for name in ${TUNNEL_INTERFACE//,/ }; do
      if [ -e "/sys/class/net/$name" ]; then
        uplink_device "$name"
        return
      fi
    done
    fail "this node has none of the tunnel interfaces $TUNNEL_INTERFACE"
  fi
  name=$(ip -json address show to "$NODE_IP" | jq -r '.[].ifname // empty' | head -n 1)
  # Moved by an earlier run, and perhaps gone with its ovs-vswitchd.
  if [ "$name" = $tunnel_bridge ] || { [ -z "$name" ] && saved address | grep -qF "$NODE_IP/"; }; then name=$(saved interface); fi
  [ -n "$name" ] || fail "no interface has the node's address $NODE_IP"
  echo "$name"
}

# The tunnels' address: the node's own if the interface has it, else the interface's first one of the same family.
tunnel_address() { # INTERFACE
  local list family
  family=$(family_of "$NODE_IP")
  list=$(addresses_of "$1" "$family")
  if [ -z "$list" ] && [ "$(saved interface)" = "$1" ]; then
    list=$(saved address | if [ "$family" = 6 ]; then grep :; else grep -v :; fi || true)
  fi
  if grep -qF "$NODE_IP/" <<<"$list"; then
    echo "$NODE_IP"
  else
    list=${list%%$'\n'*}
    [ -n "$list" ] || fail "the tunnel interface $1 has no IPv$family address"
    echo "${list%/*}"
  fi
}

# The kernel still receives every packet of the interface, beside OVS, and would answer for the bridge's address
# ("port unreachable" for each tunnel packet). OVS reads them before this drop.
hide_from_kernel() { # INTERFACE
  nft -f - <<NFT
add table netdev weft-tunnel
delete table netdev weft-tunnel
table netdev weft-tunnel {
  chain ingress {
    type filter hook ingress device "$1" priority 0; policy drop;
  }
}
NFT
}

show_to_kernel() { nft delete table netdev weft-tunnel 2>/dev/null || true; }

# Puts addresses and routes from the state file onto a device.
put_addresses() { # DEVICE
  local address family route
  for address in $(saved address); do
    family=$(family_of "$address")
    # Duplicate address detection would find the address on the other device, the interface or the bridge.
    if [ "$family" = 6 ]; then ip address replace "$address" dev "$1" nodad; else ip address replace "$address" dev "$1"; fi
  done
  for family in 4 6; do
    saved "route$family" | while read -r route; do
      # shellcheck disable=SC2086
      ip "-$family" route replace $route dev "$1" || log "cannot move the route $route to $1"
    done
  done
}

# Datapath in userspace: makes INTERFACE a port of br-phy and moves its addresses there. The interface's present addresses are
# used (the machine's own configuration after a reboot); if it has none, an earlier run moved them and the state file is used.
take_interface() { # INTERFACE
  local interface=$1 before mac
  before=$(saved interface)
  if [ -n "$before" ] && [ "$before" != "$interface" ]; then
    release_interface
  fi
  if [ -n "$(addresses_of "$interface")" ]; then
    {
      echo "interface $interface"
      addresses_of "$interface" | sed 's/^/address /'
      routes_of "$interface" 4 | sed 's/^/route4 /'
      routes_of "$interface" 6 | sed 's/^/route6 /'
    } >$tunnel_state.new
    mv $tunnel_state.new $tunnel_state
  fi
  mac=$(cat "/sys/class/net/$interface/address")
  # Without --no-wait: returns when ovs-vswitchd has made the bridge's device.
  ovs-vsctl --timeout=60 --may-exist add-br $tunnel_bridge \
    -- set Bridge $tunnel_bridge datapath_type=netdev fail_mode=standalone other-config:hwaddr="\"$mac\"" external_ids:weft=tunnel \
    -- --may-exist add-port $tunnel_bridge "$interface" \
    -- set Interface $tunnel_bridge mtu_request="$(cat "/sys/class/net/$interface/mtu")"
  # Packets of the kernel arrive here without their checksum, which no hardware will compute.
  ethtool -K $tunnel_bridge tx off >/dev/null || log "cannot turn off checksum offload of $tunnel_bridge"
  ethtool -K "$interface" tx off >/dev/null || log "cannot turn off checksum offload of $interface"
  hide_from_kernel "$interface"
  ip link set "$interface" up
  ip link set $tunnel_bridge up
  ip address flush dev "$interface" scope global
  put_addresses $tunnel_bridge
}

# Moves the addresses back, while br-phy may be there or gone; the bridge itself stays in the database for the next start.
give_interface_back() {
  local interface
  interface=$(saved interface)
  if [ -z "$interface" ] || [ ! -e "/sys/class/net/$interface" ]; then return 0; fi
  show_to_kernel
  if [ -e /sys/class/net/$tunnel_bridge ]; then ip address flush dev $tunnel_bridge scope global; fi
  put_addresses "$interface"
}

# For a node whose tunnels use the kernel, or another interface: removes an earlier br-phy.
release_interface() {
  give_interface_back
  ovs-vsctl --timeout=60 --if-exists del-br $tunnel_bridge
  rm -f $tunnel_state
}
