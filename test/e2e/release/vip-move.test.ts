// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { until } from "../../../hack/lab/wait.ts";
import { podNetns } from "../../../hack/traffic/pods.ts";
import { ping } from "../../../hack/traffic/probe.ts";
import { PODS, VIPS } from "../../../src/kube/resources.ts";
import { keepalivedPod, useKeepalived } from "../testing/keepalived.ts";
import { Objects, type Thing } from "../testing/objects.ts";
import { idlePod, inPod, ready, run, useNamespace } from "../testing/pods.ts";
import { longestGap, pingStream } from "../testing/raw-frames.ts";
import { judged, useSubnet } from "../testing/subnets.ts";
import { openWorld, whyNoLab } from "../testing/world.ts";

const HOME = "weft-vrrp";
const [OWN, OTHER] = ["vrrp-own", "vrrp-other"];
const ADDRESSES = ["10.58.0.200", "fd00:10:58::c8"] as const;
const SELECTOR = ["role: server"];
const SERVERS = { role: "server" };

t.test("a Vip moves between pods with keepalived", { skip: whyNoLab(), timeout: 300_000 }, async (t) => {
  const world = await openWorld(t);
  const [first = "", second = ""] = world.lab.nodes;
  await useKeepalived(world);
  await useNamespace(t, world, HOME);
  await useSubnet(t, world, OWN, { cidrBlock: "10.58.0.0/24,fd00:10:58::/112" });
  await useSubnet(t, world, OTHER, { cidrBlock: "10.59.0.0/24,fd00:10:59::/112" });
  for (const name of [OWN, OTHER]) await judged(world, name);
  const vips = new Objects(world.kube, VIPS);
  await vips.ready();
  t.teardown(() => vips.stop());
  const [v4ip, v6ip] = ADDRESSES;
  await world.kube.create<Thing>(VIPS, {
    metadata: { name: HOME },
    spec: { subnet: OWN, namespace: HOME, v4ip, v6ip, selector: SELECTOR },
    status: {},
  });
  t.teardown(async () => {
    await world.kube.delete(VIPS, { name: HOME });
    await vips.gone(HOME);
  });
  const vip = await vips.until(HOME, "has its addresses", (vip) =>
    vip?.status?.selector && vip.status.conditions ? vip : false,
  );
  t.match(vip.status, {
    v4ip,
    v6ip,
    selector: SELECTOR,

    mac: /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/,
  });
  const conditions: readonly { readonly type: string; readonly status: string }[] = vip.status.conditions;
  t.ok(conditions.some(({ type, status }) => type === "Ready" && status === "True"));

  const placed = (subnet: string) => ({ "ovn.kubernetes.io/logical_switch": subnet });
  const server = (name: string, node: string, priority: number) =>
    keepalivedPod(
      { namespace: HOME, name, node },
      {
        labels: SERVERS,
        annotations: { ...placed(OWN), "ovn.kubernetes.io/aaps": HOME, "ovn.kubernetes.io/port_security": "true" },
        addresses: ADDRESSES,
        priority,
      },
    );
  const clients = (await run(world, [
    idlePod(HOME, "near", first, placed(OWN)),
    idlePod(HOME, "far", second, placed(OWN)),
    idlePod(HOME, "routed-near", first, placed(OTHER)),
    idlePod(HOME, "routed-far", second, placed(OTHER)),
  ])) as [Thing, Thing, Thing, Thing];
  await run(world, [server("one", first, 150), server("two", second, 100)]);
  const parents = `one.${HOME},two.${HOME}`;
  for (const address of ADDRESSES)
    await world.nb.until(`the virtual port of ${address} has both parents`, () =>
      [...world.nb.mirror.rows("Logical_Switch_Port")].some(
        ({ type, options }) =>
          type === "virtual" && options["virtual-ip"] === address && options["virtual-parents"] === parents,
      ),
    );
  t.match(
    world.nb.port(`two.${HOME}`)?.port_security,
    [new RegExp(`${v4ip} ${v6ip}$`)],
    "port security lets it send from them",
  );

  /** Resolves when the pod, and no other, has the Vip's addresses. */
  const isMaster = async (name: string): Promise<void> => {
    const pod = world.pods.get(`${HOME}/${name}`);
    if (pod === undefined) throw new Error(`there is no pod ${name}`);
    await until(`${name} is the master`, 30_000, async () => {
      const { stdout } = await inPod(pod)(["ip", "-o", "address", "show", "dev", "eth0"]);
      return ADDRESSES.every((address) => stdout.includes(`${address}/`));
    });
  };
  const isReached = async (): Promise<void> => {
    for (const client of clients)
      for (const address of ADDRESSES)
        await until(
          `${address} answers ${client.metadata.name}`,
          30_000,
          async () => (await ping(inPod(client), address, 1)).ok,
        );
  };
  await isMaster("one");
  await isReached();
  t.pass("every client reaches it at the first master");

  /** Moves the Vip while every client pings it 100 times a second, and returns how long each had no answer. */
  const move = async (how: string, to: string, action: () => Promise<unknown>): Promise<void> => {
    const streams = await Promise.all(
      clients.flatMap((client) =>
        ADDRESSES.map(async (address) => ({
          name: `${client.metadata.name} ${address}`,
          stream: await pingStream(podNetns(client.metadata.uid), address, 10),
        })),
      ),
    );
    await action();
    await isMaster(to);
    await isReached();
    for (const { name, stream } of streams) {
      const shots = await stream.stop();
      t.ok(
        shots.slice(-50).some(({ echoed }) => echoed !== undefined),
        `${how}: ${name} is answered, after ${Math.round(longestGap(shots))} ms`,
      );
    }
  };
  const ref = { namespace: HOME, name: "one" };
  await move("the master ends", "two", async () => {
    await world.kube.delete(PODS, ref);
    await world.pods.gone(`${HOME}/one`);
  });
  await move("the first one comes back", "one", async () => {
    await world.kube.create(PODS, server("one", first, 150));
    await ready(world, HOME, ["one"]);
  });
  await move("the master is killed", "two", () => world.kube.delete(PODS, ref, { gracePeriodSeconds: 0 }));
});
