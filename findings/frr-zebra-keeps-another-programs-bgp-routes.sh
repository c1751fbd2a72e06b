#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Another BGP program's routes in the kernel (`proto bgp`, number 186 of /etc/iproute2/rt_protos, which GoBGP's and other programs' users have too) when FRR's zebra
# starts, without bgpd and without any configuration.
#
# Guessed: zebra shows them as kernel routes (`K`), as it does those with `proto bird`, or sweeps them as left over by an earlier run. Seen with FRR 10.3: it takes them for
# routes of its own BGP (`B>*`), although no bgpd runs, and installs each once more with metric 20: beside the other program's, or before it where that has a
# higher metric. When the other program withdraws its route, zebra's copy stays, and packets go on to a next hop that nothing announces any more.
# So a node on which FRR may run is no place for a second program that writes `proto bgp` routes; one that only announces (as Weft's speaker) is not concerned.
set -euo pipefail
suite=trixie version=10.3-3+deb13u1
root=$(mktemp -d)
trap 'rm -rf "$root" "$root.log"' EXIT
command -v debootstrap >/dev/null || { echo "install debootstrap first" >&2; exit 2; }
echo "installing FRR from Debian $suite in a temporary folder (two minutes)"
unshare --mount --propagation private debootstrap --variant=minbase --include=iproute2,ca-certificates "$suite" "$root" >"$root.log" 2>&1 ||
  { tail -n 5 "$root.log" >&2; exit 2; }
chmod 755 "$root"
# The host's way to Debian's packages; no service starts.
cp /etc/resolv.conf "$root/etc/"
cp /etc/apt/apt.conf.d/* "$root/etc/apt/apt.conf.d/"
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod +x "$root/usr/sbin/policy-rc.d"
{ chroot "$root" apt-get update && DEBIAN_FRONTEND=noninteractive chroot "$root" apt-get install -y --no-install-recommends frr; } >"$root.log" 2>&1 ||
  { tail -n 5 "$root.log" >&2; exit 2; }
said=$(chroot "$root" dpkg-query -W -f='${Version}' frr)
[ "$said" = "$version" ] || { echo "Debian $suite has frr $said now; this was seen with $version" >&2; exit 2; }
echo "version: frr $said"

# In a network namespace of its own.
unshare --net --mount --pid --fork --kill-child --propagation private bash -euo pipefail -s "$root" <<'INSIDE'
root=$1
expect() { if [ "$2" = "$3" ]; then echo "as seen before: $1: $3"; else echo "CHANGED: $1: was $2, is $3" >&2; exit 1; fi; }
# Routes to a prefix: "protocol metric", the preferred one first.
routes() { ip -4 route show "$1" | awk '{ p = m = ""; for (i = 1; i < NF; i++) { if ($i == "proto") p = $(i + 1); if ($i == "metric") m = $(i + 1) } print p " " (m == "" ? 0 : m) }' | sort -k2n | paste -sd, -; }
mount -t proc proc "$root/proc"
ip link set lo up
ip link add e0 type veth peer name e1
ip addr add 192.0.2.1/24 dev e0
ip link set e0 up
ip link set e1 up
ip route add 203.0.113.0/24 via 192.0.2.2 proto bgp
ip route add 203.0.114.0/24 via 192.0.2.2 proto bgp metric 50
ip route add 198.51.100.0/24 via 192.0.2.2 proto bird
mkdir -p "$root/run/frr"
chroot "$root" chown frr:frr /run/frr
show() { chroot "$root" vtysh -c 'show ip route' 2>/dev/null | awk -v p="$1" '$2 == p { print $1 }'; }
for daemon in mgmtd zebra; do chroot "$root" "/usr/lib/frr/$daemon" -d 2>/dev/null; done
for _ in $(seq 100); do if [ "$(show 203.0.114.0/24)" ] && [ "$(routes 203.0.114.0/24)" != "bgp 50" ]; then break; fi; sleep 0.1; done
expect "bgpd runs" no "$(if [ -e "$root/run/frr/bgpd.pid" ]; then echo yes; else echo no; fi)"
expect "zebra's view of a route with proto bird" "K>*" "$(show 198.51.100.0/24)"
expect "zebra's view of a route with proto bgp" "B>*" "$(show 203.0.113.0/24)"
expect "routes in the kernel to the first prefix" "bgp 0,bgp 20" "$(routes 203.0.113.0/24)"
expect "routes in the kernel to the second prefix" "bgp 20,bgp 50" "$(routes 203.0.114.0/24)"
ip route del 203.0.113.0/24 via 192.0.2.2 proto bgp metric 0
sleep 1
expect "routes in the kernel after the other program has withdrawn its own" "bgp 20" "$(routes 203.0.113.0/24)"
INSIDE
