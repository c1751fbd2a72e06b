#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `ovsdb-client backup` into a file of a disk on which the last bytes have no space, and ovsdb-server with that file.
#
# Guessed: the backup fails, with a message and an exit code other than 0, and a server refuses the file. Seen with Open vSwitch 3.5.0: it says nothing and exits with 0, because what is
# left in the buffer of standard output is written when the program exits, and that is not checked. A server accepts the file: it serves what comes before the record that is cut off, and
# a backup has all rows in one record, so there are none.
. "$(dirname "$0")/ovs-sandbox.sh"
ovs_install trixie 3.5.0
ovs_start

for i in $(seq 1 60); do vsctl --no-wait add-br "br$i"; done
backup() { in_root ovsdb-client --timeout=10 backup unix:$run/db.sock Open_vSwitch; }
size=$(backup | wc -c)
expect "bytes of the backup beyond whole pages of 4,096" yes "$([ $((size % 4096)) -gt 0 ] && echo yes)"

disk=$(mktemp -d)
trap 'umount "$disk" 2>/dev/null; rmdir "$disk"; ovs_end' EXIT
mount -t tmpfs -o size=$((size / 4096 * 4096)) disk "$disk"
code=0
said=$(backup 2>&1 >"$disk/backup.db") || code=$?
expect "exit code with a disk that lacks less than a page" 0 $code
expect "what it says" "" "$said"
expect "all of it is there" no "$([ "$(stat -c %s "$disk/backup.db")" = "$size" ] && echo yes || echo no)"

rows() { in_root ovsdb-client --timeout=10 dump unix:$run/$1.sock Open_vSwitch Bridge name --format=csv --no-headings | grep -c ^br || true; }
serve() { in_root ovsdb-server --detach --no-chdir -vconsole:off -vsyslog:off --pidfile=$run/$1.pid --unixctl=$run/$1.ctl --remote=punix:$run/$1.sock $run/$1-backup.db; }
backup >"$root$run/whole-backup.db"
cp "$disk/backup.db" "$root$run/cut-backup.db"
for name in whole cut; do serve $name; done
expect "bridges of a server with the whole backup" 60 "$(rows whole)"
expect "bridges of a server with the other one" 0 "$(rows cut)"
