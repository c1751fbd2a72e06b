// SPDX-License-Identifier: Apache-2.0

import { execFile, execFileSync, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { promisify } from "node:util";
import t, { type Test } from "tap";
import type { NatRule, SubnetContract } from "../../contract/subnet.ts";
import { parseIp } from "../../net/address.ts";
import { hostCidr, parseCidr } from "../../net/cidr.ts";
import { DEFAULT_NODE_PORTS } from "../../net/port-range.ts";
import { openNetlink } from "../../netlink/socket.ts";
import { newNetns, noNft } from "../../netlink/testing/netns.ts";
import { type Netns, withNetns } from "../../netlink/with-netns.ts";
import { NodeEngine } from "../../node/engine.ts";
import { NetlinkKernel } from "../../node/kernel.ts";
import { VSWITCH } from "../../ovsdb/generated/vswitch.ts";
import { fakeOvsdb } from "../../ovsdb/testing/fake.ts";
import { OvsView } from "../ovs/ovs-view.ts";
import { FakeNftables } from "../testing/fake-node.ts";
import { egressRoutes, egressRules, planEgress } from "./egress.ts";
import { compileHostRules, type HostRulesInput } from "./host-rules.ts";
import { ObservedNode } from "./observed-node.ts";

const FAMILIES = ["v4", "v6"] as const;
type Family = (typeof FAMILIES)[number];

/** The address that a pod connects to: each router has it, and answers with its own name and the client's address. */
const OUTSIDE = { v4: "203.0.113.10", v6: "2001:db8:203::10" };
const POD = { v4: "10.63.0.2", v6: "fd00:63::2" };
const OTHER = { v4: "10.63.0.3", v6: "fd00:63::3" };
const NODE = { v4: "172.18.0.11", v6: "fd00:172::11" };
const ROUTER = { v4: "192.0.2.2", v6: "2001:db8:99::2" };
const SERVICE = { v4: "10.96.0.1", v6: "fd00:96::1" };
const CIDRS = [parseCidr("10.63.0.0/24")!, parseCidr("fd00:63::/112")!];

const SERVER = `
const http = require("node:http");
const [name, ...addresses] = process.argv.slice(1);
let waiting = addresses.length;
for (const address of addresses)
  http.createServer((q, a) => a.end(name + " " + q.socket.remoteAddress))
    .listen(80, address, () => --waiting === 0 && console.log("up"));`;
const CLIENT = `
const [host, localAddress] = process.argv.slice(1);
const q = require("node:http").get({ host, localAddress, timeout: 1500 }, (a) => a.pipe(process.stdout));
q.on("timeout", () => q.destroy(new Error("timeout")));
q.on("error", (error) => { console.log(error.code || error.message); });`;

function inside(path: string, command: readonly string[], input = ""): string {
  return execFileSync("nsenter", [`--net=${path}`, ...command], { encoding: "utf8", input });
}

/**
 * A node between pods (on `ovn0`), its default router (on `eth0`) and another one (on `eth1`), with the same
 * destinations behind both.
 */
async function setup(t: Test) {
  const [node, pods, first, second] = await Promise.all([newNetns(t), newNetns(t), newNetns(t), newNetns(t)]);
  // A node does not forward to a neighbour that it has yet to resolve while its own link-local address is tentative:
  // up to two seconds, longer than clients wait.
  for (const path of [node, pods, first, second])
    for (const conf of ["all", "default"]) inside(path, ["tee", `/proc/sys/net/ipv6/conf/${conf}/accept_dad`], "0");
  const ip = (path: string, text: string): string => inside(path, ["ip", ...text.split(" ")]);
  const pid = (path: string): string => path.split("/")[2] ?? "";
  const address = (path: string, link: string, ...list: string[]): void => {
    for (const text of list) ip(path, `address add ${text} dev ${link}${text.includes(":") ? " nodad" : ""}`);
    ip(path, `link set ${link} up`);
  };
  for (const [link, peer] of [
    ["ovn0", pods],
    ["eth0", first],
    ["eth1", second],
  ] as const)
    ip(node, `link add ${link} type veth peer name far netns ${pid(peer)}`);
  address(node, "ovn0", "10.63.0.1/24", "fd00:63::1/112");
  address(node, "eth0", `${NODE.v4}/24`, `${NODE.v6}/64`);
  address(node, "eth1", "192.0.2.1/24", "2001:db8:99::1/64");
  address(pods, "far", `${POD.v4}/24`, `${OTHER.v4}/24`, `${POD.v6}/112`, `${OTHER.v6}/112`);
  address(first, "far", "172.18.0.1/24", "fd00:172::1/64");
  address(second, "far", `${ROUTER.v4}/24`, `${ROUTER.v6}/64`);
  for (const router of [first, second]) address(router, "lo", `${OUTSIDE.v4}/32`, `${OUTSIDE.v6}/128`);
  for (const [path, v4, v6] of [
    [node, "172.18.0.1", "fd00:172::1"],
    [pods, "10.63.0.1", "fd00:63::1"],
    [first, NODE.v4, NODE.v6],
    [second, "192.0.2.1", "2001:db8:99::1"],
  ] as const) {
    ip(path, `route add default via ${v4}`);
    ip(path, `-6 route add default via ${v6}`);
  }
  // Strict: replies arrive by another interface than the default route.
  const settings = "echo 1 > ipv4/ip_forward; echo 1 > ipv6/conf/all/forwarding; echo 1 > ipv4/conf/eth1/rp_filter";
  inside(node, ["sh", "-c", `cd /proc/sys/net; ${settings}`]);
  for (const [name, path] of [
    ["first", first],
    ["second", second],
  ] as const) {
    const server = spawn("nsenter", [`--net=${path}`, process.execPath, "-e", SERVER, name, OUTSIDE.v4, OUTSIDE.v6], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    t.teardown(() => server.kill("SIGKILL"));
    await once(server.stdout, "data");
  }
  /** The name of the router that answers a pod, and the client's address that it saw. */
  const ask = async (from: string, to: string): Promise<string> => {
    const args = [`--net=${pods}`, process.execPath, "-e", CLIENT, to, from];
    return (await promisify(execFile)("nsenter", args)).stdout.trim();
  };
  const host = openNetlink(node);
  t.teardown(() => host.close());
  const kernel = new NetlinkKernel(host, (work: (ns: Netns) => void) => withNetns(node, work));
  const client = fakeOvsdb(VSWITCH).connect();
  t.teardown(() => client.close());
  const engine = new NodeEngine({ kernel, nft: new FakeNftables(), ovs: new OvsView(client), uuid: randomUUID });
  const rules = (more: Partial<HostRulesInput>): void => {
    const input = {
      cluster: CIDRS,
      natOutgoing: [],
      natSources: [],
      natRules: [],
      centralized: [],
      egress: false,
      sources: [],
    };
    inside(node, ["nft", "-f", "-"], compileHostRules({ ...input, nodePorts: DEFAULT_NODE_PORTS, ...more }));
  };
  const observed = new ObservedNode(kernel);
  const egress = async (gateways: readonly string[]): Promise<void> => {
    const contract: SubnetContract = {
      ...{ cidrs: CIDRS, natOutgoing: false, gatewayType: "distributed", mtu: 0 },
      egress: { gateways: gateways.map((text) => parseIp(text)!), table: 1000, priority: 1500 },
    };
    const plans = planEgress(gateways.length > 0 ? [contract] : [], observed);
    const { failures } = await engine.pass({ routes: egressRoutes(plans), rules: egressRules(plans) });
    t.same(failures, []);
  };
  return { node, ip, ask, rules, egress };
}

t.test(
  "source addresses of pods' packets outside, by packets through a node's kernel",
  { skip: noNft() },
  async (t) => {
    const { node, ip, ask, rules, egress } = await setup(t);
    const each = async (check: (family: Family) => Promise<unknown>): Promise<void> => {
      for (const family of FAMILIES) await check(family);
    };

    await t.test("natOutgoing, and the exceptions to it in their order", async (t) => {
      rules({ natOutgoing: CIDRS });
      await each(async (family) => t.equal(await ask(POD[family], OUTSIDE[family]), `first ${NODE[family]}`));
      const natRules = FAMILIES.flatMap((family): NatRule[] => {
        const of = (text: string) => [hostCidr(parseIp(text)!)];
        return [
          { action: "nat", source: of(OTHER[family]), destination: [] },
          { action: "forward", source: [], destination: of(OUTSIDE[family]) },
        ];
      });
      rules({ natOutgoing: CIDRS, natRules: [{ cidrs: CIDRS, natRules }] });
      await each(async (family) => {
        t.equal(await ask(POD[family], OUTSIDE[family]), `first ${POD[family]}`, "forward");
        t.equal(await ask(OTHER[family], OUTSIDE[family]), `first ${NODE[family]}`, "nat, which comes first");
      });
    });

    await t.test(
      "a subnet's own router gets packets to the outside, but not those that kube-proxy has translated",
      async (t) => {
        rules({ egress: true });
        await egress([ROUTER.v4, ROUTER.v6]);
        const proxy = FAMILIES.map((family) => {
          const word = family === "v4" ? "ip" : "ip6";
          return `${word} daddr ${SERVICE[family]} dnat ${word} to ${OUTSIDE[family]}`;
        });
        const chain = ["type nat hook prerouting priority dstnat;", ...proxy].join("\n");
        inside(node, ["nft", "-f", "-"], `table inet proxy {\nchain c {\n${chain}\n}\n}\n`);
        await each(async (family) => {
          t.equal(await ask(POD[family], OUTSIDE[family]), `second ${POD[family]}`, "outside");
          t.equal(await ask(POD[family], SERVICE[family]), `first ${NODE[family]}`, "a Service");
        });
        // A family without a router leaves as before.
        await egress([ROUTER.v4]);
        t.equal(await ask(POD.v4, OUTSIDE.v4), `second ${POD.v4}`);
        t.equal(await ask(POD.v6, OUTSIDE.v6), `first ${POD.v6}`);
      },
    );

    await t.test("while the router cannot be reached no packet leaves by another one", async (t) => {
      await egress([ROUTER.v4, ROUTER.v6]);
      ip(node, "link set eth1 down");
      await each(async (family) => t.match(await ask(POD[family], OUTSIDE[family]), /^E(HOSTUNREACH|NETUNREACH)$/));
      await egress([ROUTER.v4, ROUTER.v6]);
      await each(async (family) => t.match(await ask(POD[family], OUTSIDE[family]), /^E(HOSTUNREACH|NETUNREACH)$/));
      await egress([]);
      await each(async (family) => t.equal(await ask(POD[family], OUTSIDE[family]), `first ${POD[family]}`));
      t.equal(ip(node, "rule show priority 1500"), "");
      t.equal(ip(node, "route show table all").includes("table 1000"), false);
    });
  },
);
