#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# ovs-vswitchd with a userspace datapath, and a database server that ends and is started again, as in an upgrade.
#
# Guessed: it forwards as before, by the flows that it has: the database is its configuration. Seen with Open vSwitch 3.5.0: without its lock in the database, which ends
# with the connection, `bridge_run` (vswitchd/bridge.c) returns before it runs any bridge, and without PMD threads that is what forwards packets. They wait, as many as there is room
# for, until a new server has granted the lock: a second at least (RECONNECT_DEFAULT_MIN_BACKOFF in lib/reconnect.h). The kernel's datapath forwards what it has flows for.
. "$(dirname "$0")/ovs-sandbox.sh"
ovs_install trixie 3.5.0
ovs_start

vsctl add-br br0 -- set bridge br0 datapath_type=dummy fail_mode=secure -- add-port br0 p1 -- set interface p1 type=dummy ofport_request=1 \
  -- add-port br0 p2 -- set interface p2 type=dummy ofport_request=2
in_root ovs-ofctl add-flow br0 in_port=1,actions=2
# IPv4 and UDP from p1. `ovs-ofctl dump-ports` would wait for the bridge, which stands still.
send() { app netdev-dummy/receive p1 02000000000202000000000108004500001c00000000401166cf0a0000010a0000020001000200080000; }
forwarded() { app dpctl/show -s dummy@ovs-dummy | sed -n '/port [0-9]*: p2 /,$ s/.*TX packets:\([0-9]*\).*/\1/p' | head -n 1; }
are_forwarded() { [ "$(forwarded)" = "$1" ]; }

send
wait_until are_forwarded 1
expect "packets forwarded with a database" 1 "$(forwarded)"

kill "$(cat "$root$run/db.pid")"
is_gone() { ! [ -e "$root$run/db.pid" ]; }
wait_until is_gone
sleep 1
send
sleep 3
expect "more in three seconds after its server has ended" 0 "$(($(forwarded) - 1))"

ovs_start_database
wait_until are_forwarded 2
expect "more when there is a server again" 1 "$(($(forwarded) - 1))"
