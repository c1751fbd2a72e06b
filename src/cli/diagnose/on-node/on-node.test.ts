// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { lookAtNode } from "./collect.ts";
import { leavesChecksums, type ProgramResult, type Run, readChecksums, readLinks, readRoutes } from "./programs.ts";
import { readTracked } from "./tracked.ts";

const LINKS = JSON.stringify([
  {
    ...{ ifname: "eth0", flags: ["BROADCAST", "UP"], mtu: 1500 },
    addr_info: [
      { local: "172.18.0.11", scope: "global" },
      { local: "fe80::1", scope: "link" },
    ],
  },
  { ifname: "ovn0", flags: ["UP"], mtu: 1400, addr_info: [{ local: "100.64.0.2", scope: "global" }] },
]);
const SNMP = `Tcp: RtoAlgorithm InSegs InErrs InCsumErrors
Tcp: 1 900 0 7
Udp: InDatagrams InCsumErrors
Udp: 90 3
Udp6InDatagrams                 \t10
Udp6InCsumErrors                \t5
`;

t.test("the output of ip, /proc/net/snmp and ethtool is parsed", async (t) => {
  t.same(readLinks(LINKS), [
    { name: "eth0", mtu: 1500, up: true, addresses: ["172.18.0.11"] },
    { name: "ovn0", mtu: 1400, up: true, addresses: ["100.64.0.2"] },
  ]);
  t.same(readLinks(""), []);
  const routes = JSON.stringify([
    { dst: "default", gateway: "172.18.0.1", dev: "eth0" },
    { dst: "10.0.0.0/8", nexthops: [{ dev: "a" }, { dev: "b" }] },
    { type: "unreachable", dst: "10.9.0.0/16" },
  ]);
  t.same(
    readRoutes(routes, 4).map(({ destination, device }) => `${destination} ${device}`),
    ["default eth0", "10.0.0.0/8 a", "10.0.0.0/8 b"],
  );
  t.same(readChecksums(SNMP), { received: 1000, wrong: 15 });
  t.same(readChecksums(""), { received: 0, wrong: 0 });
  t.ok(leavesChecksums("Features for eth0:\nrx-checksumming: off\ntx-checksumming: on\n"));
  t.notOk(leavesChecksums("tx-checksumming: off\n"));
});

t.test("translated UDP flows are read from Open vSwitch and from the kernel, each translation once", async (t) => {
  const text = `udp,orig=(src=10.16.0.2,dst=10.96.0.10,sport=4000,dport=53),reply=(src=10.16.0.9,dst=10.16.0.2,sport=5353,dport=4000),zone=7
udp,orig=(src=10.16.0.3,dst=10.96.0.10,sport=4001,dport=53),reply=(src=10.16.0.9,dst=10.16.0.3,sport=5353,dport=4001),zone=8
udp,orig=(src=10.16.0.3,dst=198.51.100.1,sport=4001,dport=53),reply=(src=198.51.100.1,dst=172.18.0.11,sport=53,dport=9),zone=8
tcp,orig=(src=10.16.0.2,dst=10.96.0.1,sport=1,dport=443),reply=(src=10.16.0.5,dst=10.16.0.2,sport=6443,dport=1),zone=7
udp      17 25 src=fd00::2 dst=fd00:10:96::a sport=4000 dport=53 [UNREPLIED] src=fd00::9 dst=fd00::2 sport=53 dport=4000 mark=0 use=1
nonsense`;
  t.same(readTracked(text), [
    { virtual: "10.96.0.10", port: 53, backend: "10.16.0.9", backendPort: 5353, count: 2 },
    { virtual: "fd00:10:96::a", port: 53, backend: "fd00::9", backendPort: 53, count: 1 },
  ]);
});

/** Answers commands by their beginning. */
function running(answers: Readonly<Record<string, Partial<ProgramResult>>>, seen: string[] = []): Run {
  return async (command) => {
    const text = command.join(" ");
    seen.push(text);
    const key = Object.keys(answers).findLast((each) => text.startsWith(each));
    return { code: 0, stdout: "", stderr: "", ...(key === undefined ? {} : answers[key]) };
  };
}

t.test("a node's view has its tunnel, its pods, echoes of both sizes, and programs that failed", async (t) => {
  const ids = [
    ...[
      ["iface-id", "web.shop"],
      ["pod_namespace", "shop"],
      ["pod_name", "web"],
    ],
    ...[
      ["pod_netns", "/run/netns/x"],
      ["if_name", "eth0"],
    ],
  ];
  const seen: string[] = [];
  const inPod = `${JSON.stringify([{ ifname: "eth0", flags: ["UP"], mtu: 1400, addr_info: [] }])}\n=\n[]\n=\n[]\n=\n${SNMP}=\ntx-checksumming: on\n`;
  const view = await lookAtNode(
    running(
      {
        "ip -j address show": { stdout: LINKS },
        "ip -j -4 route": { stdout: "[]" },
        "ip -j -6 route": { stdout: "[]" },
        "cat /proc/net/snmp": { stdout: SNMP },
        "ovs-vsctl --format=json": {
          stdout: JSON.stringify({
            data: [
              ["x_h", ["map", ids]],
              ["ovn0", ["map", []]],
            ],
          }),
        },
        "ovs-vsctl --if-exists get Bridge": { stdout: "netdev\n" },
        "ovs-vsctl --if-exists get Open_vSwitch . external_ids:ovn-encap-ip": { stdout: '"172.18.0.11"\n' },
        "ovs-vsctl --if-exists get Open_vSwitch . external_ids:ovn-encap-type": { stdout: "geneve\n" },
        "nsenter --net=/run/netns/x sh": { stdout: inPod },
        "nsenter --net=/run/netns/x ip -o": { stdout: "2: eth0    inet 10.20.0.5/24 scope global eth0\n" },
        "nsenter --net=/run/netns/x arping": { stdout: "0a:00:00:00:00:99 10.20.0.5\n" },
        "ping -n -q -c 3 -i 0.2 -W 1 -I ovn0 -M do -s 1372": { code: 1 },
        ethtool: { code: 1, stderr: "no such device" },
        arping: {},
      },
      seen,
    ),
    { peers: [{ node: "b", addresses: ["100.64.0.3"] }], probed: ["web.shop"], own: ["172.18.0.11"] },
  );
  t.match(view, {
    userspace: true,
    tunnel: { type: "geneve", link: "eth0", mtu: 1500, offload: false },
    checksums: { received: 1000, wrong: 15 },
    pods: [{ port: "web.shop", pod: "shop/web", offload: true, link: { mtu: 1400 } }],
    echoes: [{ node: "b", address: "100.64.0.3", small: true, full: false, size: 1400 }],
    duplicates: [{ address: "10.20.0.5", pod: "shop/web", mac: "0a:00:00:00:00:99" }],
    problems: ["ethtool -k eth0: no such device"],
  });
  t.ok(seen.some((command) => command.startsWith("arping -0 -r") && command.endsWith("-i eth0 172.18.0.11")));
});

t.test("a pod that has ended meanwhile is left out", async (t) => {
  const ids = [
    ["iface-id", "w.s"],
    ["pod_namespace", "s"],
    ["pod_name", "w"],
    ["pod_netns", "/gone"],
  ];
  const run = running({
    "ovs-vsctl --format=json": { stdout: JSON.stringify({ data: [["x_h", ["map", ids]]] }) },
    nsenter: { code: 1, stderr: "cannot open /gone" },
  });
  t.same((await lookAtNode(run, { peers: [], probed: [], own: [] })).pods, []);
});
