// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { parseIp } from "../net/address.ts";
import { forgetUdpFlows } from "./conntrack.ts";
import { NETLINK_NETFILTER } from "./route-fd.ts";
import { openNetlink } from "./socket.ts";
import { newNetns, noKernel, runIn } from "./testing/netns.ts";

const RULES = `table inet test {
  chain output {
    type nat hook output priority -100;
    ip daddr 192.0.2.1 udp dport 53 dnat ip to 127.0.0.1:5300
    ip daddr 192.0.2.2 udp dport 53 dnat ip to 127.0.0.1:5301
    ip6 daddr 2001:db8::1 udp dport 53 dnat ip6 to [::1]:5300
  }
}`;

t.test(
  "the conntrack entries of UDP flows to one endpoint are deleted, and no others",
  { skip: noKernel() },
  async (t) => {
    const path = await newNetns(t);
    runIn(path, "ip", "link", "set", "lo", "up");
    runIn(path, "ip", "route", "add", "192.0.2.0/24", "dev", "lo");
    runIn(path, "ip", "-6", "route", "add", "2001:db8::/64", "dev", "lo");
    runIn(path, "nft", RULES);
    for (const address of ["192.0.2.1", "192.0.2.2", "2001:db8::1"])
      runIn(path, "bash", "-c", `echo hello > /dev/udp/${address}/53`);
    const flows = (): number =>
      runIn(path, "cat", "/proc/net/nf_conntrack")
        .split("\n")
        .filter((line) => line.includes("udp")).length;
    t.equal(flows(), 3);
    using socket = openNetlink(path, NETLINK_NETFILTER);
    t.equal(forgetUdpFlows(socket, parseIp("127.0.0.1")!, 5300), 1);
    t.equal(flows(), 2);
    t.equal(forgetUdpFlows(socket, parseIp("::1")!, 5300), 1);
    t.equal(flows(), 1);
    t.equal(forgetUdpFlows(socket, parseIp("127.0.0.1")!, 5300), 0, "there is nothing more");
  },
);
