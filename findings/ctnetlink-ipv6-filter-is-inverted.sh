#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A listing of conntrack that asks the kernel for the flows of one IPv6 address gives all but these.
#
# Guessed: CTA_FILTER (Linux 5.8) compares IPv6 addresses as it compares IPv4 addresses. Seen with Linux 6.18: of two flows, to 2001:db8::1 and to 2001:db8::2, the one
# that was not asked for is listed. (ctnetlink_filter_match_tuple in net/netfilter/nf_conntrack_netlink.c negates ipv6_addr_cmp, which is 0 for equal
# addresses.) Needs root, nft and python3; it works in a network namespace of its own.
set -euo pipefail
uname -r
listed=$(unshare --net bash -c '
ip link set lo up
ip address add 192.0.2.1/32 dev lo; ip address add 192.0.2.2/32 dev lo
ip -6 address add 2001:db8::1/128 dev lo nodad; ip -6 address add 2001:db8::2/128 dev lo nodad
printf "table inet t {\n chain c {\n type filter hook output priority 0\n ct state new accept\n }\n}\n" | nft -f -
for address in 192.0.2.1 192.0.2.2 2001:db8::1 2001:db8::2; do echo > /dev/udp/$address/53; done 2>/dev/null
exec python3 -
' <<'PYTHON'
import socket, struct
NESTED = 0x8000
def attribute(kind, value):
    return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)
def listing(family, kind, source):
    # CTA_TUPLE_ORIG { CTA_TUPLE_IP { destination } }, CTA_FILTER { CTA_FILTER_ORIG_FLAGS: the destination, CTA_FILTER_REPLY_FLAGS: nothing }
    tuple_ = attribute(1 | NESTED, attribute(1 | NESTED, attribute(kind, source)))
    filter_ = attribute(25 | NESTED, attribute(1, struct.pack("=I", 1 << 1)) + attribute(2, struct.pack("=I", 0)))
    body = struct.pack("=BBH", family, 0, 0) + tuple_ + filter_
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12) as kernel:
        kernel.bind((0, 0))
        kernel.send(struct.pack("=IHHII", 16 + len(body), 1 << 8 | 1, 0x301, 1, 0) + body)
        return kernel.recv(65536)
for family, kind in ((socket.AF_INET, 2), (socket.AF_INET6, 4)):
    names = ("192.0.2.1", "192.0.2.2") if family == socket.AF_INET else ("2001:db8::1", "2001:db8::2")
    one, two = (socket.inet_pton(family, name) for name in names)
    answer = listing(family, kind, one)
    print(f"asked for {names[0]}:", *(name for name, raw in zip(names, (one, two)) if raw in answer))
PYTHON
)
echo "$listed"
[ "$listed" = $'asked for 192.0.2.1: 192.0.2.1\nasked for 2001:db8::1: 2001:db8::2' ] || { echo "the behaviour has changed" >&2; exit 1; }
