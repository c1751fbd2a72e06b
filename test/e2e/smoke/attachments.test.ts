// SPDX-License-Identifier: Apache-2.0

import t, { type Test } from "tap";
import { until } from "../../../hack/lab/wait.ts";
import { ping, urlHost } from "../../../hack/traffic/probe.ts";
import { CNI_ERROR } from "../../../src/api/cni-message.ts";
import { PODS } from "../../../src/kube/resources.ts";
import { sameInventory, takeInventory } from "../testing/inventory.ts";
import { createNetwork, lookInside, macvlanNetwork, ovnNetwork, useNetworkType } from "../testing/networks.ts";
import type { Thing } from "../testing/objects.ts";
import { callPlugin, type PluginParameters, type PluginRun } from "../testing/plugin.ts";
import { inPod, ready, remove, useNamespace, webPod } from "../testing/pods.ts";
import { connects } from "../testing/policies.ts";
import { judged, useSubnet } from "../testing/subnets.ts";
import { timed } from "../testing/when.ts";
import { openWorld, type World, whyNoLab } from "../testing/world.ts";

const HOME = "weft-networks";
const LAN = `lan.${HOME}.ovn`;
const WIRE = `wire.${HOME}`;
const BARE = `bare.${HOME}.ovn`;

let world: World;
let pods: readonly [Thing, Thing];

/** The attachment of the pod's primary network: what the runtime made, and what Multus would pass on. */
function sandboxOf({ metadata: { name, uid }, spec }: Thing, ifName: string): PluginParameters {
  const port = world
    .ovs(spec.nodeName)
    .podInterfaces()
    .find(({ external_ids: ids }) => ids["pod_uid"] === uid && ids["if_name"] === "eth0");
  const { container_id: container = "", pod_netns: netns = "" } = port?.external_ids ?? {};
  return { container, netns, ifName, pod: { namespace: HOME, name, uid } };
}

/** Calls a plugin for a pod as Multus does. */
function call(pod: Thing, verb: string, conf: object, ifName: string, program?: string): Promise<PluginRun> {
  return callPlugin(world, pod.spec.nodeName, verb, conf, sandboxOf(pod, ifName), program);
}

function annotation(pod: Thing, provider: string, key: string): string {
  return pod.metadata.annotations?.[`${provider}.kubernetes.io/${key}`] ?? "";
}

/** The IP object of a pod's interface. */
function ipOf(pod: Thing, provider: string): Thing {
  const name = `${pod.metadata.name}.${HOME}.${provider}`;
  const found = world.ips.get(name);
  if (found === undefined) throw new Error(`there is no IP object ${name}`);
  return found;
}

/** Pings and a TCP connection from the first pod to the second's addresses. */
async function speak(t: Test, addresses: readonly string[]): Promise<void> {
  const exec = inPod(pods[0]);
  for (const address of addresses) {
    const echoes = async (): Promise<boolean> => (await ping(exec, address, 1)).ok;
    await until(`${address} answers`, 10_000, echoes);
    t.ok(await connects(exec, address, 8080), `a connection to ${urlHost(address)}:8080`);
  }
}

t.test("secondary interfaces of pods", { skip: whyNoLab(), timeout: 240_000 }, async (t) => {
  world = await openWorld(t);
  await useNetworkType(t, world);
  await useNamespace(t, world, HOME);
  const cidrBlock = "10.51.0.0/24,fd00:10:51::/120";
  await useSubnet(t, world, "weft-lan", { provider: LAN, cidrBlock });
  await useSubnet(t, world, "weft-wire", { provider: WIRE, cidrBlock: "172.30.51.0/24,fd00:172:30:51::/120" });
  await useSubnet(t, world, "weft-bare", { provider: BARE, vlan: "none", cidrBlock: "" });
  await createNetwork(world, HOME, "lan", ovnNetwork("lan", HOME));
  await createNetwork(world, HOME, "wire", macvlanNetwork("wire", HOME));
  await createNetwork(world, HOME, "bare", ovnNetwork("bare", HOME));
  for (const name of ["weft-lan", "weft-wire"]) await judged(world, name);
  const before = await takeInventory(world);

  const networks = { "k8s.v1.cni.cncf.io/networks": "lan, wire, bare" };
  const routes = { [`${LAN}.kubernetes.io/routes`]: '[{"dst":"192.0.2.0/24","gw":"10.51.0.1"}]' };
  const chosen = { [`${LAN}.kubernetes.io/ip_address`]: "10.51.0.99", [`${LAN}.kubernetes.io/default_route`]: "true" };
  await world.kube.create(PODS, webPod(HOME, "one", "weft-1", { ...networks, ...routes }));
  await world.kube.create(PODS, webPod(HOME, "two", "weft-2", { ...networks, ...chosen }));
  await ready(world, HOME, ["one", "two"]);
  const allocated = (name: string) =>
    world.pods.until(`${HOME}/${name}`, "has an address of each network", (pod) => {
      const all = [LAN, WIRE, BARE].every((provider) => pod && annotation(pod, provider, "allocated") === "true");
      return all && pod;
    });
  pods = [await allocated("one"), await allocated("two")];
  const [one, two] = pods;
  const inner = await takeInventory(world);

  await t.test("a network on OVN: each pod has a second interface, and pods reach each other over it", async (t) => {
    const results: PluginRun[] = [];
    for (const pod of pods) {
      const { result, took } = await timed(() => call(pod, "ADD", ovnNetwork("lan", HOME), "net1"));
      t.comment(`ADD of ${pod.metadata.name}: ${took} with the shim's start`);
      const { v4IpAddress: v4, v6IpAddress: v6, macAddress: mac } = ipOf(pod, LAN).spec;
      const gateways = pod === two ? [{ gateway: "10.51.0.1" }, { gateway: "fd00:10:51::1" }] : [{}, {}];
      const defaults = [
        { dst: "0.0.0.0/0", gw: "10.51.0.1" },
        { dst: "::/0", gw: "fd00:10:51::1" },
      ];
      t.strictSame(
        result,
        {
          code: 0,
          out: {
            cniVersion: "1.0.0",
            interfaces: [{ name: "net1", mac, sandbox: sandboxOf(pod, "net1").netns }],
            ips: [
              { address: `${v4}/24`, ...gateways[0], interface: 0 },
              { address: `${v6}/120`, ...gateways[1], interface: 0 },
            ],
            routes: pod === two ? defaults : [{ dst: "192.0.2.0/24", gw: "10.51.0.1" }],
            dns: {},
          },
        },
        "the answer is what the IP object says",
      );
      t.match(await lookInside(pod, "net1"), { mac, addresses: [`${v4}/24`, `${v6}/120`] });
      const port = world.nb.port(`${pod.metadata.name}.${HOME}.${LAN}`);
      t.same(port?.addresses, [`${mac} ${v4} ${v6}`]);
      results.push(result);
    }
    const { v4IpAddress: v4, v6IpAddress: v6 } = ipOf(two, LAN).spec;
    t.equal(v4, "10.51.0.99", "the address that the pod asked for");
    await speak(t, [v4, v6]);
    await speak(t, [annotation(two, "ovn", "ip_address").split(",")[0] ?? ""]);

    const [first, second] = await Promise.all([lookInside(one, "net1"), lookInside(two, "net1")]);
    t.ok(first?.routes.includes("192.0.2.0/24"), "the route that the pod asked for");
    t.notOk(first?.routes.includes("default"), "no default route");
    t.equal(second?.routes.filter((route) => route === "default").length, 2, "unless the pod asked for it");
    t.notOk((await lookInside(two, "eth0"))?.routes.includes("default"), "which no other pod has");

    for (const [index, pod] of pods.entries()) {
      const conf = { ...ovnNetwork("lan", HOME), prevResult: results[index]?.out };
      t.strictSame(await call(pod, "CHECK", conf, "net1"), { code: 0, out: undefined });
    }
    await inPod(one)(["ip", "address", "delete", `${ipOf(one, LAN).spec.v4IpAddress}/24`, "dev", "net1"]);
    const conf = { ...ovnNetwork("lan", HOME), prevResult: results[0]?.out };
    t.match(await call(one, "CHECK", conf, "net1"), { code: 1, out: { msg: "net1 has no address" } });
  });

  await t.test("a layer 2 network: interfaces without addresses that carry frames of any address", async (t) => {
    for (const [index, pod] of pods.entries()) {
      const mac = ipOf(pod, BARE).spec.macAddress;
      t.strictSame(await call(pod, "ADD", ovnNetwork("bare", HOME), "net3"), {
        code: 0,
        out: {
          cniVersion: "1.0.0",
          interfaces: [{ name: "net3", mac, sandbox: sandboxOf(pod, "net3").netns }],
          ips: [],
          routes: [],
          dns: {},
        },
      });
      t.match(await lookInside(pod, "net3"), { mac, addresses: [] });
      // As a DHCP client would.
      await inPod(pod)(["ip", "address", "add", `192.168.51.${index + 1}/24`, "dev", "net3"]);
    }
    await speak(t, ["192.168.51.2"]);
  });

  await t.test("another plugin's network: macvlan gets its addresses from the Subnet", async (t) => {
    for (const pod of pods) {
      const { result, took } = await timed(() => call(pod, "ADD", macvlanNetwork("wire", HOME), "net2", "macvlan"));
      t.comment(`macvlan's ADD of ${pod.metadata.name}: ${took}`);
      const { v4IpAddress: v4, v6IpAddress: v6 } = ipOf(pod, WIRE).spec;
      t.match(result, { code: 0, out: { interfaces: [{ name: "net2" }], routes: undefined } });
      const said: readonly { address: string }[] = result.out?.ips ?? [];
      t.same(
        said.map(({ address }) => address),
        [`${v4}/24`, `${v6}/120`],
      );
      t.match(await lookInside(pod, "net2"), { addresses: [`${v4}/24`, `${v6}/120`] });
      t.equal(world.nb.port(`${pod.metadata.name}.${HOME}.${WIRE}`), undefined, "OVN has no row of it");
      const conf = { ...macvlanNetwork("wire", HOME), prevResult: result.out };
      t.strictSame(await call(pod, "CHECK", conf, "net2", "macvlan"), { code: 0, out: undefined });
      const wrong = { ...result.out, ips: [{ ...said[0], address: "172.30.51.250/24" }] };
      t.match(await call(pod, "CHECK", { ...conf, prevResult: wrong }, "net2"), {
        code: 1,
        out: { code: CNI_ERROR.internal, msg: `with 172.30.51.250/24, not ${v4}/24` },
      });
    }
    const { v4IpAddress: v4, v6IpAddress: v6 } = ipOf(two, WIRE).spec;
    await speak(t, [v4, v6]);
  });

  await t.test("as IPAM the plugin answers in the requested version, and creates no interface", async (t) => {
    const { v4IpAddress: v4, v6IpAddress: v6 } = ipOf(one, WIRE).spec;
    for (const cniVersion of ["0.3.1", "0.4.0", "1.0.0", "1.1.0"]) {
      const [four, six] = cniVersion < "1.0.0" ? [{ version: "4" }, { version: "6" }] : [{}, {}];
      t.strictSame(await call(one, "ADD", { ...macvlanNetwork("wire", HOME), cniVersion }, "net9"), {
        code: 0,
        out: {
          cniVersion,
          ips: [
            { ...four, address: `${v4}/24` },
            { ...six, address: `${v6}/120` },
          ],
          routes: [],
          dns: {},
        },
      });
    }
    t.equal(await lookInside(one, "net9"), undefined);
  });

  await t.test("invalid requests are refused at once and change nothing", async (t) => {
    const now = await takeInventory(world);
    const lan = ovnNetwork("lan", HOME);
    for (const [what, conf, ifName, message] of [
      ["a provider of another kind", { ...lan, provider: WIRE }, "net8", "must end in .ovn"],
      ["no provider", { ...lan, provider: "" }, "net8", `${one.metadata.name}.${HOME} is already its eth0`],
      ["an interface twice", lan, "net8", "is already its net1"],
      ["an IPAM without a provider", { ...lan, type: "macvlan", ipam: { type: "kube-ovn" } }, "net8", "is missing"],
    ] as const) {
      const { code, out } = await call(one, "ADD", conf, ifName);
      t.match([code, out], [1, { code: CNI_ERROR.invalidConfig, msg: message }], what);
      t.match(out?.details, /provider/);
    }
    t.strictSame(await takeInventory(world), now);
  });

  await t.test("DEL and GC of a network remove its interfaces, and no others", async (t) => {
    for (const ifName of ["eth0", "net3"]) {
      t.strictSame(await call(one, "DEL", ovnNetwork("lan", HOME), ifName), { code: 0, out: undefined });
    }
    for (const [name, ifName] of [
      ["bare", "net3"],
      ["lan", "net1"],
    ] as const) {
      const conf = { ...ovnNetwork(name, HOME), cniVersion: "1.1.0", "cni.dev/valid-attachments": [] };
      t.ok(await lookInside(one, ifName), `GC of others has left ${ifName}`);
      t.strictSame(await call(one, "GC", conf, ""), { code: 0, out: undefined });
      t.equal(await lookInside(one, ifName), undefined, `${name}'s ${ifName} is gone`);
    }
    for (const pod of pods) {
      // A second DEL succeeds, also for interfaces that GC has removed.
      for (const again of ["first", "again"]) {
        for (const [conf, ifName, program] of [
          [macvlanNetwork("wire", HOME), "net2", "macvlan"],
          [ovnNetwork("bare", HOME), "net3", undefined],
          [ovnNetwork("lan", HOME), "net1", undefined],
        ] as const) {
          t.strictSame(await call(pod, "DEL", conf, ifName, program), { code: 0, out: undefined }, again);
        }
      }
      t.ok(await lookInside(pod, "eth0"));
    }
    t.strictSame(await takeInventory(world), inner, "what the controller has given is still the pods'");
  });

  await t.test("the addresses and ports of all networks are released with the pods", async (t) => {
    await remove(world, HOME, ["one", "two"]);
    await sameInventory(t, world, before, "nothing is left");
  });
});
