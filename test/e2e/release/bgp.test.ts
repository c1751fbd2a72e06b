// SPDX-License-Identifier: Apache-2.0

import t, { type Test } from "tap";
import { deploy } from "../../../hack/deploy/deploy.ts";
import { createProgress } from "../../../hack/host/progress.ts";
import { addressOf, OUTSIDE } from "../../../hack/lab/topology.ts";
import { until } from "../../../hack/lab/wait.ts";
import { http, urlHost } from "../../../hack/traffic/probe.ts";
import { NODES, PODS, SECRETS, SERVICES } from "../../../src/kube/resources.ts";
import { type Router, startRouter } from "../testing/frr.ts";
import type { Thing } from "../testing/objects.ts";
import { addressesOf, inNode, isReady, remove, run, useNamespace, webPod } from "../testing/pods.ts";
import { when } from "../testing/when.ts";
import { type EventThing, openWorld, type World, whyNoLab } from "../testing/world.ts";

const NAME = "weft-bgp";
const CLUSTER_AS = 65001;
const ROUTER_AS = 65002;
const PASSWORD = "between-us";
/** For how long the router keeps the routes of a speaker that has gone, in s. */
const KEPT_S = 25;
const ANNOUNCE = "ovn.kubernetes.io/bgp";

t.setTimeout(580_000);

let world: World;
let router: Router;

/** The configuration of the router: a neighbor for each address of each node. */
function routerConfig(nodes: readonly string[]): string {
  const v4 = nodes.map((node) => addressOf(node).v4);
  const v6 = nodes.map((node) => addressOf(node).v6);
  return [
    `router bgp ${ROUTER_AS}`,
    ` bgp router-id ${addressOf(OUTSIDE).v4}`,
    " no bgp ebgp-requires-policy",
    " no bgp default ipv4-unicast",
    " bgp bestpath as-path multipath-relax",
    " bgp graceful-restart",
    ...[...v4, ...v6].flatMap((address) => [
      ` neighbor ${address} remote-as ${CLUSTER_AS}`,
      ` neighbor ${address} password ${PASSWORD}`,
      ` neighbor ${address} timers connect 2`,
    ]),
    ...v6.map((address) => ` neighbor ${address} capability extended-nexthop`),
    " address-family ipv4 unicast",
    ...[...v4, ...v6].map((address) => `  neighbor ${address} activate`),
    " exit-address-family",
    " address-family ipv6 unicast",
    ...v6.map((address) => `  neighbor ${address} activate`),
    " exit-address-family",
    "",
  ].join("\n");
}

/** The neighbors from which the router has a route that it uses. */
async function neighborsWith(address: string): Promise<readonly string[]> {
  const family = address.includes(":") ? "ipv6 unicast" : "ipv4 unicast";
  const text = await router.vtysh(`show bgp ${family} ${address}/${address.includes(":") ? 128 : 32} json`);
  const { paths = [] } = JSON.parse(text || "{}") as {
    readonly paths?: readonly { readonly valid?: boolean; readonly peer: { readonly peerId: string } }[];
  };
  return paths.flatMap(({ valid, peer }) => (valid === true ? [peer.peerId] : []));
}

/** The addresses of some nodes as neighbors of the router, in one family or both. */
function neighborsOf(nodes: readonly string[], ...families: readonly ("v4" | "v6")[]): readonly string[] {
  return nodes.flatMap((node) => families.map((family) => addressOf(node)[family]));
}

/** For the neighbors that announce an address: the router takes IPv6 routes from IPv6 neighbors only. */
function isFor(address: string): (neighbor: string) => boolean {
  return (neighbor) => !address.includes(":") || neighbor.includes(":");
}

/** Waits until the router has a route to an address from exactly these neighbors. */
async function routedBy(t: Test, what: string, address: string, from: readonly string[], ms = 20_000): Promise<void> {
  const wanted = [...from].sort().join();
  const found = async (): Promise<string> => [...(await neighborsWith(address))].sort().join();
  await until(what, ms, async () => (await found()) === wanted, 100).catch(() => undefined);
  t.equal(await found(), wanted, what);
}

/** Waits until an HTTP server at an address answers the outside host; `expected` is in the answer. */
async function answers(t: Test, url: string, expected: string): Promise<void> {
  const ask = () => http(inNode(world, OUTSIDE), url);
  const isRight = ({ ok, detail }: { readonly ok: boolean; readonly detail: string }) =>
    ok && detail.includes(expected);
  await until(url, 20_000, async () => isRight(await ask()), 200).catch(() => undefined);
  const { ok, detail } = await ask();
  t.ok(ok, `${url} answers`);
  t.match(detail, expected, url);
}

/** When the kernel of the outside host first had, or no longer had, a route after a time. */
function changed(address: string, gone: boolean, since: number): number | undefined {
  const isIt = (text: string): boolean =>
    text.startsWith("Deleted ") === gone && text.replace("Deleted ", "").startsWith(`${address} `);
  return router.changes.find(({ at, text }) => at >= since && isIt(text))?.at;
}

t.test("addresses are announced to a router by BGP", { skip: whyNoLab(), timeout: 570_000 }, async (whole) => {
  const t = whole;
  world = await openWorld(t);
  const { nodes } = world.lab;
  const [first = "", second = ""] = nodes;
  const namespace = await useNamespace(t, world, NAME);
  router = await startRouter(world.lab.node(OUTSIDE).netns, routerConfig(nodes));
  t.teardown(() => router.stop());
  const label = async (node: string, value: string | null): Promise<unknown> =>
    world.kube.patch(NODES, { name: node }, { type: "merge", body: { metadata: { labels: { [ANNOUNCE]: value } } } });
  const secret = { namespace: "kube-system", name: NAME };
  await world.kube.delete(SECRETS, secret).catch(() => undefined);
  await world.kube.create(SECRETS, { metadata: secret, stringData: { password: PASSWORD } } as never);
  for (const node of nodes) await label(node, "true");
  await deploy(world.lab, createProgress(), {
    set: [
      ...["enabled=true", `neighborAs=${ROUTER_AS}`, `clusterAs=${CLUSTER_AS}`, "announceClusterIP=true"],
      ...[`neighborAddresses[0]=${addressOf(OUTSIDE).v4}`, `neighborIPv6Addresses[0]=${addressOf(OUTSIDE).v6}`],
      ...[
        `authPasswordSecret.name=${NAME}`,
        "extendedNexthop=true",
        "bfd.enabled=true",
        "bfd.minTx=200",
        "bfd.minRx=200",
      ],
      ...["gracefulRestart.enabled=true", `gracefulRestart.time=${KEPT_S}`],
    ].map((one) => `speaker.${one}`),
  });
  t.teardown(async () => {
    for (const node of nodes) await label(node, null);
    await world.kube.delete(SECRETS, secret);
    await deploy(world.lab, createProgress());
  });
  const established = async (): Promise<number> =>
    (await router.vtysh("show bgp summary")).split("\n").filter((line) => /^[\da-f.:]+ +4 .* \d+ +\d+ +\S+$/.test(line))
      .length;
  await until("all sessions are established", 60_000, async () => (await established()) >= 3 * nodes.length, 200);

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
          router.vtysh("conf t", `router bgp ${ROUTER_AS}`, command.replace("ADDRESS", address)),
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
      await routedBy(t, "then by the first alone", v4, neighborsOf([first], "v4", "v6"), (KEPT_S + 20) * 1_000);
      const kept = (performance.now() - left) / 1_000;
      t.comment(`routes were kept for ${kept.toFixed(1)} s`);
      t.ok(kept >= KEPT_S - 10, "for about the restart time");
      await label(second, "true");
      await routedBy(t, "by both again", v4, neighborsOf(nodes, "v4", "v6"), 90_000);
    },
  );

  await t.test("a node that is cut off is not used any more within BFD's time", async (t) => {
    const each = (command: string) =>
      Promise.all(
        neighborsOf(nodes, "v4", "v6").map((address) =>
          router.vtysh("conf t", `router bgp ${ROUTER_AS}`, command.replace("ADDRESS", address)),
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

  await t.test("a neighbor with another AS number is told in an Event, and the others go on", async (t) => {
    const address = addressOf(first).v4;
    const set = (as: number) =>
      router.vtysh("conf t", `router bgp ${ROUTER_AS}`, `neighbor ${address} remote-as ${as}`);
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
    await set(CLUSTER_AS);
    await routedBy(t, "by both again", v4, neighborsOf(nodes, "v4", "v6"), 90_000);
  });
});
