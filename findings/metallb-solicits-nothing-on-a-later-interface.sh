#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# MetalLB in layer 2 mode announces an address of each family, and then an interface appears on its node: a VLAN, a bond, or a bridge that a NIC is moved into.
#
# Guessed: it looks for new interfaces every ten seconds and creates an ARP responder and an NDP responder on each, so clients there reach the addresses of both
# families. Seen with MetalLB 0.15.3: the IPv4 address is answered for, the IPv6 address is not. The NDP responder of a new interface
# joins the solicited-node groups only of addresses that are announced afterwards (internal/layer2/announcer.go, updateInterfaces and SetBalancer), so no
# solicitation reaches it. The log says that the responder was created.
# Needs root and Go 1.25; it works in network namespaces of its own.
set -euo pipefail
version=v0.15.3
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"
source=$(go mod download -json "go.universe.tf/metallb@$version" | sed -n 's/^\t"Dir": "\(.*\)",*$/\1/p')
echo "version: MetalLB $version"
# The announcer is an internal package, so the program is built inside the module.
cp -r "$source"/{go.mod,go.sum,internal} .
chmod -R u+w .
mkdir announce
cat >announce/main.go <<'GO'
package main

import (
	"bufio"
	"net"
	"os"

	"github.com/go-kit/log"
	"go.universe.tf/metallb/internal/layer2"
)

// Announces two addresses on all interfaces, and again for each line of its input.
func main() {
	announcer, err := layer2.New(log.NewLogfmtLogger(os.Stdout), nil)
	if err != nil {
		panic(err)
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		for _, ip := range []string{"192.0.2.7", "2001:db8::7"} {
			announcer.SetBalancer("default/web", layer2.NewIPAdvertisement(net.ParseIP(ip), true, nil))
		}
	}
}
GO
CGO_ENABLED=0 go build -mod=mod -o announcer ./announce

unshare --net bash -euo pipefail -s "$folder" <<'INSIDE'
cd "$1"
expect() { if [ "$2" = "$3" ]; then echo "as seen before: $1: $3"; else echo "CHANGED: $1: was $2, is $3" >&2; exit 1; fi; }
wait_for() { for _ in $(seq 600); do if grep -q "interface=$1 .*event=createNDPResponder\|event=createNDPResponder.*interface=$1" log 2>/dev/null; then return; fi; sleep 0.1; done; cat log >&2; exit 1; }
quiet() { sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.default.router_solicitations=0; }
# A wire from this namespace (the node) to a client in a namespace of its own: interface, PID of the client's namespace.
wire() {
  ip link add "$1" type veth peer name eth0 netns "$2"
  ip link set "$1" up
  nsenter -t "$2" -n sh -c 'ip addr add 192.0.2.1/24 dev eth0; ip addr add 2001:db8::1/64 dev eth0; ip link set lo up; ip link set eth0 up'
}
client() { unshare --net sleep infinity & clients+=($!); sleep 0.3; nsenter -t "${clients[-1]}" -n sysctl -qw net.ipv6.conf.default.accept_dad=0; }
# Whether a neighbour says that it has the address: what the client's kernel knows after it has tried.
asked() {
  nsenter -t "$1" -n bash -c "timeout 4 bash -c '>/dev/tcp/$2/9' 2>/dev/null; ip neigh show to $2 | grep -q lladdr && echo answered || echo 'no answer'"
}
clients=()
quiet
client
client
trap 'kill "${clients[@]}" $announcer 2>/dev/null || true' EXIT
wire first "${clients[0]}"
mkfifo input
./announcer <input >log 2>&1 &
announcer=$!
exec 3>input
wait_for first
echo >&3
expect "IPv4, on the interface that was there" answered "$(asked "${clients[0]}" 192.0.2.7)"
expect "IPv6, on the interface that was there" answered "$(asked "${clients[0]}" 2001:db8::7)"
wire second "${clients[1]}"
wait_for second
# Its announcements for no one to have asked for (gratuitous ones) have ended.
sleep 6
nsenter -t "${clients[1]}" -n ip neigh flush all
expect "IPv4, on the interface that came later" answered "$(asked "${clients[1]}" 192.0.2.7)"
expect "IPv6, on the interface that came later" "no answer" "$(asked "${clients[1]}" 2001:db8::7)"
INSIDE
