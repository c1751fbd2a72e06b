// SPDX-License-Identifier: Apache-2.0

import t, { type Test } from "tap";
import { until } from "../../../hack/lab/wait.ts";
import { ping } from "../../../hack/traffic/probe.ts";
import { VIPS } from "../../../src/kube/resources.ts";
import { useMultus } from "../testing/multus.ts";
import { createNetwork, ovnNetwork } from "../testing/networks.ts";
import { Objects, type Thing } from "../testing/objects.ts";
import { idlePod, inPod, run, useNamespace } from "../testing/pods.ts";
import {
  advertisement,
  arpAnnouncement,
  captureFrames,
  datagram,
  hasCome,
  type Station,
  sendFrames,
  stationOf,
} from "../testing/raw-frames.ts";
import { judged, useSubnet } from "../testing/subnets.ts";
import { openWorld, syncNodes, type World, whyNoLab } from "../testing/world.ts";

const HOME = "weft-pairs";
const LAN = `lan.${HOME}.ovn`;
const NETWORK = { "k8s.v1.cni.cncf.io/networks": "lan", [`${LAN}.kubernetes.io/port_security`]: "true" };
/** Addresses of the subnet: in `spec.vips`, of a Vip, and unused. */
const LISTED = ["10.61.0.200", "fd00:10:61::c8"] as const;
const OBJECTS = ["10.61.0.201", "fd00:10:61::c9"] as const;
const CLAIMED = ["10.61.0.202", "fd00:10:61::ca"] as const;

type Pair = readonly [v4: string, v6: string];

/** Adds the addresses to the pod's net1, and announces them. */
async function take(pod: Thing, { mac, v4, v6, ...station }: Station, [four, six]: Pair): Promise<void> {
  await inPod(pod)(["ip", "address", "add", `${four}/24`, "dev", "net1"]);
  await inPod(pod)(["ip", "address", "add", `${six}/112`, "dev", "net1", "nodad"]);
  await announce({ mac, v4, v6, ...station }, [four, six]);
}

/** An ARP announcement, and an unsolicited neighbour advertisement. */
function announce(station: Station, [four, six]: Pair): Promise<void> {
  const { mac } = station;
  return sendFrames(station, [
    arpAnnouncement({ mac, ip: four }),
    advertisement({ mac, ip: six }, { mac, ip: six }, { mac: "33:33:00:00:00:01", ip: "ff02::1" }),
  ]);
}

async function giveUp(pod: Thing, [four, six]: Pair): Promise<void> {
  await inPod(pod)(["ip", "address", "del", `${four}/24`, "dev", "net1"]);
  await inPod(pod)(["ip", "address", "del", `${six}/112`, "dev", "net1"]);
}

/** The MAC of an address in a pod's neighbour table. */
async function neighbour(pod: Thing, address: string): Promise<string | undefined> {
  const { stdout } = await inPod(pod)(["ip", "neigh", "show", address, "dev", "net1"]);
  return /lladdr (\S+)/.exec(stdout)?.[1];
}

/** Asserts that this station answers each client at the addresses. */
async function reach(t: Test, clients: readonly Thing[], pair: Pair, owner: Station, what: string): Promise<void> {
  for (const client of clients) {
    for (const address of pair) {
      const isReached = async (): Promise<boolean> =>
        (await ping(inPod(client), address, 1)).ok && (await neighbour(client, address)) === owner.mac;
      await until(`${what}: ${client.metadata.name} reaches ${address}`, 20_000, isReached);
      t.pass(`${what}: ${client.metadata.name} reaches ${address}`);
    }
  }
}

/** Resolves when the virtual ports of the addresses have these parents. */
async function hasParents(world: World, pair: Pair, pods: readonly string[]): Promise<void> {
  const parents = pods.map((name) => `${name}.${HOME}.${LAN}`).join();
  for (const address of pair)
    await world.nb.until(`the virtual port of ${address} has the parents ${parents}`, () =>
      [...world.nb.mirror.rows("Logical_Switch_Port")].some(
        ({ type, options }) =>
          type === "virtual" && options["virtual-ip"] === address && options["virtual-parents"] === parents,
      ),
    );
}

t.test("addresses that pods share on a secondary network", { skip: whyNoLab(), timeout: 300_000 }, async (t) => {
  const world = await openWorld(t);
  const [first = "", second = ""] = world.lab.nodes;
  await useMultus(t, world);
  await useNamespace(t, world, HOME);
  await useSubnet(t, world, "pairs-lan", { provider: LAN, cidrBlock: "10.61.0.0/24,fd00:10:61::/112", vips: LISTED });
  await createNetwork(world, HOME, "lan", ovnNetwork("lan", HOME));
  await judged(world, "pairs-lan");
  const vips = new Objects(world.kube, VIPS);
  await vips.ready();
  t.teardown(() => vips.stop());
  const [v4ip, v6ip] = OBJECTS;
  const spec = { subnet: "pairs-lan", namespace: HOME, v4ip, v6ip };
  await world.kube.create<Thing>(VIPS, { metadata: { name: HOME }, spec, status: {} });
  t.teardown(async () => {
    await world.kube.delete(VIPS, { name: HOME });
    await vips.gone(HOME);
  });

  const sharing = {
    ...NETWORK,
    "ovn.kubernetes.io/aaps": HOME,
    [`${LAN}.kubernetes.io/port_vips`]: [...LISTED, ...CLAIMED].join(),
  };
  const [one, two, near, far, stranger] = (await run(world, [
    idlePod(HOME, "one", first, sharing),
    idlePod(HOME, "two", second, sharing),
    idlePod(HOME, "near", first, NETWORK),
    idlePod(HOME, "far", second, NETWORK),
    idlePod(HOME, "stranger", second, NETWORK),
  ])) as [Thing, Thing, Thing, Thing, Thing];
  await hasParents(world, LISTED, ["one", "two"]);
  await hasParents(world, OBJECTS, ["one", "two"]);
  await syncNodes(world);
  const stations = await Promise.all([one, two, near, far, stranger].map((pod) => stationOf(world, pod, LAN, "net1")));
  const [atOne, atTwo, atNear, atFar, atStranger] = stations as [Station, Station, Station, Station, Station];

  for (const [what, pair] of [
    ["vips of the Subnet", LISTED],
    ["a Vip", OBJECTS],
  ] as const) {
    await t.test(
      `${what} moves from a pod to one on another node, but not to a pod that may not have it`,
      async (t) => {
        await take(one, atOne, pair);
        await reach(t, [near, far], pair, atOne, "the first owner");
        await giveUp(one, pair);
        await take(two, atTwo, pair);
        await reach(t, [near, far], pair, atTwo, "the second owner");
        await announce(atStranger, pair);
        // The packet that was sent last has arrived.
        t.match(await ping(inPod(stranger), atNear.v4, 10), { ok: true });
        await reach(t, [near, far], pair, atTwo, "still");
        await giveUp(two, pair);
      },
    );
  }

  await t.test(
    "port_vips alone lets a pod send from the addresses, and receive for them, under port security",
    async (t) => {
      const side = (station: Station, i: number, ip: string) => ({
        mac: station.mac,
        ip: ip || [station.v4, station.v6][i]!,
      });
      for (const [from, wanted] of [
        [atOne, true],
        [atStranger, false],
      ] as const) {
        for (const to of [atNear, atFar]) {
          const capture = await captureFrames(to);
          const frames = CLAIMED.map((ip, i) => datagram(side(from, i, ip), side(to, i, ""), "claimed"));
          const last = datagram(side(from, 0, ""), side(to, 0, ""), "last");
          await sendFrames(from, [...frames, last]);
          await capture.until("the last comes", (lines) => hasCome(lines, last), 20_000);
          const lines = await capture.stop();
          t.same(
            frames.map((frame) => hasCome(lines, frame)),
            [wanted, wanted],
            "sent",
          );
        }
        const capture = await captureFrames(from);
        const frames = CLAIMED.map((ip, i) => datagram(side(atFar, i, ""), side(from, i, ip), "to claimed"));
        const last = datagram(side(atFar, 0, ""), side(from, 0, ""), "last");
        await sendFrames(atFar, [...frames, last]);
        await capture.until("the last comes", (lines) => hasCome(lines, last), 20_000);
        const lines = await capture.stop();
        t.same(
          frames.map((frame) => hasCome(lines, frame)),
          [wanted, wanted],
          "received",
        );
      }
    },
  );
});
