#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `ovs-ofctl monitor BRIDGE watch:` prints the flows of a bridge and then each change to them. A script waits for a flow by reading it.
#
# Guessed: all events are printed to the standard output. Seen with Open vSwitch 3.5.0: the flows that are there are, and the later ones go
# to the standard error, where a pipe does not see them: the script waits for ever. The heading of both is the same, and so is `event=ADDED`.
. "$(dirname "$0")/ovs-sandbox.sh"
ovs_install trixie 3.5.0
ovs_start

vsctl add-br br0 -- set bridge br0 datapath_type=dummy fail_mode=secure
in_root ovs-ofctl add-flow br0 table=1,actions=drop
in_root timeout 20 ovs-ofctl monitor br0 watch: >"$root/out" 2>"$root/err" &
both() { cat "$root/out" "$root/err"; }
seen() { both | grep -q "$1"; }
wait_until seen table=1
in_root ovs-ofctl add-flow br0 table=2,actions=drop
wait_until seen table=2
kill $! && wait $! || true

tail -n +1 "$root/out" "$root/err" | sed "s|$root/||"
expect "the flow that was there, in the standard output" 1 "$(grep -c 'event=ADDED table=1' "$root/out" || true)"
expect "the flow that was added, in the standard output" 0 "$(grep -c table=2 "$root/out" || true)"
expect "the flow that was added, in the standard error" 1 "$(grep -c 'event=ADDED table=2' "$root/err" || true)"
