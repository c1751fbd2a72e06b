#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Multus' `default-route` of a network selection leaves the default route that a pod has already as it is, and says nothing.
#
# Guessed: Multus looks for routes without a destination, deletes these of eth0, and adds its own; netlink 1.3 for Go lists a default route with the destination
# 0.0.0.0/0 or ::/0, so none is found, and the new one is in the way of the old (EEXIST), which is ignored. Seen with Multus 4.2.3 (4.2.1 had netlink 1.1): neither call has an
# error, and the default route is still that of eth0. See https://github.com/k8snetworkplumbingwg/multus-cni/pull/1552. Needs root and Go 1.24; it works in a network
# namespace of its own.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
printf 'module finding\n\ngo 1.24\n\nrequire gopkg.in/k8snetworkplumbingwg/multus-cni.v4 v4.2.3\n' >go.mod
cat >main.go <<'GO'
package main

import (
	"fmt"
	"net"

	"gopkg.in/k8snetworkplumbingwg/multus-cni.v4/pkg/netutils"
)

func main() {
	// As CmdAdd does for eth0, whose default route is to go, and for net1, which asks for it.
	fmt.Println("delete:", netutils.DeleteDefaultGW("/proc/self/ns/net", "eth0"))
	fmt.Println("set:", netutils.SetDefaultGW("/proc/self/ns/net", "net1", []net.IP{net.ParseIP("192.0.2.1")}))
}
GO
CGO_ENABLED=0 go build -mod=mod -o finding .
seen=$(unshare --net sh -c '
ip link add eth0 type veth peer name peer0; ip link add net1 type veth peer name peer1
for name in eth0 net1 peer0 peer1; do ip link set $name up; done
ip address add 198.51.100.2/24 dev eth0; ip address add 192.0.2.2/24 dev net1
ip route add default via 198.51.100.1
./finding
ip route show default
')
echo "$seen"
[ "$(sed 's/ *$//' <<<"$seen")" = $'delete: <nil>\nset: <nil>\ndefault via 198.51.100.1 dev eth0' ] || { echo "the behaviour has changed" >&2; exit 1; }
