#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Two keys of `Load_Balancer.vips` that spell one IPv6 address differently make two logical flows with one match and one priority, and different
# backends: which of them counts is open (ovn-sb(5), Logical_Flow `priority`).
#
# Guessed: northd, which reads the address and writes it into the flows in its own spelling, notices that it has it already and takes one, with a
# warning. Seen with OVN 26.03: both flows, no warning.
. "$(dirname "$0")/ovn-sandbox.sh"
ovn_install sid 26.03.1
ovn_start

two_switches
nb -- --id=@l create Load_Balancer name=twice protocol=tcp 'vips:"[fd00:0:0::1]:80"="[fd00::5]:80"' 'vips:"[fd00::1]:80"="[fd00::6]:80"' \
  -- add Logical_Switch a load_balancer @l >/dev/null
nb --wait=sb sync

flows() { sb lflow-list a | grep 'ls_in_lb ' | grep 'ip6.dst == fd00::1 ' || true; }
expect "flows of the VIP" 2 "$(flows | grep -c . || true)"
expect "different matches with their priorities among them" 1 "$(flows | sed 's/.*\(priority=[0-9]*\) *, match=(\([^)]*\)).*/\1 \2/' | sort -u | grep -c . || true)"
expect "different actions among them" 2 "$(flows | sed 's/.*action=//' | sort -u | grep -c . || true)"
expect "warnings" 0 "$(northd_log | grep -c WARN || true)"
