// SPDX-License-Identifier: Apache-2.0

import type { Test } from "tap";
import { runInImage } from "./shell.ts";

/**
 * The common part of the scenarios: a node with two interfaces, and the image's entry points started and stopped as
 * kubelet does.
 */
const NODE = `
ip link add eth0 type veth peer name eth0-out; ip link set eth0 up; ip link set eth0-out up
ip link add eth1 type veth peer name eth1-out; ip link set eth1 up; ip link set eth1-out up
ip address add 172.18.0.11/24 dev eth0; ip address add 172.19.0.11/24 dev eth1; ip address add fd00:19::11/64 dev eth1 nodad
ip route add 10.99.0.0/16 via 172.19.0.1; ip -6 route add fd99::/64 via fd00:19::1
export NODE_NAME=n1 NODE_IP=172.18.0.11 TUNNEL_INTERFACE=eth1 DATAPATH=userspace
export OVN_SB_SERVICE_HOST=127.0.0.1 OVN_SB_SERVICE_PORT=6642 OVN_NB_SERVICE_HOST=::1 OVN_NB_SERVICE_PORT=6641
start() { /opt/weft/bin/$1 > >(exec cat >>/tmp/$1.log) 2>&1 & main=$!; }
stop() { kill -TERM $main; wait $main; echo "ended with $?"; }
# A log is printed with a delay.
says() { until_true 10 grep -q "$2" /tmp/$1.log && echo "said: $2"; }
pid() { cat /run/$1.pid; }
`;

/** Runs a script as on a node and returns its output. */
export function scenario(t: Test, script: string): Promise<string> {
  return runInImage(t, `${NODE}\n${script}`);
}
