// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { addressOf } from "../../../hack/lab/topology.ts";
import { until } from "../../../hack/lab/wait.ts";
import { receiver, sendDatagram } from "../../../hack/traffic/stream.ts";
import { MIRROR_INTERFACE } from "../../../src/api/names.ts";
import { DAEMON_SETS, PODS } from "../../../src/kube/resources.ts";
import type { Thing } from "../testing/objects.ts";
import { idlePod, inNode, remove, run, useNamespace } from "../testing/pods.ts";
import { captureFrames, datagram, hasCome, type Station, sendFrames, stationOf } from "../testing/raw-frames.ts";
import { openWorld, type World, whyNoLab } from "../testing/world.ts";

const HOME = "weft-mirror";
const MIRROR = "ovn.kubernetes.io/mirror";
const PORT = 9_100;

const four = ({ mac, v4 }: Station) => ({ mac, ip: v4 });
const six = ({ mac, v6 }: Station) => ({ mac, ip: v6 });

/** `mirror0` of a node in the kernel. */
async function mirrorLink(world: World, node: string): Promise<{ readonly index: number; readonly mac: string }> {
  return await until(`${node} has ${MIRROR_INTERFACE} and it is up`, 20_000, async () => {
    const { stdout } = await inNode(world, node)(["ip", "-o", "link", "show", MIRROR_INTERFACE]);
    const [, index, mac] = /^(\d+): .*[<,]UP[,>].*link\/ether (\S+)/.exec(stdout) ?? [];
    return index !== undefined && mac !== undefined && { index: Number(index), mac };
  });
}

function ask(world: World, name: string, value: string | null): Promise<unknown> {
  const body = { metadata: { annotations: { [MIRROR]: value } } };
  return world.kube.patch(PODS, { namespace: HOME, name }, { type: "merge", body });
}

/** Waits until the row of a node selects the ports of these pods, and no others. */
async function selects(world: World, node: string, pods: readonly Thing[]): Promise<void> {
  const ovs = world.ovs(node);
  const ports = (): readonly (string | undefined)[] =>
    pods.map(({ metadata: { uid } }) => ovs.podInterfaces().find((row) => row.external_ids["pod_uid"] === uid)?.name);
  await ovs.until(`m0 of ${node} selects ${pods.map(({ metadata }) => metadata.name)}`, () => {
    const has = ovs.mirrored();
    return typeof has === "object" && has.length === pods.length && ports().every((port) => has.includes(port ?? ""));
  });
}

t.test("packets of pods arrive at mirror0 of their node", { skip: whyNoLab(), timeout: 240_000 }, async (t) => {
  const world = await openWorld(t);
  const [first = "", second = ""] = world.lab.nodes;
  await useNamespace(t, world, HOME);
  const [watched, other, far] = (await run(world, [
    idlePod(HOME, "watched", first, { [MIRROR]: "true" }),
    idlePod(HOME, "other", first),
    idlePod(HOME, "far", second),
  ])) as [Thing, Thing, Thing];
  const [w, o, f] = (await Promise.all([watched, other, far].map((pod) => stationOf(world, pod)))) as [
    Station,
    Station,
    Station,
  ];
  const { netns } = world.lab.node(first);
  await selects(world, first, [watched]);
  await selects(world, second, []);

  /** Names of the exchanges that are captured at mirror0 of the first node. `last`: a mirrored pod. */
  const seen = async (last: Station): Promise<readonly string[]> => {
    const { index } = await mirrorLink(world, first);
    const capture = await captureFrames({ netns, index });
    const exchanges: readonly (readonly [string, Station, Station])[] = [
      ["watched to far", w, f],
      ["far to watched", f, w],
      ["watched to other", w, o],
      ["other to watched", o, w],
      ["other to far", o, f],
      ["far to other", f, o],
    ];
    const frames = exchanges.flatMap(([name, from, to]) => [
      { name: `${name}, IPv4`, from, frame: datagram(four(from), four(to), name) },
      { name: `${name}, IPv6`, from, frame: datagram(six(from), six(to), name) },
    ]);
    for (const { from, frame } of frames) await sendFrames(from, [frame]);
    for (const text of ["last", "very last"]) {
      const frame = datagram(four(f), four(last), text);
      await sendFrames(f, [frame]);
      await capture.until(`"${text}" comes`, (lines) => hasCome(lines, frame), 20_000);
    }
    const lines = await capture.stop();
    return frames.flatMap(({ name, frame }) => (hasCome(lines, frame) ? [name] : []));
  };
  const both = (...names: readonly string[]): readonly string[] =>
    names.flatMap((name) => [`${name}, IPv4`, `${name}, IPv6`]);
  const OF_WATCHED = both("watched to far", "far to watched", "watched to other", "other to watched");
  const OF_OTHER = both("watched to other", "other to watched", "other to far", "far to other");

  await t.test("packets of a pod with the annotation, in both directions, and of no other pod", async (t) => {
    t.same(await seen(w), OF_WATCHED);
  });
  await t.test("changes of the annotation apply to running pods", async (t) => {
    await ask(world, "other", "true");
    await ask(world, "watched", "false");
    await selects(world, first, [other]);
    t.same(await seen(o), OF_OTHER);
    await ask(world, "watched", "true");
    await ask(world, "other", null);
    await selects(world, first, [watched]);
    t.same(await seen(w), OF_WATCHED);
  });
  await t.test("the node itself receives no mirrored packet, also not through the pod's host end", async (t) => {
    const { index, mac } = await mirrorLink(world, first);
    const listener = await receiver(netns, PORT);
    const capture = await captureFrames({ netns, index });
    const node = addressOf(first);
    // Through OVN the node would receive those from the pod's own addresses, but none from its gateway's.
    const [gateway4 = "", gateway6 = ""] = String(
      world.pods.get(`${HOME}/watched`)?.metadata.annotations?.["ovn.kubernetes.io/gateway"],
    ).split(",");
    // Broadcast frames also reach the node through the pod's host end (userspace datapath).
    const frames = [mac, "ff:ff:ff:ff:ff:ff"].flatMap((to) => [
      datagram({ mac: w.mac, ip: gateway4 }, { mac: to, ip: node.v4 }, "not for the node", [4_000, PORT]),
      datagram({ mac: w.mac, ip: gateway6 }, { mac: to, ip: node.v6 }, "not for the node", [4_000, PORT]),
    ]);
    await sendFrames(w, frames);
    await capture.until("all are seen at mirror0", (lines) => frames.every((frame) => hasCome(lines, frame)), 20_000);
    await capture.stop();
    // This frame arrives, so the earlier ones would have arrived too.
    await sendDatagram(netns, "", node.v4, PORT, 9);
    await listener.until("the node's own datagram comes", (lines) => lines.length > 0, 20_000);
    t.same(await listener.stop(), [`${node.v4} 9`]);
  });
  await t.test("a value other than true and false is refused", async (t) => {
    await t.rejects(
      ask(world, "watched", "yes"),
      /annotation ovn\.kubernetes\.io\/mirror is "yes"; write true or false/,
    );
    await selects(world, first, [watched]);
  });
  await t.test("a deleted interface is restored", async (t) => {
    const before = await mirrorLink(world, first);
    await inNode(world, first)(["ip", "link", "delete", MIRROR_INTERFACE]);
    await until("mirror0 is another one", 30_000, async () => {
      const { index } = await mirrorLink(world, first);
      return index !== before.index;
    });
    await selects(world, first, [watched]);
    t.same(await seen(w), OF_WATCHED);
  });
  await t.test("with --enable-mirror packets of all pods", (t) =>
    withOption(world, async () => {
      t.same(
        await seen(o),
        both(
          "watched to far",
          "far to watched",
          "watched to other",
          "other to watched",
          "other to far",
          "far to other",
        ),
      );
    }),
  );
  await t.test("a deleted pod is removed from the row", async (t) => {
    await selects(world, first, [watched]);
    await remove(world, HOME, ["watched"]);
    await selects(world, first, []);
    t.pass("nothing is selected");
  });
});

/** Runs `action` while all daemons have the option `--enable-mirror`. */
async function withOption(world: World, action: () => Promise<void>): Promise<void> {
  const ref = { namespace: "kube-system", name: "kube-ovn-cni" };
  const path = "/spec/template/spec/containers/0/command/-";
  const all = async (wanted: boolean): Promise<void> => {
    for (const node of world.lab.nodes)
      await world
        .ovs(node)
        .until(`m0 of ${node}: all is ${wanted}`, () => (world.ovs(node).mirrored() === "all") === wanted, 60_000);
  };
  await world.kube.patch(DAEMON_SETS, ref, { type: "json", body: [{ op: "add", path, value: "--enable-mirror" }] });
  try {
    await all(true);
    await action();
  } finally {
    const { spec } = await world.kube.get<Thing>(DAEMON_SETS, ref);
    const command: readonly string[] = spec.template.spec.containers[0].command;
    const at = command.indexOf("--enable-mirror");
    await world.kube.patch(DAEMON_SETS, ref, {
      type: "json",
      body: [{ op: "remove", path: path.replace(/-$/, String(at)) }],
    });
    await all(false);
  }
}
