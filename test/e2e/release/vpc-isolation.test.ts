// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { until } from "../../../hack/lab/wait.ts";
import { http, ping, urlHost } from "../../../hack/traffic/probe.ts";
import { SERVICES, SUBNETS, VPCS } from "../../../src/kube/resources.ts";
import { countFrames, type FrameCounter, macOf } from "../testing/frames.ts";
import type { Thing } from "../testing/objects.ts";
import { addressesOf, idlePod, inPod, run, useNamespace, webPod } from "../testing/pods.ts";
import { answeredBy, echoes } from "../testing/reachable.ts";
import { judged, useSubnet } from "../testing/subnets.ts";
import { openWorld, syncNodes, whyNoLab } from "../testing/world.ts";

/** Both have the same ranges, and pods with the same addresses. */
const TWINS = ["weft-red", "weft-blue"] as const;
const CIDR = "10.88.0.0/24,fd00:88::/120";
/** A VPC that is peered with the first of the twins. */
const PEER = "weft-green";
/** A subnet in the default VPC, with the same range. */
const PLAIN = "weft-plain";

t.setTimeout(300_000);

t.test("VPCs with the same CIDR", { skip: whyNoLab() }, async (t) => {
  const world = await openWorld(t);
  const [first = "", second = ""] = world.lab.nodes;

  const useVpc = async (name: string, cidrBlock: string, spec: object = {}): Promise<void> => {
    await useNamespace(t, world, name);
    if (world.vpcs.get(name) !== undefined) {
      await world.kube.delete(VPCS, { name });
      await world.vpcs.gone(name);
    }
    await world.kube.create(VPCS, { metadata: { name }, spec: { namespaces: [name], ...spec } });
    t.teardown(async () => {
      if (world.vpcs.get(name) !== undefined) await world.kube.delete(VPCS, { name });
    });
    await useSubnet(t, world, `${name}-pods`, { vpc: name, cidrBlock, namespaces: [name] });
    await judged(world, `${name}-pods`);
  };
  const fixed = (v4: string, v6: string) => ({ "ovn.kubernetes.io/ip_address": `${v4},${v6}` });
  /** A pod on each node, with the same addresses in each VPC, and a third one with an address of the VPC's own range. */
  const podsOf = async (vpc: string): Promise<readonly [Thing, Thing, Thing]> => {
    const [near, far, other] = await run(world, [
      webPod(vpc, `${vpc}-near`, first, fixed("10.88.0.11", "fd00:88::11")),
      webPod(vpc, `${vpc}-far`, second, fixed("10.88.0.12", "fd00:88::12")),
      webPod(vpc, `${vpc}-other`, first, fixed("10.88.0.200", "fd00:88::c8")),
    ]);
    if (near === undefined || far === undefined || other === undefined) throw new Error("no pods");
    return [near, far, other];
  };

  for (const vpc of TWINS) await useVpc(vpc, CIDR);
  const red = await podsOf(TWINS[0]);
  const blue = await podsOf(TWINS[1]);

  await t.test("pods with the same address are reachable in their own VPC, and only there", async (t) => {
    for (const [pods, vpc] of [
      [red, TWINS[0]],
      [blue, TWINS[1]],
    ] as const) {
      for (const from of pods) {
        for (const to of pods.filter((pod) => pod !== from)) {
          for (const address of addressesOf(to)) {
            const url = `http://${urlHost(address)}:8080/hostname`;
            // Several times, because a packet might reach the other VPC's pod only sometimes.
            const asked = Array.from({ length: 5 }, () => answeredBy(inPod(from), url, to.metadata.name));
            await t.resolves(Promise.all(asked), `${from.metadata.name} to ${address} in ${vpc}`);
          }
        }
      }
    }
  });

  /** All kinds of packets that have several receivers, or ask for an address. */
  const shout = async (pod: Thing): Promise<void> => {
    const exec = inPod(pod);
    const own = addressesOf(pod)[0];
    await Promise.all([
      exec(["busybox", "arping", "-c", "2", "-w", "2", "-I", "eth0", "10.88.0.77"]),
      exec(["busybox", "arping", "-U", "-c", "2", "-w", "2", "-I", "eth0", own]),
      exec(["busybox", "arping", "-A", "-c", "2", "-w", "2", "-I", "eth0", own]),
      exec(["busybox", "ping", "-c", "2", "-W", "1", "-I", "eth0", "224.0.0.1"]),
      exec(["busybox", "ping", "-c", "2", "-W", "1", "-I", "eth0", "239.88.88.88"]),
      exec(["busybox", "ping6", "-c", "2", "-W", "1", "-I", "eth0", "ff02::1"]),
      exec(["busybox", "ping6", "-c", "1", "-W", "1", "fd00:88::77"]),
      exec(["busybox", "udhcpc", "-n", "-q", "-f", "-t", "1", "-T", "1", "-i", "eth0", "-s", "/bin/true"]),
    ]);
  };

  await t.test(
    "neither VPC receives ARP, ND, broadcast or multicast of the other, on one node and between nodes",
    async (t) => {
      for (const [talk, listen] of [
        [red, blue],
        [blue, red],
      ] as const) {
        const macs = talk.map(macOf);
        const counters = new Map<Thing, FrameCounter>();
        for (const pod of [...talk, ...listen]) counters.set(pod, await countFrames(pod, macs));
        const read = async (pod: Thing) => (await counters.get(pod)?.read()) ?? {};
        for (const pod of talk) await shout(pod);
        // The senders' own VPC has received it: this shows that the count of the others is valid, and that all has
        // arrived.
        for (const pod of talk) {
          for (const mac of macs.filter((one) => one !== macOf(pod))) {
            const talker = talk.find((one) => macOf(one) === mac);
            await until(`${pod.metadata.name} receives frames of ${mac}`, 60_000, async () => {
              if (((await read(pod))[mac] ?? 0) >= 10) return true;
              // Its commands end after a time, and may not have sent everything on a busy machine.
              if (talker !== undefined) await shout(talker);
              return false;
            });
          }
        }
        for (const pod of listen) {
          const heard = Object.values(await read(pod));
          t.equal(heard.length, 3);
          t.ok(
            heard.every((n) => n === 0),
            `${pod.metadata.name} has heard nothing of ${talk[0].metadata.namespace}: ${heard.join(", ")}`,
          );
        }
        for (const counter of counters.values()) await counter.stop();
      }
    },
  );

  await t.test("a Service of one VPC does not exist in the other, although its endpoint's address does", async (t) => {
    const [name] = TWINS;
    const ports = [{ port: 80, targetPort: 8080 }];
    await world.kube.create(SERVICES, {
      metadata: { name: "far", namespace: name },
      spec: { selector: { app: `${name}-far` }, ports },
    } as never);
    const service = await world.kube.get<Thing>(SERVICES, { namespace: name, name: "far" });
    const url = `http://${urlHost(service.spec.clusterIP)}/hostname`;
    await until(
      "pods of its VPC reach it",
      30_000,
      async () => (await http(inPod(red[0]), url, red[1].metadata.name)).ok,
    );
    const other = await http(inPod(blue[0]), url);
    t.notOk(other.ok, `a pod of the other VPC does not: ${other.detail}`);
  });

  await t.test("pods of the default VPC are refused, also if one of them has the endpoint's address", async (t) => {
    await useNamespace(t, world, PLAIN);
    await useSubnet(t, world, `${PLAIN}-pods`, { cidrBlock: CIDR, namespaces: [PLAIN] });
    await judged(world, `${PLAIN}-pods`);
    const [decoy, near, far] = await run(world, [
      webPod(PLAIN, "decoy", second, fixed("10.88.0.12", "fd00:88::12")),
      idlePod(PLAIN, "near", second, fixed("10.88.0.21", "fd00:88::21")),
      idlePod(PLAIN, "far", first, fixed("10.88.0.22", "fd00:88::22")),
    ]);
    if (decoy === undefined || near === undefined || far === undefined) throw new Error("no pods");
    const [name] = TWINS;
    const metadata = { name: "both", namespace: name };
    const ports = [{ port: 80, targetPort: 8080 }];
    await world.kube.create(SERVICES, {
      metadata,
      spec: { selector: { app: `${name}-far` }, ports, ipFamilyPolicy: "RequireDualStack" },
    } as never);
    const { spec } = await world.kube.get<Thing>(SERVICES, metadata);
    for (const [family, address] of addressesOf(decoy).entries()) {
      const service = `http://${urlHost(spec.clusterIPs[family])}/hostname`;
      const reached = async (): Promise<boolean> => (await http(inPod(red[0]), service, red[1].metadata.name)).ok;
      await until("pods of its VPC reach it", 30_000, reached);
      for (const client of [near, far]) {
        const { metadata: from } = client;
        await t.resolves(
          answeredBy(inPod(client), `http://${urlHost(address)}:8080/hostname`, "decoy"),
          "by its address",
        );
        // A delivered connection would be answered, whether kube-proxy or OVN delivers it.
        for (let i = 0; i < 5; i++) {
          const { ok, detail } = await http(inPod(client), service);
          t.notOk(ok, `${from.name} to ${spec.clusterIPs[family]}: ${detail}`);
          t.match(detail, /refused|Couldn't connect|reset/, "at once");
        }
      }
    }
  });

  await t.test("a BFD port changes nothing for the pods of its VPC", async (t) => {
    const body = { spec: { bfdPort: { enabled: true, ip: "10.255.255.255,fd00:ffff::1" } } };
    await world.kube.patch(VPCS, { name: TWINS[0] }, { type: "merge", body });
    const port = await world.vpcs.until(TWINS[0], "has its BFD port", ({ status } = {} as Thing) =>
      status?.bfdPort?.nodes?.length === 2 ? status.bfdPort : false,
    );
    t.match(port, { name: `bfd@${TWINS[0]}`, ip: "10.255.255.255,fd00:ffff::1" });
    const ports = [...world.nb.mirror.rows("Logical_Router_Port")];
    t.ok(
      ports.some(({ name }) => name === port.name),
      "the router has it",
    );
    await syncNodes(world);
    for (const address of addressesOf(red[1]))
      await t.resolves(echoes(inPod(red[0]), address), `${address} across nodes`);
    for (const address of addressesOf(red[2]))
      await t.resolves(echoes(inPod(red[0]), address), `${address} on the node`);
    await world.kube.patch(VPCS, { name: TWINS[0] }, { type: "merge", body: { spec: { bfdPort: null } } });
    await world.nb.until("its port has gone", () =>
      [...world.nb.mirror.rows("Logical_Router_Port")].every(({ name }) => name !== port.name),
    );
  });

  await t.test("peered VPCs reach each other only as far as their routes define", async (t) => {
    const link = (remoteVpc: string, n: number) => ({
      vpcPeerings: [{ remoteVpc, localConnectIP: `169.254.88.${n}/30,fd69:88::${n}/126` }],
    });
    const route = (cidr: string, nextHopIP: string) => ({ cidr, nextHopIP });
    await useVpc(PEER, "10.89.0.0/24,fd00:89::/120", {
      ...link(TWINS[0], 2),
      // Not to 10.88.0.200, nor to fd00:88::c8.
      staticRoutes: [route("10.88.0.0/28", "169.254.88.1"), route("fd00:88::/123", "fd69:88::1")],
    });
    const [green] = await run(world, [webPod(PEER, `${PEER}-pod`, second)]);
    if (green === undefined) throw new Error("no pod");
    const [v4, v6] = addressesOf(green);
    const to = (from: Thing, address: string, name: string): Promise<unknown> =>
      answeredBy(inPod(from), `http://${urlHost(address)}:8080/hostname`, name);
    t.notOk((await ping(inPod(green), "10.88.0.11", 1)).ok, "nothing before the other side names it");

    const spec = {
      ...link(PEER, 1),
      staticRoutes: [route("10.89.0.0/24", "169.254.88.2"), route("fd00:89::/120", "fd69:88::2")],
    };
    await world.kube.patch(VPCS, { name: TWINS[0] }, { type: "merge", body: { spec } });
    for (const [vpc, remote] of [
      [TWINS[0], PEER],
      [PEER, TWINS[0]],
    ] as const)
      await world.vpcs.until(vpc, "is peered", (object) => object?.status?.vpcPeerings?.includes(remote) === true);
    for (const [pod, four, six] of [
      [red[0], "10.88.0.11", "fd00:88::11"],
      [red[1], "10.88.0.12", "fd00:88::12"],
    ] as const) {
      for (const address of [four, six]) await to(green, address, pod.metadata.name);
      for (const address of [v4, v6])
        await t.resolves(to(pod, address, green.metadata.name), `${pod.metadata.name} to ${address}`);
    }
    for (const address of addressesOf(red[2]))
      t.notOk((await ping(inPod(green), address, 1)).ok, `there is no route to ${address}`);
    for (const pod of blue) {
      for (const address of [v4, v6])
        t.notOk((await ping(inPod(pod), address, 1)).ok, `${pod.metadata.name} to ${address}`);
    }

    // A subnet that overlaps one of the peer is refused, and the peering stays active.
    await useSubnet(t, world, "weft-green-2", { vpc: PEER, cidrBlock: "10.88.0.128/25" });
    t.match((await judged(world, "weft-green-2", "SubnetConflict")).message, /with which VPC weft-green is peered/);
    await to(green, "10.88.0.11", red[0].metadata.name);
    await world.kube.delete(SUBNETS, { name: "weft-green-2" });

    // Packets that would be rerouted without a path are dropped.
    const rule = { priority: 10, match: "ip4.dst == 10.88.0.12", action: "reroute", nextHopIP: "192.0.2.1" };
    await world.kube.patch(VPCS, { name: PEER }, { type: "merge", body: { spec: { policyRoutes: [rule] } } });
    await until(
      "10.88.0.12 is not reached past the rule",
      30_000,
      async () => !(await ping(inPod(green), "10.88.0.12", 1)).ok,
    );
    await t.resolves(echoes(inPod(green), "10.88.0.11"), "others are");

    // One side alone can end it.
    await world.kube.patch(VPCS, { name: TWINS[0] }, { type: "merge", body: { spec: { vpcPeerings: null } } });
    await until("the peering has ended", 30_000, async () => !(await ping(inPod(green), "10.88.0.11", 1)).ok);
  });
});
