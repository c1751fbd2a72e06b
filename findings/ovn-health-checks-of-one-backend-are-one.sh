#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# If two load balancers check the same backend, its address, port and protocol, then OVN checks it once, with the interval, timeout, counts and source address of one of the two: the settings of the other have no effect, and
# nothing says so.
#
# Guessed: each load balancer's settings decide about its own backends, or the stricter ones. Seen with OVN 26.03.1: northd finds a Service_Monitor by port, address and protocol alone (`create_or_get_service_mon`) and writes the
# settings of each load balancer to it in turn; the last one stays, whichever that is.
. "$(dirname "$0")/ovn-sandbox.sh"
ovn_install sid 26.03.1
ovn_start

two_switches
balancer() { # NAME VIP SOURCE INTERVAL FAILURES
  nb lb-add $1 $2:80 10.0.0.11:8080 tcp -- ls-lb-add b $1 -- set load_balancer $1 ip_port_mappings:10.0.0.11=p1:$3 \
    -- --id=@check create load_balancer_health_check vip="\"$2:80\"" options:interval=$4 options:failure_count=$5 -- add load_balancer $1 health_check @check >/dev/null
}
balancer patient 10.96.0.1 10.0.0.250 60 9
nb --wait=sb sync
monitors() { sb --bare --columns=src_ip,options list service_monitor | paste -sd ' '; }
expect "the check of the one load balancer's backend" "10.0.0.250 failure_count=9 interval=60" "$(monitors)"
balancer quick 10.96.0.2 10.0.0.251 2 1
nb --wait=sb sync
expect "how often both are checked" 1 "$(sb --bare --columns=_uuid list service_monitor | grep -c .)"
case $(monitors) in
  "10.0.0.250 failure_count=9 interval=60" | "10.0.0.251 failure_count=1 interval=2") echo "as seen before: with the settings of one: $(monitors)" ;;
  *) echo "CHANGED: the settings are $(monitors)" >&2; exit 1 ;;
esac
