// SPDX-License-Identifier: Apache-2.0

import { setTimeout as delay } from "node:timers/promises";
import t from "tap";
import { podNetns } from "../../../hack/traffic/pods.ts";
import { datagramStream, echoServer, longestSilence } from "../../../hack/traffic/stream.ts";
import { VPCS } from "../../../src/kube/resources.ts";
import { answerBfd, cut, heal } from "../testing/bfd.ts";
import type { Thing } from "../testing/objects.ts";
import { addressesOf, idlePod, inPod, run, useNamespace } from "../testing/pods.ts";
import { judged, useSubnet } from "../testing/subnets.ts";
import { openWorld, syncNodes, whyNoLab } from "../testing/world.ts";

const VPC = "weft-bfd";
const SUBNET = `${VPC}-pods`;
const PORT_IP = "10.255.93.1,fd00:ff93::1";
/** A destination behind the gateways: each of them has the address. */
const BEHIND = { v4: "172.31.93.1", v6: "fd00:31:93::1" } as const;
const RANGES = { v4: "172.31.93.0/24", v6: "fd00:31:93::/64" } as const;
const FAMILIES = ["v4", "v6"] as const;
const ECHO_PORT = 7093;
const EVERY_MS = 20;
/** Number of pods on each node: enough that some use each gateway. Open vSwitch's userspace datapath chooses by addresses alone for UDP. */
const CLIENTS = 3;
/** Minimum loss of a flow through the gateway that dies, in s: BFD needs 1.5 s to detect it. */
const LEAST_S = 0.5;
/** Minimum number of packets that a gateway receives in two seconds if a flow of 100 datagrams uses it: more than BFD sessions and neighbour discovery send. */
const LEAST_PACKETS = 70;
/** The limit on a heavily loaded machine, in s. The target is 3 s. */
const MOST_S = 10;

t.setTimeout(540_000);

t.test(
  "BFD from a VPC's own port removes failed egress gateways from ECMP routes",
  { skip: whyNoLab(), timeout: 540_000 },
  async (t) => {
    const world = await openWorld(t);
    const [first = "", second = ""] = world.lab.nodes;
    const nbctl = async (...args: readonly string[]): Promise<string> => {
      const command = ["-n", "kube-system", "exec", "deploy/ovn-central", "--", "ovn-nbctl", ...args];
      return (await world.lab.kubectl(command)).stdout.trim();
    };
    const namespace = await useNamespace(t, world, VPC);
    await world.kube.create(VPCS, {
      metadata: { name: VPC },
      spec: { bfdPort: { enabled: true, ip: PORT_IP } },
    } as never);
    t.teardown(() => world.kube.delete(VPCS, { name: VPC }).catch(() => undefined));
    await useSubnet(t, world, SUBNET, { vpc: VPC, cidrBlock: "10.93.0.0/24,fd00:93::/120" });
    await judged(world, SUBNET);
    const pod = (name: string, node: string) =>
      idlePod(namespace, name, node, { "ovn.kubernetes.io/logical_switch": SUBNET });
    const names = [first, second].flatMap((node) => Array.from({ length: CLIENTS }, (_, i) => [node, `c${i}-${node}`]));
    const [one, two, ...clients] = (await run(world, [
      pod("gateway-1", first),
      pod("gateway-2", second),
      ...names.map(([node = "", name = ""]) => pod(name, node)),
    ])) as [Thing, Thing, ...Thing[]];
    const port = await world.vpcs.until(VPC, "has its BFD port", (vpc) => vpc?.status?.bfdPort?.nodes?.length > 0);
    t.ok(port);

    const netnsOf = (of: Thing): string => podNetns(of.metadata.uid);
    for (const gateway of [one, two]) {
      await inPod(gateway)(["ip", "addr", "add", `${BEHIND.v4}/32`, "dev", "lo"]);
      await inPod(gateway)(["ip", "addr", "add", `${BEHIND.v6}/128`, "dev", "lo", "nodad"]);
    }
    for (const gateway of [one, two]) {
      for (const part of [await answerBfd(netnsOf(gateway)), await echoServer(netnsOf(gateway), ECHO_PORT)])
        t.teardown(() => part.stop());
    }

    const staticRoutes: object[] = [];
    for (const gateway of [one, two]) {
      for (const [i, family] of FAMILIES.entries()) {
        const nextHopIP = addressesOf(gateway)[i] ?? "";
        const pace = ["min_tx=300", "min_rx=300", "detect_mult=5"];
        const uuid = await nbctl("create", "BFD", `logical_port="bfd@${VPC}"`, `dst_ip="${nextHopIP}"`, ...pace);
        t.teardown(() => nbctl("--if-exists", "destroy", "BFD", uuid));
        staticRoutes.push({ cidr: RANGES[family], nextHopIP, bfdId: uuid });
      }
    }
    const apply = (spec: object) => world.kube.patch(VPCS, { name: VPC }, { type: "merge", body: { spec } });
    /** Waits until both sessions with a gateway have a status, and nodes have installed the resulting flows. */
    const become = async (gateway: Thing, status: "up" | "down"): Promise<void> => {
      const what = `the sessions with ${gateway.metadata.name} are ${status}`;
      await world.nb.until(
        what,
        () => {
          const rows = [...world.nb.mirror.rows("BFD")].filter(({ dst_ip }) => addressesOf(gateway).includes(dst_ip));
          return rows.length === FAMILIES.length && rows.every((row) => row.status === status);
        },
        60_000,
      );
      await syncNodes(world);
    };
    await apply({ staticRoutes });
    for (const gateway of [one, two])
      await t.resolves(become(gateway, "up"), `the sessions with ${gateway.metadata.name} are up`);

    const start = () =>
      Promise.all(
        clients.flatMap((client) =>
          FAMILIES.map(async (family) => ({
            flow: `${client.metadata.name}, ${family}`,
            stream: await datagramStream(netnsOf(client), BEHIND[family], ECHO_PORT, EVERY_MS),
          })),
        ),
      );
    const received = async (of: Thing): Promise<number> => {
      const { stdout } = await inPod(of)(["ip", "-s", "link", "show", "dev", "eth0"]);
      return Number(/RX:.*\n\s*\d+\s+(\d+)/.exec(stdout)?.[1]);
    };
    await t.test("flows through a gateway that dies use the other one", async (t) => {
      const streams = await start();
      await delay(2_000);
      const shares = await Promise.all([one, two].map(received));
      await delay(2_000);
      for (const [i, gateway] of [one, two].entries())
        t.ok((await received(gateway)) - (shares[i] ?? 0) > LEAST_PACKETS, `${gateway.metadata.name} has its share`);
      const begun = Date.now();
      await cut(netnsOf(one));
      await become(one, "down");
      await delay(1_000);
      const ended = Date.now();
      await heal(netnsOf(one));
      await become(one, "up");
      await delay(1_000);
      const back = Date.now();
      await delay(1_000);
      const stopped = Date.now();
      const lost: number[] = [];
      const all = await Promise.all(streams.map(async ({ flow, stream }) => ({ flow, shots: await stream.stop() })));
      for (const { flow, shots } of all) {
        const some = (from: number, to: number): boolean =>
          shots.some(({ sent, echoed }) => sent >= from && sent < to && echoed !== undefined);
        t.ok(some(begun - 1_000, begun), `${flow}: it goes through before`);
        t.ok(some(ended - 1_000, ended), `${flow}: and without the gateway`);
        t.ok(some(back, stopped), `${flow}: and when it is back`);
        const seconds = longestSilence(
          shots.filter(({ sent }) => sent >= begun && sent < ended),
          EVERY_MS,
        );
        t.ok(seconds <= MOST_S, `${flow} has lost ${seconds.toFixed(2)} s`);
        lost.push(seconds);
      }
      const most = Math.max(...lost);
      t.ok(most > LEAST_S, "some flows went by it");
      t.comment(`flows lost up to ${most.toFixed(2)} s`);
    });

    await t.test("without a session that is up a destination is not reachable, but one without BFD is", async (t) => {
      const [client] = clients;
      const through = async (): Promise<boolean> => {
        const stream = await datagramStream(netnsOf(client as Thing), BEHIND.v4, ECHO_PORT, EVERY_MS);
        await delay(1_000);
        return (await stream.stop()).some(({ echoed }) => echoed !== undefined);
      };
      const routesBecome = async (hops: readonly string[]): Promise<void> => {
        await world.nb.until(`the next hops to ${RANGES.v4} are ${hops}`, () => {
          const rows = [...world.nb.mirror.rows("Logical_Router_Static_Route")];
          const found = rows.flatMap(({ ip_prefix, nexthop }) => (ip_prefix === RANGES.v4 ? nexthop : []));
          return found.sort().join() === [...hops].sort().join();
        });
        await syncNodes(world);
      };
      const [v4] = addressesOf(one);
      const [other] = addressesOf(two);
      // Without a route northd would set the sessions to admin_down.
      await apply({ staticRoutes: staticRoutes.slice(0, FAMILIES.length) });
      await routesBecome([v4]);
      await become(one, "up");
      t.ok(await through(), "with a session that is up it is");
      await cut(netnsOf(one));
      await become(one, "down");
      t.notOk(await through());
      await apply({ staticRoutes: [{ cidr: RANGES.v4, nextHopIP: other }] });
      await routesBecome([other]);
      t.ok(await through());
    });

    await apply({ bfdPort: null, staticRoutes: null });
    await world.nb.until("the port, its router and its sessions are gone", () => {
      const names = [...world.nb.mirror.rows("Logical_Router")].map(({ name }) => name);
      const ports = [...world.nb.mirror.rows("BFD")].map(({ logical_port }) => logical_port);
      return ![...names, ...ports].includes(`bfd@${VPC}`);
    });
    // The sessions are deleted with their port, and ovn-northd stays up.
    await t.resolves(syncNodes(world), "northd and the nodes follow that");
  },
);
