#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# One entry of `DHCP_Options.options` that ovn-controller does not know (or whose value it cannot read) ends DHCP for all ports that use the row.
#
# Guessed: an unknown option is left out of the answers, as a DHCP server does with a line that it does not understand, and northd or ovn-nbctl warns.
# Seen with OVN 26.03.1: northd writes all options into one action of each port; ovn-controller does not parse that action, so the port's flow is not
# installed and requests get no answer. northd logs nothing; ovn-controller has one warning with the action. Without the option DHCP is back at once.
. "$(dirname "$0")/ovn-sandbox.sh"
ovn_install sid 26.03.1
ovn_start
ovn_start_chassis

two_switches
options=$(nb create DHCP_Options cidr=10.0.0.0/24 options:lease_time=3600 options:server_id=10.0.0.1 options:server_mac=\"02:00:00:00:00:01\" options:mtu=1400)
nb lsp-set-dhcpv4-options p1 "$options"
vsctl add-port br-int p1 -- set interface p1 type=dummy external_ids:iface-id=p1
nb --wait=hv sync

# Flows that answer a request (OpenFlow's userdata begins with the number of put_dhcp_opts, 2), and ovn-controller's warnings about actions.
answers() { in_root ovs-ofctl -O OpenFlow15 dump-flows br-int | grep -c 'userdata=00.00.00.02' || true; }
warnings() { grep -c 'error parsing actions' "$root$run/controller.log" || true; }
expect "flows that answer, with options it knows" 1 "$(answers)"

nb --wait=hv set DHCP_Options "$options" options:time_zone=5
expect "flows that answer, with one that it does not know" 0 "$(answers)"
expect "warnings of ovn-northd" 0 "$(northd_log | grep -c WARN || true)"
expect "ovn-controller warns" yes "$([ "$(warnings)" -gt 0 ] && echo yes || echo no)"

nb --wait=hv remove DHCP_Options "$options" options time_zone
expect "flows that answer, without it" 1 "$(answers)"
