// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { addressOf, OUTSIDE } from "../../../hack/lab/topology.ts";
import { until } from "../../../hack/lab/wait.ts";
import { urlHost } from "../../../hack/traffic/probe.ts";
import { PODS, SERVICES } from "../../../src/kube/resources.ts";
import { ANNOUNCE, isFor, neighborsOf, useBgp } from "../testing/bgp.ts";
import type { Thing } from "../testing/objects.ts";
import { addressesOf, inNode, isReady, remove, run, useNamespace, webPod } from "../testing/pods.ts";
import { when } from "../testing/when.ts";
import { type EventThing, openWorld, type World, whyNoLab } from "../testing/world.ts";

const NAME = "weft-bgp";

t.setTimeout(580_000);

let world: World;

t.test("addresses are announced to a router by BGP", { skip: whyNoLab(), timeout: 570_000 }, async (whole) => {
  const t = whole;
  world = await openWorld(t);
  const { nodes } = world.lab;
  const [first = "", second = ""] = nodes;
  const namespace = await useNamespace(t, world, NAME);
  const bgp = await useBgp(t, world, NAME);
  const { router, label, established, answers, changed, routedBy } = bgp;

  await t.test("a pod's addresses, within a second of its readiness, until it is gone", async (t) => {
    await world.kube.create(PODS, webPod(namespace, "local", second, { [ANNOUNCE]: "local" }));
    const key = `${namespace}/local`;
    const pod = await world.pods.until(key, "is Ready", (one) => (isReady(one) ? one : false), 90_000);
    const readyAt = performance.now();
    for (const address of addressesOf(pod)) {
      const at = await until(`${address} is routed`, 5_000, () => changed(address, false, 0));
      t.comment(`${address}: ${Math.round(at - readyAt)} ms after the pod was Ready`);
      t.ok(at - readyAt <= 1_000, "within a second");
      await routedBy(t, `${address} by its node`, address, neighborsOf([second], "v4", "v6").filter(isFor(address)));
      const client = address.includes(":") ? addressOf(OUTSIDE).v6 : addressOf(OUTSIDE).v4;
      await answers(t, `http://${urlHost(address)}:8080/clientip`, client);
    }
    await remove(world, namespace, ["local"]);
    const goneAt = performance.now();
    for (const address of addressesOf(pod)) {
      const at = await until(`${address} is not routed any more`, 5_000, () => changed(address, true, readyAt));
      t.comment(`${address}: ${Math.round(at - goneAt)} ms after the pod was gone`);
      t.ok(at - goneAt <= 1_000, "within a second");
    }
  });

  const [pod] = (await run(world, [webPod(namespace, "every", second, { [ANNOUNCE]: "true" })], 90_000)) as [Thing];
  const [v4, v6] = addressesOf(pod);

  await t.test("a pod by all nodes; an IPv4 route by IPv6 next hops where there is no IPv4 session", async (t) => {
    await routedBy(t, "IPv4", v4, neighborsOf(nodes, "v4", "v6"));
    await routedBy(t, "IPv6", v6, neighborsOf(nodes, "v6"));
    const each = (command: string) =>
      Promise.all(
        neighborsOf(nodes, "v4").map((address) =>
          router.vtysh("conf t", `router bgp ${bgp.routerAs}`, command.replace("ADDRESS", address)),
        ),
      );
    await each("neighbor ADDRESS shutdown");
    await routedBy(t, "IPv4 by IPv6", v4, neighborsOf(nodes, "v6"));
    t.match((await inNode(world, OUTSIDE)(["ip", "route", "show", v4])).stdout, "via inet6");
    await answers(t, `http://${v4}:8080/hostname`, "every");
    await each("no neighbor ADDRESS shutdown");
    await routedBy(t, "IPv4 again", v4, neighborsOf(nodes, "v4", "v6"), 60_000);
  });

  await t.test("a Service's ClusterIPs, by which the router's clients reach it", async (t) => {
    const service = await world.kube.create<Thing>(SERVICES, {
      metadata: { namespace, name: "web", annotations: { [ANNOUNCE]: "true" } },
      spec: { ipFamilyPolicy: "RequireDualStack", selector: { app: "every" }, ports: [{ port: 80, targetPort: 8080 }] },
    } as never);
    for (const address of (service.spec as { readonly clusterIPs: readonly string[] }).clusterIPs) {
      await routedBy(t, address, address, neighborsOf(nodes, "v4", "v6").filter(isFor(address)));
      await answers(t, `http://${urlHost(address)}/hostname`, "every");
    }
  });

  await t.test(
    "a speaker that is killed loses no route, one that stays away loses them after the restart time",
    async (t) => {
      const [speaker] = world.pods
        .values()
        .filter(({ metadata, spec }) => metadata.labels?.["app"] === "kube-ovn-speaker" && spec.nodeName === second);
      const since = performance.now();
      await world.lab.kubectl([
        "-n",
        "kube-system",
        "delete",
        "pod",
        speaker?.metadata.name ?? "",
        "--grace-period=0",
        "--force",
      ]);
      const isNext = ({ metadata, spec }: Thing): boolean =>
        metadata.labels?.["app"] === "kube-ovn-speaker" &&
        spec.nodeName === second &&
        metadata.uid !== speaker?.metadata.uid;
      await until("the next speaker is Ready", 60_000, () =>
        world.pods.values().some((one) => isNext(one) && isReady(one)),
      );
      await until("its sessions are established", 60_000, async () => (await established()) >= 3 * nodes.length, 200);
      t.equal(changed(v4, true, since), undefined, "IPv4: no route was removed");
      t.equal(changed(v6, true, since), undefined, "IPv6: no route was removed");
      await routedBy(t, "IPv4 by both", v4, neighborsOf(nodes, "v4", "v6"));
      await label(second, null);
      await until("the speaker is gone", 60_000, () => !world.pods.values().some(isNext));
      const left = performance.now();
      await routedBy(t, "still by both", v4, neighborsOf(nodes, "v4", "v6"));
      await routedBy(t, "then by the first alone", v4, neighborsOf([first], "v4", "v6"), (bgp.keptS + 20) * 1_000);
      const kept = (performance.now() - left) / 1_000;
      t.comment(`routes were kept for ${kept.toFixed(1)} s`);
      t.ok(kept >= bgp.keptS - 10, "for about the restart time");
      await label(second, "true");
      await routedBy(t, "by both again", v4, neighborsOf(nodes, "v4", "v6"), 90_000);
    },
  );

  await t.test("a node that is cut off is not used any more within BFD's time", async (t) => {
    const each = (command: string) =>
      Promise.all(
        neighborsOf(nodes, "v4", "v6").map((address) =>
          router.vtysh("conf t", `router bgp ${bgp.routerAs}`, command.replace("ADDRESS", address)),
        ),
      );
    await each("neighbor ADDRESS bfd");
    await until("BFD is up", 30_000, async () => !/down|init/.test(await router.vtysh("show bfd peers brief")), 200);
    const node = world.lab.node(second);
    const file =
      "table inet dead { chain p { type filter hook prerouting priority raw; iifname eth0 udp dport 3784 drop; iifname eth0 tcp sport 179 drop; }; }";
    const since = performance.now();
    await node.exec(["nft", file]);
    t.teardown(() => node.exec(["nft", "delete table inet dead"], { allowFailure: true }));
    const isChange = ({ at, text }: { readonly at: number; readonly text: string }) =>
      at >= since && text.startsWith(`${v6} `);
    const { at } = await until("the route changes", 20_000, () => router.changes.find(isChange));
    t.comment(`the route has changed after ${Math.round(at - since)} ms`);
    await routedBy(t, "by the first alone", v6, neighborsOf([first], "v6"));
    await node.exec(["nft", "delete table inet dead"]);
    await routedBy(t, "by both again", v4, neighborsOf(nodes, "v4", "v6"), 90_000);
    await each("no neighbor ADDRESS bfd");
  });

  await t.test("a neighbor with another password is told in an Event, and the others go on", async (t) => {
    const address = addressOf(first).v4;
    const set = (password: string) =>
      router.vtysh("conf t", `router bgp ${bgp.routerAs}`, `neighbor ${address} password ${password}`);
    await set("another");
    const isIt = ({ reason, message, involvedObject }: EventThing): boolean =>
      reason === "BgpSessionDown" &&
      involvedObject.name === first &&
      message.includes(addressOf(OUTSIDE).v4) &&
      /does not answer|ended the session/.test(message);
    const found = await when(
      (listener) => world.events.subscribe(listener),
      () => world.events.values().find(isIt),
      "an Event of the session",
      90_000,
    );
    t.comment(found.message);
    await routedBy(t, "the others go on", v6, neighborsOf(nodes, "v6"));
    await set(bgp.password);
    await routedBy(t, "by both again", v4, neighborsOf(nodes, "v4", "v6"), 90_000);
  });

  await t.test("a neighbor with another AS number is told in an Event, and the others go on", async (t) => {
    const address = addressOf(first).v4;
    const set = (as: number) =>
      router.vtysh("conf t", `router bgp ${bgp.routerAs}`, `neighbor ${address} remote-as ${as}`);
    await set(65_999);
    const isIt = ({ reason, message, involvedObject }: EventThing): boolean =>
      reason === "BgpSessionDown" && involvedObject.name === first && message.includes("another AS number");
    const found = await when(
      (listener) => world.events.subscribe(listener),
      () => world.events.values().find(isIt),
      "an Event of the AS number",
      60_000,
    );
    t.comment(found.message);
    await routedBy(t, "the others go on", v6, neighborsOf(nodes, "v6"));
    await set(bgp.clusterAs);
    await routedBy(t, "by both again", v4, neighborsOf(nodes, "v4", "v6"), 90_000);
  });
});
