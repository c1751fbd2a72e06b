#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `pidwait -F FILE` waits for the process whose id is in FILE. A script whose daemon removes its pid file before it ends passes the id by a pipe: `pidwait -F <(echo "$pid")`.
#
# Guessed: a pipe is read like a file, as by most programs. Seen with procps-ng 4.0.4: pidwait opens it, reads nothing, says "pidfile not valid" and returns 1, which is also what it returns
# when there is no such process. A script that takes 1 for "has ended already" never waits. pgrep and pkill, the same program, do the same.
. "$(dirname "$0")/ovs-sandbox.sh"
ovs_install trixie 3.5.0 procps
with_proc() { unshare --mount --propagation private bash -c 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"' "$root" "$@"; }
said=$(with_proc pidwait --version)
echo "version: $said"
expect "version" "pidwait from procps-ng 4.0.4" "$said"

sleep 60 &
running=$!
trap 'kill $running; ovs_end' EXIT
# The status of a program that is ended after a second is 124 (timeout(1)).
status() { local code=0; with_proc timeout 1 "$@" >"$root/out" 2>&1 || code=$?; echo $code; }
echo $running >"$root/pid"
expect "status of pidwait that waits for a pid in a regular file" 124 "$(status pidwait -F /pid)"
mkfifo "$root/fifo"
exec 3<>"$root/fifo"
echo $running >&3
expect "status of pidwait with the same pid in a pipe" 1 "$(status pidwait -F /fifo)"
expect "what it says" "pidwait: pidfile not valid" "$(head -n 1 "$root/out")"
expect "status of pgrep with the pid in a pipe" 1 "$(status pgrep -F /fifo)"
