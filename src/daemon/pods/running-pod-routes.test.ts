// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { parseIp } from "../../net/address.ts";
import { parseCidr } from "../../net/cidr.ts";
import { Lanes } from "../cni/lanes.ts";
import { EXTERNAL_ID } from "../ovs/ports.ts";
import { ALLOCATED } from "../testing/allocated.ts";
import { FakeLinks, FakePods, FakePorts } from "../testing/fake-node.ts";
import { PodRoutes } from "./running-pod-routes.ts";

/** A running pod, and the `PodRoutes` of its node. */
async function setup() {
  const [links, ports, pods] = [new FakeLinks(), new FakePorts(), new FakePods()];
  const deps = { links, ports, pods, lanes: new Lanes(), log: { info: () => undefined } };
  const routes = new PodRoutes(deps);
  const noted: boolean[] = [];
  pods.subscribe(({ old, new: now }) => void noted.push(routes.note(old, now)));
  const attach = async (): Promise<void> => {
    const externalIds = {
      [EXTERNAL_ID.ifaceId]: "web-0.shop",
      ...{ [EXTERNAL_ID.podName]: "web-0", [EXTERNAL_ID.podNamespace]: "shop", [EXTERNAL_ID.podUid]: "u" },
      ...{ [EXTERNAL_ID.containerId]: "c1", [EXTERNAL_ID.ifName]: "eth0", [EXTERNAL_ID.podNetns]: "/run/netns/web-0" },
    };
    const spec = { portUuid: "p1", interfaceUuid: "i1", name: "c1_h", externalIds };
    await ports.attach(spec, new AbortController().signal);
  };
  const gateway = parseIp("10.16.0.1")!;
  links.pairs.set("c1_h", {
    ...{ hostName: "c1_h", netns: "/run/netns/web-0", ifName: "eth0", mac: "02:00:00:00:00:07", mtu: 1400 },
    ...{ addresses: [], alias: "", txChecksumOff: false },
    routes: [
      { destination: parseCidr("0.0.0.0/0")!, gateway, onlink: false },
      { destination: parseCidr("198.51.100.0/24")!, gateway, onlink: false, isConfigured: true },
    ],
  });
  const text = () =>
    links.pairs
      .get("c1_h")
      ?.routes.map((route) => `${route.destination.text} via ${route.gateway.text}`)
      .sort();
  return { links, ports, pods, routes, noted, attach, text };
}

t.test(
  "a subnet's new gateway and a user's own routes are set in a running pod; the configuration's stay",
  async (t) => {
    const { pods, routes, noted, attach, text } = await setup();
    pods.set("shop", "web-0", "u", ALLOCATED);
    await attach();
    pods.set("shop", "web-0", "u", { ...ALLOCATED, "ovn.kubernetes.io/gateway": "10.16.0.254" });
    t.same(noted, [false, true]);
    await routes.apply();
    t.same(text(), ["0.0.0.0/0 via 10.16.0.254", "198.51.100.0/24 via 10.16.0.1"]);
    const own = '[{"dst":"192.0.2.0/24","gw":"10.16.0.9"},{"dst":"nonsense"}]';
    pods.set("shop", "web-0", "u", { ...ALLOCATED, "ovn.kubernetes.io/routes": own });
    await routes.apply();
    t.same(text(), ["0.0.0.0/0 via 10.16.0.1", "192.0.2.0/24 via 10.16.0.9", "198.51.100.0/24 via 10.16.0.1"]);
  },
);

t.test("invalid annotations leave the routes unchanged", async (t) => {
  const { pods, routes, attach, text } = await setup();
  pods.set("shop", "web-0", "u", ALLOCATED);
  await attach();
  const before = text();
  pods.set("shop", "web-0", "u", { ...ALLOCATED, "ovn.kubernetes.io/gateway": "gw" });
  await routes.apply();
  pods.set("shop", "web-0", "u", {});
  await routes.apply();
  t.same(text(), before);
});

t.test("a pod that starts causes no work; changes during its ADD are checked when its port exists", async (t) => {
  const { links, pods, routes, noted, attach, text } = await setup();
  let calls = 0;
  links.onStep = (step) => {
    if (step === "setRoutes") calls++;
  };
  pods.set("shop", "web-0", "u");
  pods.set("shop", "web-0", "u", ALLOCATED);
  t.same(noted, [false, false]);
  pods.set("shop", "web-0", "u", { ...ALLOCATED, "ovn.kubernetes.io/gateway": "10.16.0.254" });
  await routes.apply();
  t.equal(calls, 0, "there is no port yet");
  await attach();
  const row = { external_ids: { [EXTERNAL_ID.podNamespace]: "shop", [EXTERNAL_ID.podName]: "web-0" } };
  t.ok(routes.concerns({ table: "Interface", uuid: "i1", new: row } as never));
  await routes.apply();
  t.equal(calls, 1);
  t.match(text(), [/0.0.0.0\/0 via 10.16.0.254/]);
  t.notOk(routes.concerns({ table: "Interface", uuid: "i1", new: row } as never), "and not again");
});

t.test("after a restart all pods are checked, and one that fails stays noted", async (t) => {
  const { links, pods, routes, attach, text } = await setup();
  pods.set("shop", "web-0", "u", { ...ALLOCATED, "ovn.kubernetes.io/gateway": "10.16.0.254" });
  await attach();
  links.onStep = (step) => {
    if (step === "setRoutes") throw new Error("not now");
  };
  routes.noteAll();
  await t.rejects(routes.apply(), { message: "not now" });
  links.onStep = () => undefined;
  await routes.apply();
  t.match(text(), [/0.0.0.0\/0 via 10.16.0.254/]);
});

t.test("a deleted pod, or another one of its name, is not changed", async (t) => {
  const { pods, routes, attach, text } = await setup();
  pods.set("shop", "web-0", "u", ALLOCATED);
  await attach();
  const before = text();
  pods.set("shop", "web-0", "u", { ...ALLOCATED, "ovn.kubernetes.io/gateway": "10.16.0.254" });
  pods.remove("shop", "web-0");
  await routes.apply();
  pods.set("shop", "web-0", "other", { ...ALLOCATED, "ovn.kubernetes.io/gateway": "10.16.0.254" });
  routes.noteAll();
  await routes.apply();
  t.same(text(), before);
});
