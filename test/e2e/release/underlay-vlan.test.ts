// SPDX-License-Identifier: Apache-2.0

import t, { type Test } from "tap";
import { EXTERNAL, EXTERNAL_PORT } from "../../../hack/lab/topology.ts";
import { until } from "../../../hack/lab/wait.ts";
import { type Exec, http, ping, urlHost } from "../../../hack/traffic/probe.ts";
import { providerNetworkKind } from "../../../src/kinds/provider-network.ts";
import { vlanKind } from "../../../src/kinds/vlan.ts";
import { SUBNETS } from "../../../src/kube/resources.ts";
import { Objects, type Thing } from "../testing/objects.ts";
import { plugOutside } from "../testing/outside-network.ts";
import { addressesOf, inPod, remove, run, useNamespace, webPod } from "../testing/pods.ts";
import { useObject } from "../testing/use-object.ts";
import { vlanHosts } from "../testing/vlan-hosts.ts";
import { openWorld, type World, whyNoLab } from "../testing/world.ts";

const NAMESPACE = "weft-vlan";
const NETWORK = "weft-trunk";
const FAMILIES = ["v4", "v6"] as const;
/** The gateway of the subnet in VLAN 100, an outside host. */
const HOST = { v4: "172.31.100.1", v6: "fd00:31:100::1" } as const;
/** A host with addresses of the same range in VLAN 200. */
const OTHER = { v4: "172.31.100.9", v6: "fd00:31:100::9" } as const;
/** A host of the range of the other subnet, in its VLAN 200. */
const NEIGHBOUR = { v4: "172.31.200.9", v6: "fd00:31:200::9" } as const;
/** Behind the gateway. */
const BEHIND = { v4: "198.51.100.1", v6: "fd00:198::1" } as const;

t.setTimeout(580_000);

let world: World;

/** The client's address that a pod's server sees; why it does not answer otherwise. */
async function clientOf(from: Exec, address: string, port = 8080): Promise<string> {
  const { ok, detail } = await http(from, `http://${urlHost(address)}:${port}/clientip`);
  return ok ? detail.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1") : detail;
}

/** Waits until a pod sees the client's expected address. */
async function sees(t: Test, what: string, from: Exec, to: string, client: string): Promise<void> {
  await until(what, 30_000, async () => (await clientOf(from, to)) === client).catch(() => undefined);
  t.equal(await clientOf(from, to), client, what);
}

/** Waits until an address answers. */
async function answers(t: Test, what: string, from: Exec, to: string): Promise<void> {
  await until(what, 30_000, async () => (await ping(from, to, 1)).ok).catch(() => undefined);
  t.ok((await ping(from, to)).ok, what);
}

t.test("pods in VLANs of an external network, and overlay pods", { skip: whyNoLab() }, async (t) => {
  world = await openWorld(t);
  const [first = "", second = ""] = world.lab.nodes;
  const namespace = await useNamespace(t, world, NAMESPACE);
  await plugOutside(t, world, { v4: "172.31.79.1", v6: "fd00:31:79::1" }, (i) => ({
    v4: `172.31.79.${11 + i}`,
    v6: `fd00:31:79::${11 + i}`,
  }));
  const [host, other] = (await vlanHosts(t, world, [
    { tag: 100, addresses: [`${HOST.v4}/24`, `${HOST.v6}/112`, `${BEHIND.v4}/32`, `${BEHIND.v6}/128`] },
    { tag: 200, addresses: [`${OTHER.v4}/24`, `${OTHER.v6}/112`, `${NEIGHBOUR.v4}/24`, `${NEIGHBOUR.v6}/112`] },
  ])) as [Exec, Exec];
  const networks = new Objects<Thing>(world.kube, providerNetworkKind.type);
  await networks.ready();
  t.teardown(() => networks.stop());
  await useObject(t, world, providerNetworkKind.type, NETWORK, { defaultInterface: "eth9" });
  await networks.until(NETWORK, "is ready", (network) => network?.status?.["ready"] === true, 60_000);
  await useObject(t, world, vlanKind.type, "weft-100", { provider: NETWORK, id: 100 });
  await useObject(t, world, vlanKind.type, "weft-200", { provider: NETWORK, id: 200 });
  await useObject(t, world, SUBNETS, "weft-100", {
    vlan: "weft-100",
    cidrBlock: "172.31.100.0/24,fd00:31:100::/112",
    gateway: `${HOST.v4},${HOST.v6}`,
    excludeIps: ["172.31.100.1..172.31.100.99", "fd00:31:100::1..fd00:31:100::99"],
  });
  const inVlan = (name: string, node: string, subnet = "weft-100") =>
    webPod(namespace, name, node, { "ovn.kubernetes.io/logical_switch": subnet });

  await t.test(
    "a pod reaches the host of its VLAN and is reached by it, and not the host of another VLAN",
    async (t) => {
      const pods = await run(world, [inVlan("one", first), inVlan("two", second)], 90_000);
      for (const [i, family] of FAMILIES.entries()) {
        for (const pod of pods) {
          const { name } = pod.metadata;
          const address = addressesOf(pod)[i] ?? "";
          await sees(t, `host to ${name}, ${family}`, host, address, HOST[family]);
          await answers(t, `${name} to the host, ${family}`, inPod(pod), HOST[family]);
          t.notOk((await ping(other, address, 1)).ok, `host of another VLAN to ${name}, ${family}`);
          t.notOk((await ping(inPod(pod), OTHER[family], 1)).ok, `${name} to the host of another VLAN, ${family}`);
          await answers(t, `${name} to what is behind the gateway, ${family}`, inPod(pod), BEHIND[family]);
        }
        const [one, two] = pods as [Thing, Thing];
        await sees(t, `pod to pod, ${family}`, inPod(one), addressesOf(two)[i] ?? "", addressesOf(one)[i] ?? "");
      }
      await remove(world, namespace, ["one", "two"]);
    },
  );

  await t.test(
    "with u2oInterconnection its pods and overlay pods reach each other with their own addresses",
    async (t) => {
      const overlay = (await run(
        world,
        [webPod(namespace, "over-one", first), webPod(namespace, "over-two", second)],
        90_000,
      )) as [Thing, Thing];
      for (const overlayOnlyRouting of [false, true]) {
        const body = { spec: { u2oInterconnection: true, u2oFeatures: { overlayOnlyRouting } } };
        await world.kube.patch(SUBNETS, { name: "weft-100" }, { type: "merge", body });
        const subnet = await world.subnets.until(
          "weft-100",
          "has the router's address",
          (one) => (one?.status?.["u2oInterconnectionIP"] ? one : false),
          30_000,
        );
        t.match(subnet.status, { u2oInterconnectionVPC: "ovn-cluster" });
        const [one, two] = (await run(world, [inVlan("one", first), inVlan("two", second)], 90_000)) as [Thing, Thing];
        const mode = overlayOnlyRouting ? "overlay only" : "u2o";
        for (const [i, family] of FAMILIES.entries()) {
          for (const [under, over] of [
            [one, overlay[0]],
            [one, overlay[1]],
            [two, overlay[0]],
          ] as const) {
            const [u, o] = [addressesOf(under)[i] ?? "", addressesOf(over)[i] ?? ""];
            const names = `${under.metadata.name} and ${over.metadata.name}, ${family}, ${mode}`;
            await sees(t, `overlay to underlay: ${names}`, inPod(over), u, o);
            await sees(t, `underlay to overlay: ${names}`, inPod(under), o, u);
          }
          await sees(t, `host to the pod, ${family}, ${mode}`, host, addressesOf(one)[i] ?? "", HOST[family]);
          await answers(t, `pod to what is behind the gateway, ${family}, ${mode}`, inPod(two), BEHIND[family]);
        }
        await remove(world, namespace, ["one", "two"]);
      }
      await world.kube.patch(
        SUBNETS,
        { name: "weft-100" },
        { type: "merge", body: { spec: { u2oInterconnection: false, u2oFeatures: null } } },
      );
      await world.subnets.until(
        "weft-100",
        "has no router any more",
        (one) => one?.status?.["u2oInterconnectionIP"] === "",
        30_000,
      );
    },
  );

  await t.test("with logicalGateway the VPC's router is the gateway: pods leave by their nodes", async (t) => {
    await useObject(t, world, SUBNETS, "weft-200", {
      vlan: "weft-200",
      cidrBlock: "172.31.200.0/24,fd00:31:200::/112",
      excludeIps: ["172.31.200.1..172.31.200.99", "fd00:31:200::1..fd00:31:200::99"],
      logicalGateway: true,
      natOutgoing: true,
    });
    const [one, two] = (await run(
      world,
      [inVlan("logical-one", first, "weft-200"), inVlan("logical-two", second, "weft-200")],
      90_000,
    )) as [Thing, Thing];
    const over = world.pods.get(`${namespace}/over-one`) as Thing;
    for (const [i, family] of FAMILIES.entries()) {
      const own = addressesOf(one)[i] ?? "";
      await sees(t, `pod to pod, ${family}`, inPod(one), addressesOf(two)[i] ?? "", own);
      await sees(t, `to an overlay pod, ${family}`, inPod(one), addressesOf(over)[i] ?? "", own);
      await sees(t, `from an overlay pod, ${family}`, inPod(over), own, addressesOf(over)[i] ?? "");
      await sees(t, `host of the VLAN to the pod, ${family}`, other, own, NEIGHBOUR[family]);
      await answers(t, `pod to the host of its VLAN, ${family}`, inPod(two), NEIGHBOUR[family]);
      t.notOk((await ping(host, own, 1)).ok, `host of another VLAN to the pod, ${family}`);
      const out = await http(inPod(one), `http://${urlHost(EXTERNAL[family])}:${EXTERNAL_PORT}/`);
      t.ok(out.ok, `out by its node, ${family}: ${out.detail}`);
    }
    await remove(world, namespace, ["logical-one", "logical-two"]);
  });
});
