#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `--syslog-method` of Open vSwitch's daemons (ovsdb-server(8), ovs-vswitchd(8)), in a container without /etc/resolv.conf.
#
# Guessed: messages from before the options are read go elsewhere, and all later ones where the option says. Seen with Open vSwitch 3.5.0: the daemon warns of the missing
# file before it reads its options, with that message the default method is chosen, and the option has no effect and no error (vlog_set_syslog_method in lib/vlog.c keeps the
# first). The environment variable OVS_SYSLOG_METHOD works in both cases.
. "$(dirname "$0")/ovs-sandbox.sh"
ovs_install trixie 3.5.0 python3-minimal
in_root ovsdb-tool create $run/conf.db /usr/share/openvswitch/vswitch.ovsschema 2>/dev/null

# The messages that a server which ends at once sends to a socket of ours.
messages() { # ENVIRONMENT [OPTION]
  in_root python3 - $run/log.sock env $1 ovsdb-server ${2-} -vconsole:off -vsyslog:dbg --unixctl=$run/once.ctl --remote=punix:$run/once.sock --run=/bin/true $run/conf.db <<'P'
import os, socket, subprocess, sys
log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
log.bind(sys.argv[1])
subprocess.run(sys.argv[2:], check=True)
log.setblocking(False)
text = b""
try:
    while True: text += log.recv(65536) + b"\n"
except BlockingIOError: pass
os.remove(sys.argv[1])
print(text.count(b"starting subprocess"))
P
}
method=unix:$run/log.sock
echo 'nameserver 192.0.2.1' >"$root/etc/resolv.conf"
expect "its message of the subprocess there, with the option" 1 "$(messages A= --syslog-method=$method)"
rm "$root/etc/resolv.conf"
expect "the same without /etc/resolv.conf" 0 "$(messages A= --syslog-method=$method)"
expect "the same with the environment variable instead" 1 "$(messages OVS_SYSLOG_METHOD=$method)"
