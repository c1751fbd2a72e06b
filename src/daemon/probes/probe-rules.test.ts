// SPDX-License-Identifier: Apache-2.0

import { execFileSync, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import t, { type Test } from "tap";
import { PROBE_MAC, PROBE_NETWORK } from "../../api/names.ts";
import { parseIp } from "../../net/address.ts";
import { openNetlink } from "../../netlink/socket.ts";
import { newNetns, noKernel, runIn } from "../../netlink/testing/netns.ts";
import { type Netns, withNetns } from "../../netlink/with-netns.ts";
import { NodeEngine } from "../../node/engine.ts";
import { NetlinkKernel } from "../../node/kernel.ts";
import { PROBE_OWNER } from "../../node/marks.ts";
import { NO_OVS } from "../../node/testing/no-ovs.ts";
import { FakeNftables } from "../testing/fake-node.ts";
import { compileProbeRules } from "./probe-rules.ts";
import { probeLinkName, probeState } from "./probe-state.ts";

const skip = noKernel();

const target = (address: string, port: number) => ({ ip: parseIp(address)!, port });
/** Both VPCs have a pod with the address; the ports differ. */
const VPCS = [
  { vpc: "a", slot: 1, targets: [target("10.16.0.9", 8080), target("fd00:10:16::9", 8080)] },
  { vpc: "b", slot: 2, targets: [target("10.16.0.9", 8081), target("fd00:10:16::9", 8081)] },
].map((vpc) => ({ ...vpc, link: probeLinkName(vpc.vpc) }));

t.test("nft accepts the rules, and they are the same for the same VPCs", async (t) => {
  const script = compileProbeRules(VPCS);
  t.match(script, `10.16.0.9 . 8080 : goto to-1, 10.16.0.9 . 8081 : goto to-2`);
  t.match(script, "meta mark set meta mark and 0x80ffffff or 0x02000000");
  t.notMatch(compileProbeRules([{ link: "probe0", slot: 99, targets: [target("10.16.0.9", 1)] }]), "ip6 daddr");
});

/** Serves a text on TCP ports of a namespace, followed by the client's address. */
async function serve(t: Test, netns: string, text: string, ports: readonly number[]): Promise<void> {
  const script = `for (const port of ${JSON.stringify(ports)}) require("node:net").createServer((socket) =>
    socket.end(${JSON.stringify(`${text} `)} + socket.remoteAddress)).listen(port, "::", () => console.log(port));`;
  const child = spawn("nsenter", [`--net=${netns}`, process.execPath, "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.teardown(() => child.kill("SIGKILL"));
  await once(child.stdout, "data");
}

/** A server's answer; "" if none is reached in time. */
function ask(netns: string, address: string, port: number, waitMs = 10_000): string {
  const script = `const socket = require("node:net").connect(${port}, ${JSON.stringify(address)});
    socket.setTimeout(${waitMs}, () => process.exit()).on("error", () => process.exit()).on("data", (text) => console.log(String(text)));`;
  return execFileSync("nsenter", [`--net=${netns}`, process.execPath, "-e", script], { encoding: "utf8" }).trim();
}

t.test("the node reaches each VPC's pod by address and port, and no pod reaches the node", { skip }, async (t) => {
  const node = await newNetns(t);
  const ip = (...args: string[]): string => runIn(node, "ip", ...args);
  ip("link", "set", "lo", "up");
  ip("link", "add", "eth0", "type", "veth", "peer", "name", "far");
  for (const link of ["eth0", "far"]) ip("link", "set", link, "up");
  ip("address", "add", "172.18.0.11/24", "dev", "eth0");
  ip("address", "add", "fd00:172:18::11/64", "dev", "eth0", "nodad");
  ip("route", "add", "default", "via", "172.18.0.1");
  // The strictest check of sources that distributions set.
  runIn(node, "sysctl", "-w", "net.ipv4.conf.all.rp_filter=1");
  ip("-6", "route", "add", "default", "via", "fd00:172:18::1");
  const insides: string[] = [];
  for (const { vpc, link } of VPCS) {
    // The namespace that stands for OVN: a router with its network, a pod's address behind it, and the node's MAC.
    const inside = await newNetns(t);
    const at = (...args: string[]): string => runIn(inside, "ip", ...args);
    const peer = `peer-${vpc}`;
    ip("link", "add", link, "address", PROBE_MAC, "type", "veth", "peer", "name", peer);
    execFileSync("nsenter", [`--net=${node}`, "ip", "link", "set", peer, "netns", inside.split("/")[2] ?? ""]);
    at("link", "set", "lo", "up");
    at("link", "set", peer, "up");
    for (const [key, prefix] of [
      ["v4", 30],
      ["v6", 126],
    ] as const) {
      const { router, node: own } = PROBE_NETWORK[key];
      at("address", "add", `${router}/${prefix}`, "dev", peer, ...(key === "v6" ? ["nodad"] : []));
      at("neigh", "replace", own, "lladdr", PROBE_MAC, "dev", peer);
    }
    at("address", "add", "10.16.0.9/32", "dev", "lo");
    at("address", "add", "fd00:10:16::9/128", "dev", "lo");
    at("route", "add", "default", "via", PROBE_NETWORK.v4.node);
    await serve(t, inside, vpc, [8080, 8081]);
    insides.push(inside);
  }
  const host = openNetlink(node);
  t.teardown(() => host.close());
  const kernel = new NetlinkKernel(host, (work: (ns: Netns) => void) => withNetns(node, work));
  const engine = new NodeEngine({
    kernel,
    nft: new FakeNftables(),
    ovs: NO_OVS,
    uuid: randomUUID,
    owner: PROBE_OWNER,
  });
  const state = probeState(VPCS, { mtu: 1400, userspace: false });
  t.same((await engine.pass(state)).failures, []);
  const repeated = await engine.pass(state);
  t.same([repeated.failures, repeated.repairs], [[], []], "the second pass finds nothing to do");
  const [table] = state.tables ?? [];
  execFileSync("nsenter", [`--net=${node}`, "nft", "-f", "-"], { input: table?.script ?? "" });
  await serve(t, node, "node", [10250]);

  for (const [address, source] of [
    ["10.16.0.9", `::ffff:${PROBE_NETWORK.v4.node}`],
    ["fd00:10:16::9", PROBE_NETWORK.v6.node],
  ] as const) {
    t.equal(ask(node, address, 8080), `a ${source}`, `${address} port 8080 is the pod of VPC a`);
    t.equal(ask(node, address, 8081), `b ${source}`, `${address} port 8081 is the pod of VPC b`);
    t.equal(ask(node, address, 8082, 400), "", "other ports are not served there");
  }
  for (const inside of insides) {
    t.equal(
      ask(inside, PROBE_NETWORK.v4.node, 10250, 400),
      "",
      "the node's address in the VPC does not reach the node",
    );
    t.equal(ask(inside, "172.18.0.11", 10250, 400), "", "nor does its own address");
    t.equal(ask(inside, PROBE_NETWORK.v6.node, 10250, 400), "");
  }
  t.match(runIn(node, "nft", "list", "chain", "inet", "weft/probes", "replies"), /counter packets [1-9]/);

  const removed = await engine.pass(probeState([], { mtu: 1400, userspace: false }));
  t.same(removed.failures, []);
  t.notMatch(ip("rule"), "870:");
  t.equal(ip("route", "show", "table", "8701").trim(), "");
});
