// SPDX-License-Identifier: Apache-2.0

import t, { type Test } from "tap";
import { addressOf, EXTERNAL, OUTSIDE } from "../../../hack/lab/topology.ts";
import { until } from "../../../hack/lab/wait.ts";
import { heldConnection } from "../../../hack/traffic/held.ts";
import { podNetns } from "../../../hack/traffic/pods.ts";
import { type Exec, http, ping, urlHost } from "../../../hack/traffic/probe.ts";
import { PODS, SUBNETS } from "../../../src/kube/resources.ts";
import type { Thing } from "../testing/objects.ts";
import {
  addressesOf,
  idlePod,
  inNode,
  inPod,
  remove,
  run,
  scaleController,
  standingPods,
  useNamespace,
  webPod,
} from "../testing/pods.ts";
import { judged, useSubnet } from "../testing/subnets.ts";
import { type EventThing, openWorld, type World, whyNoLab } from "../testing/world.ts";

const NAMESPACE = "weft-ways-out";
const FAMILIES = ["v4", "v6"] as const;

t.setTimeout(540_000);

let world: World;

function within(subnet: string, more: Record<string, string> = {}): Record<string, string> {
  return { "ovn.kubernetes.io/logical_switch": subnet, ...more };
}

/** The address of a pod in one family. */
function addressIn(pod: Thing, family: "v4" | "v6"): string {
  return addressesOf(pod)[family === "v4" ? 0 : 1];
}

/** The source address of a pod that the external host sees; "" if that cannot be reached. */
async function seenAs(from: Exec, family: "v4" | "v6"): Promise<string> {
  const { ok, detail } = await http(from, `http://${urlHost(EXTERNAL[family])}/`);
  return ok ? detail.trim() : "";
}

async function leavesAs(t: Test, from: Exec, family: "v4" | "v6", address: string, why: string): Promise<void> {
  await until(`${why}: outside sees ${address}`, 20_000, async () => (await seenAs(from, family)) === address);
  t.equal(await seenAs(from, family), address, `${why}, ${family}`);
}

/** The external network routes these ranges to a node. */
async function routeBack(t: Test, ranges: string, node: string): Promise<void> {
  const ext = inNode(world, OUTSIDE);
  for (const range of ranges.split(",")) {
    const [ip, via] = range.includes(":") ? ["-6", addressOf(node).v6] : ["-4", addressOf(node).v4];
    await ext(["ip", ip, "route", "replace", range, "via", via]);
    t.teardown(async () => void (await ext(["ip", ip, "route", "delete", range])));
  }
}

function patchSubnet(name: string, spec: object): Promise<unknown> {
  return world.kube.patch(SUBNETS, { name }, { type: "merge", body: { spec } });
}

t.test("ways out of the cluster", { skip: whyNoLab(), timeout: 540_000 }, async (whole) => {
  const t = whole;
  world = await openWorld(t);
  const [first = "", second = ""] = world.lab.nodes;
  const standing = await standingPods(world);
  const namespace = await useNamespace(t, world, NAMESPACE);

  for (const gatewayType of ["distributed", "centralized"] as const) {
    await t.test(`natOutgoingPolicyRules of a ${gatewayType} subnet: the first that matches decides`, async (t) => {
      const name = `weft-nat-${gatewayType}`;
      const [cidr, own] =
        gatewayType === "distributed"
          ? ["10.72.0.0/24,fd00:10:72::/112", first]
          : ["10.73.0.0/24,fd00:10:73::/112", second];
      const centralized = gatewayType === "centralized" ? { gatewayType, gatewayNode: second } : {};
      await useSubnet(whole, world, name, { cidrBlock: cidr, natOutgoing: true, ...centralized });
      await judged(world, name);
      await routeBack(t, cidr, own);
      const [forwarded, translated] = (await run(world, [
        idlePod(namespace, `${name}-a`, first, within(name)),
        idlePod(namespace, `${name}-b`, first, within(name)),
      ])) as [Thing, Thing];
      const node = addressOf(own);
      for (const family of FAMILIES) await leavesAs(t, inPod(forwarded), family, node[family], "without rules");
      await patchSubnet(name, {
        natOutgoingPolicyRules: FAMILIES.flatMap((family) => [
          { action: "nat", match: { srcIPs: addressIn(translated, family), dstIPs: EXTERNAL[family] } },
          { action: "forward", match: { dstIPs: EXTERNAL[family] } },
        ]),
      });
      for (const family of FAMILIES) {
        await leavesAs(t, inPod(forwarded), family, addressIn(forwarded, family), "forward");
        await leavesAs(t, inPod(translated), family, node[family], "nat goes before");
      }
      const status = world.subnets.get(name)?.status.natOutgoingPolicyRules;
      t.match(status, [{ ruleID: /^[0-9a-f]{12}$/, action: "nat" }, { action: "forward" }, {}, {}]);
      await patchSubnet(name, { natOutgoingPolicyRules: null });
      for (const family of FAMILIES) await leavesAs(t, inPod(forwarded), family, node[family], "without rules again");
      await remove(world, namespace, [`${name}-a`, `${name}-b`]);
    });
  }

  await t.test("externalEgressGateway receives traffic to the outside, and no other", async (t) => {
    const cidr = "10.74.0.0/24,fd00:10:74::/112";
    const router = addressOf(second);
    await useSubnet(whole, world, "weft-audit", {
      cidrBlock: cidr,
      externalEgressGateway: `${router.v4},${router.v6}`,
      policyRoutingTableID: 1000,
      policyRoutingPriority: 1500,
    });
    await judged(world, "weft-audit");
    await routeBack(t, cidr, first);
    const [pod, server] = (await run(world, [
      idlePod(namespace, "audited", first, within("weft-audit")),
      webPod(namespace, "audited-web", second, within("weft-audit")),
    ])) as [Thing, Thing];
    // The second node acts as the router: it counts packets from the first one.
    const count = inNode(world, second);
    const table = "inet weft-test-audit";
    await count(["nft", `add table ${table}`]);
    t.teardown(async () => void (await count(["nft", `delete table ${table}`])));
    await count(["nft", `add chain ${table} c { type filter hook forward priority -500; }`]);
    for (const family of FAMILIES) {
      const word = family === "v4" ? "ip" : "ip6";
      await count(["nft", `add rule ${table} c iifname eth0 ${word} saddr ${addressIn(pod, family)} counter`]);
    }
    const taken = async (): Promise<readonly number[]> => {
      const { stdout } = await count(["nft", "list", "table", ...table.split(" ")]);
      return [...stdout.matchAll(/counter packets (\d+)/g)].map((match) => Number(match[1]));
    };
    for (const family of FAMILIES)
      await leavesAs(t, inPod(pod), family, addressIn(pod, family), "by the router, with the pod's address");
    const outside = await taken();
    t.ok(
      outside.length === 2 && outside.every((packets) => packets > 0),
      `the router took ${outside.join(" and ")} packets`,
    );
    const before = outside;
    for (const family of FAMILIES) {
      for (const [to, what] of [
        [addressIn(server, family), "a pod of the subnet"],
        [addressIn(standing[2]!, family), "a pod elsewhere"],
        [addressOf(first)[family], "its own node"],
        [addressOf(second)[family], "another node"],
      ] as const)
        t.ok((await ping(inPod(pod), to)).ok, `${what} answers, ${family}`);
      t.ok((await ping(inNode(world, first), addressIn(pod, family))).ok, `its node reaches it, ${family}`);
      t.ok((await ping(inNode(world, second), addressIn(pod, family))).ok, `another node reaches it, ${family}`);
    }
    t.same(await taken(), before, "none of that went to the router");

    await patchSubnet("weft-audit", { externalEgressGateway: "198.51.100.1,2001:db8:51::1" });
    for (const family of FAMILIES)
      await until(`nothing leaves by ${family}`, 20_000, async () => (await seenAs(inPod(pod), family)) === "");
    t.same(await taken(), before, "a router that no link has takes nothing, and neither does the default one");
    await patchSubnet("weft-audit", { externalEgressGateway: null });
    for (const family of FAMILIES)
      await leavesAs(t, inPod(pod), family, addressIn(pod, family), "by the default router again");
    t.same(await taken(), before);
    const rules = await inNode(world, first)(["ip", "rule", "show", "priority", "1500"]);
    t.equal(rules.stdout.trim(), "", "the rule is gone");
    await remove(world, namespace, ["audited", "audited-web"]);
  });

  await t.test("north_gateway of a pod, which does not apply to later pods", async (t) => {
    const [gate] = (await run(world, [idlePod(namespace, "gate", second)])) as [Thing];
    const inside = inPod(gate);
    await inside([
      "sh",
      "-c",
      "echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding",
    ]);
    await inside(["nft", "add table inet gate"]);
    await inside(["nft", "add chain inet gate c { type nat hook postrouting priority srcnat; }"]);
    await inside(["nft", "add rule inet gate c masquerade"]);
    const NORTH = "ovn.kubernetes.io/north_gateway";
    const [v4, v6] = ["10.16.200.7", "fd00:10:16::c807"];
    const fixed = { "ovn.kubernetes.io/ip_address": `${v4},${v6}` };
    const north = { [NORTH]: addressesOf(gate).join(",") };
    const [guarded] = (await run(world, [idlePod(namespace, "guarded", first, { ...fixed, ...north })])) as [Thing];
    for (const family of FAMILIES)
      await leavesAs(t, inPod(guarded), family, addressOf(second)[family], "by the gateway's node");
    for (const family of FAMILIES)
      t.ok((await ping(inPod(guarded), addressIn(standing[0]!, family))).ok, `pods are reached as ever, ${family}`);

    await scaleController(world, 0);
    await world.kube.delete(PODS, { namespace, name: "guarded" }, { gracePeriodSeconds: 0 });
    await world.pods.gone(`${namespace}/guarded`);
    await world.kube.create(PODS, idlePod(namespace, "heir", first, fixed));
    await scaleController(world, 1);
    const [heir] = await world.pods
      .until(`${namespace}/heir`, "runs", (pod) => (pod?.status?.podIP === v4 ? pod : false), 60_000)
      .then((pod) => [pod]);
    for (const family of FAMILIES) {
      const seen = new Set<string>();
      await until("it reaches the outside", 20_000, async () => {
        const address = await seenAs(inPod(heir!), family);
        if (address !== "") seen.add(address);
        return address !== "";
      });
      t.same([...seen], [addressOf(first)[family]], `who has the address now leaves by its own node, ${family}`);
    }
    await remove(world, namespace, ["heir", "gate"]);
  });

  await t.test("a new gateway of a subnet reaches running pods, and connections are kept", async (t) => {
    const name = "weft-moves";
    await useSubnet(whole, world, name, { cidrBlock: "10.75.0.0/24,fd00:10:75::/112", natOutgoing: true });
    await judged(world, name);
    const own = '[{"dst":"192.0.2.0/24","gw":"10.75.0.77"},{"dst":"198.51.100.0/24","gw":"172.18.0.1"}]';
    const [pod] = (await run(world, [
      idlePod(namespace, "moved", first, within(name, { "ovn.kubernetes.io/routes": own })),
    ])) as [Thing];
    const routes = async (family: "-4" | "-6"): Promise<string> =>
      (await inPod(pod)(["ip", family, "route", "show"])).stdout;
    t.match(await routes("-4"), /default via 10\.75\.0\.1 [\s\S]*192\.0\.2\.0\/24 via 10\.75\.0\.77/);
    t.notMatch(await routes("-4"), /198\.51\.100/);
    const isReported = ({ involvedObject, message }: EventThing) =>
      involvedObject.name === "moved" && message.includes("gw 172.18.0.1 is not in the subnet of the interface");
    await until("an Event says what is wrong with a route", 10_000, async () => world.events.values().some(isReported));
    const held = await Promise.all(
      FAMILIES.map((family) => heldConnection(podNetns(pod.metadata.uid), EXTERNAL[family])),
    );
    await patchSubnet(name, { gateway: "10.75.0.254,fd00:10:75::fe" });
    await until(
      "the default routes are new",
      20_000,
      async () =>
        /default via 10\.75\.0\.254 /.test(await routes("-4")) &&
        /default via fd00:10:75::fe /.test(await routes("-6")),
    );
    t.notMatch(await routes("-4"), /default via 10\.75\.0\.1 /);
    t.match(await routes("-4"), /192\.0\.2\.0\/24 via 10\.75\.0\.77/, "its own routes stay");
    for (const [i, connection] of held.entries()) {
      const before = connection.lines.length;
      await connection.until("the connection goes on", (lines) => lines.length >= before + 3, 20_000);
      const answers = new Set(await connection.stop());
      t.equal(answers.size, 1, `one connection, ${[...answers].join(" and ")}`);
      t.match([...answers], [new RegExp(`^\\d+ ${addressOf(first)[FAMILIES[i]!]}$`)]);
    }
    for (const family of FAMILIES)
      await leavesAs(t, inPod(pod), family, addressOf(first)[family], "by the new gateway");
    await world.kube.patch(
      PODS,
      { namespace, name: "moved" },
      { type: "merge", body: { metadata: { annotations: { "ovn.kubernetes.io/routes": null } } } },
    );
    await until(
      "its own route goes with the annotation",
      10_000,
      async () => !(await routes("-4")).includes("192.0.2"),
    );
    await remove(world, namespace, ["moved"]);
  });
});
