#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A container that shares Open vSwitch's run folder, but not the PID namespace, cannot call a daemon by its name: ovs-appctl says that the pid file is stale and is being deleted.
# The daemon runs, the pid file is right, nothing is deleted, and the same call by the path of the control socket works.
#
# Guessed: the name stands for a socket in the run folder, so that sharing the folder is enough. Seen with Open vSwitch 3.5.0: the pid file is read for the socket's name, and whether
# it is stale is asked of the lock on it. The kernel names the lock's holder with PID 0 to a process that does not see it, which is taken for a third process that deletes
# the file.
. "$(dirname "$0")/ovs-sandbox.sh"
ovs_install trixie 3.5.0
ovs_start

# The daemon under its usual names.
in_root ln -s vswitchd.pid $run/ovs-vswitchd.pid
in_root ln "$run/vswitchd.ctl" "$run/ovs-vswitchd.$(cat "$root$run/vswitchd.pid").ctl"
said() { { "$@" 2>&1 || true; } | sed -E 's/^[0-9TZ:.-]+\|[0-9]+\|//; s#/run/sandbox/##g; s/pid [1-9][0-9]*/pid N/g; s/^daemon_unix.WARN.//' | head -n 2 | paste -sd ' ' | tr -s ' '; }
elsewhere() { unshare --pid --fork chroot "$root" env OVS_RUNDIR=$run "$@"; }

expect "by name, in its PID namespace" "ovs-vswitchd (Open vSwitch) 3.5.0" "$(said in_root ovs-appctl --timeout=10 -t ovs-vswitchd version)"
expect "by name, from another" "ovs-vswitchd.pid: stale pidfile for pid N being deleted by pid 0" "$(said elsewhere ovs-appctl --timeout=10 -t ovs-vswitchd version | sed "s/ ovs-appctl:.*//")"
expect "the pid file afterwards" yes "$([ -e "$root$run/vswitchd.pid" ] && echo yes)"
expect "by the socket, from another" "ovs-vswitchd (Open vSwitch) 3.5.0" "$(said elsewhere ovs-appctl --timeout=10 -t $run/vswitchd.ctl version)"
rm "$root$run/ovs-vswitchd.pid"
