// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { addressOf, OUTSIDE } from "../../../hack/lab/topology.ts";
import { until } from "../../../hack/lab/wait.ts";
import { ANNOUNCE, neighborsOf, useBgp } from "../testing/bgp.ts";
import type { Thing } from "../testing/objects.ts";
import { addressesOf, run, useNamespace, webPod } from "../testing/pods.ts";
import { when } from "../testing/when.ts";
import { type EventThing, openWorld, whyNoLab } from "../testing/world.ts";

const NAME = "weft-bgp-sessions";

t.setTimeout(580_000);

t.test("BGP sessions that fail", { skip: whyNoLab(), timeout: 570_000 }, async (whole) => {
  const t = whole;
  const world = await openWorld(t);
  const { nodes } = world.lab;
  const [first = "", second = ""] = nodes;
  const namespace = await useNamespace(t, world, NAME);
  const bgp = await useBgp(t, world, NAME);
  const { router, routedBy } = bgp;
  const [pod] = (await run(world, [webPod(namespace, "every", second, { [ANNOUNCE]: "true" })], 90_000)) as [Thing];
  const [v4, v6] = addressesOf(pod);
  await routedBy(t, "before: by both", v4, neighborsOf(nodes, "v4", "v6"));

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
    // BIRD takes the end of the router's BFD for the loss of the router.
    await each("no neighbor ADDRESS bfd");
    await routedBy(t, "by both without BFD", v4, neighborsOf(nodes, "v4", "v6"), 90_000);
  });

  await t.test("a neighbor with another password is told in an Event, and the others go on", async (t) => {
    const address = addressOf(first).v4;
    const set = (password: string) =>
      router.vtysh("conf t", `router bgp ${bgp.routerAs}`, `neighbor ${address} password ${password}`);
    t.teardown(() => set(bgp.password));
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
    t.teardown(() => set(bgp.clusterAs));
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
