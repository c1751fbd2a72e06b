// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { addressOf, OUTSIDE } from "../../../hack/lab/topology.ts";
import { until } from "../../../hack/lab/wait.ts";
import { urlHost } from "../../../hack/traffic/probe.ts";
import { PODS, SERVICES } from "../../../src/kube/resources.ts";
import { ANNOUNCE, isFor, neighborsOf, useBgp } from "../testing/bgp.ts";
import type { Thing } from "../testing/objects.ts";
import { addressesOf, inNode, isReady, remove, run, useNamespace, webPod } from "../testing/pods.ts";
import { openWorld, type World, whyNoLab } from "../testing/world.ts";

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
});
