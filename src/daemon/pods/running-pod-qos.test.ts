// SPDX-License-Identifier: Apache-2.0

import { randomUUID } from "node:crypto";
import t, { type Test } from "tap";
import { NetlinkError } from "../../netlink/error.ts";
import { VSWITCH } from "../../ovsdb/generated/vswitch.ts";
import { insert } from "../../ovsdb/operation.ts";
import { fakeOvsdb } from "../../ovsdb/testing/fake.ts";
import { SYSTEM_CLOCK } from "../../time/clock.ts";
import { OvsPorts } from "../ovs/ovs-ports.ts";
import { OvsView } from "../ovs/ovs-view.ts";
import { FakeLinks, FakePods } from "../testing/fake-node.ts";
import { PodQosRows } from "./running-pod-qos.ts";

const soon = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
};

async function setup(t: Test, datapath_type: string) {
  const server = fakeOvsdb(VSWITCH);
  const bridge = randomUUID();
  await server.edit(VSWITCH, [
    insert(VSWITCH, "Open_vSwitch", undefined, { bridges: [bridge] }),
    insert(VSWITCH, "Bridge", bridge, { name: "br-int", datapath_type }),
  ]);
  const view = new OvsView(server.connect());
  await view.mirror.whenSynced();
  const ports = new OvsPorts(view);
  const [pods, links] = [new FakePods(), new FakeLinks()];
  const warned: string[] = [];
  const make = (): PodQosRows =>
    new PodQosRows({
      ...{ view, pods, links, clock: SYSTEM_CLOCK, log: { info: () => undefined, warn: () => undefined } },
      warnPod: ({ name }, reason, message) => void warned.push(`${name} ${reason} ${message}`),
    });
  let rows = make();
  rows.start();
  const restart = async (): Promise<void> => {
    await rows.stop();
    rows = make();
    rows.start();
  };
  t.teardown(async () => {
    await rows.stop();
    await server.close();
  });
  const say = (name: string, qos: object): void =>
    pods.set("shop", name, `u-${name}`, { "weft.kubeovn.io/qos": JSON.stringify({ ovn: qos }) });
  const attach = async (name: string): Promise<string> => {
    const externalIds = {
      ...{ "iface-id": `${name}.shop`, vendor: "kube-ovn", pod_name: name, pod_namespace: "shop" },
      ...{ pod_uid: `u-${name}`, container_id: `c-${name}`, if_name: "eth0", pod_netns: `/run/netns/${name}` },
    };
    const portUuid = randomUUID();
    await ports.attach(
      { portUuid, interfaceUuid: randomUUID(), name: `${name}_h`, externalIds },
      new AbortController().signal,
    );
    return portUuid;
  };
  const detach = (port: string): Promise<void> => ports.detach([port]);
  const rates = (): readonly unknown[] => server.rows(VSWITCH, "Queue").map((row) => row.other_config["max-rate"]);
  const bound = (name: string): string | undefined =>
    server.rows(VSWITCH, "Port").find((row) => row.name === `${name}_h`)?.qos;
  const emulated = (): readonly unknown[] => server.rows(VSWITCH, "QoS").map((row) => row.other_config["latency"]);
  return { server, pods, links, warned, say, attach, detach, rates, bound, emulated, restart };
}

const TEN = { ingress: { rate: 10_000, burst: 8_000 } };

t.test(
  "with the kernel datapath a pod's port has its QoS, which follows the record and is deleted with the port",
  async (t) => {
    const { server, say, attach, detach, rates, bound, warned } = await setup(t, "system");
    say("a", TEN);
    say("b", TEN);
    const port = await attach("a");
    await attach("b");
    await soon(() => bound("a") !== undefined && bound("b") !== undefined);
    const before = [server.transactions.length, bound("b")];
    say("a", { ingress: { rate: 20_000, burst: 8_000 } });
    await soon(() => rates().includes("20000000"));
    t.strictSame(
      [server.transactions.length, bound("b")],
      [Number(before[0]) + 1, before[1]],
      "one transaction, of that port",
    );
    await detach(port);
    await soon(() => rates().length === 1);
    say("b", {});
    await soon(() => rates().length === 0);
    t.equal(bound("b"), undefined);
    t.strictSame(warned, []);
  },
);

t.test("with the userspace datapath the rows exist, and no port references them", async (t) => {
  const { say, attach, rates, bound, warned } = await setup(t, "netdev");
  say("a", TEN);
  await attach("a");
  await soon(() => rates().length === 1);
  t.equal(bound("a"), undefined);
  t.strictSame(warned, []);
});

t.test("with the userspace datapath emulation is at the pod's end, also beside a rate", async (t) => {
  const { say, attach, detach, links, rates, bound, emulated, warned } = await setup(t, "netdev");
  const at = (name: string): unknown => links.emulated.get(`/run/netns/${name} eth0`);
  const steps: string[] = [];
  links.onStep = (step) => void steps.push(step);
  say("a", { netem: { latency: 600 } });
  const port = await attach("a");
  await soon(() => emulated().includes("600000"));
  t.strictSame(at("a"), { latency: 600 });
  t.equal(bound("a"), undefined);
  say("a", { ...TEN, netem: { latency: 600 } });
  await soon(() => rates().length === 1);
  t.strictSame(steps, ["setNetem"], "an existing emulation is not set again");
  say("a", { ...TEN, netem: { loss: 1 } });
  await soon(() => steps.length === 2);
  t.strictSame(at("a"), { loss: 1 });
  say("a", TEN);
  await soon(() => steps.length === 3);
  t.equal(at("a"), undefined);
  say("b", { netem: { loss: 2 } });
  await attach("b");
  await soon(() => at("b") !== undefined);
  await detach(port);
  await soon(() => rates().length === 0);
  t.strictSame(warned, []);
});

t.test("a daemon that starts reads the present emulation, and removes one that is no longer requested", async (t) => {
  const { say, attach, links, emulated, restart } = await setup(t, "netdev");
  say("a", { netem: { latency: 600 } });
  await attach("a");
  await soon(() => emulated().length === 1);
  const steps: string[] = [];
  links.onStep = (step) => void steps.push(step);
  await restart();
  say("a", {});
  await soon(() => emulated().length === 0);
  t.strictSame(steps, ["setNetem"], "it is removed");
  t.equal(links.emulated.size, 0);
});

t.test("a pod whose end refuses a netem does not affect other pods, and is retried", async (t) => {
  const { say, attach, links, rates, emulated } = await setup(t, "netdev");
  let attempts = 0;
  let isRefused = true;
  const setNetem = links.setNetem.bind(links);
  links.setNetem = async (netns, ifName, netem) => {
    // Its container has added a qdisc of another kind.
    if (netns.endsWith("/bad")) attempts++;
    if (netns.endsWith("/bad") && isRefused) throw new NetlinkError("invalid", "RTM_NEWQDISC", "another kind");
    return await setNetem(netns, ifName, netem);
  };
  say("bad", { netem: { latency: 1 } });
  await attach("bad");
  await soon(() => attempts > 0);
  say("good", { ...TEN, netem: { latency: 600 } });
  await attach("good");
  await soon(() => rates().length === 1);
  t.strictSame(links.emulated.get("/run/netns/good eth0"), { latency: 600 });
  isRefused = false;
  await soon(() => emulated().includes("1000"));
  t.strictSame(links.emulated.get("/run/netns/bad eth0"), { latency: 1 });
});

t.test("an emulation that could not be removed is removed later", async (t) => {
  const { server, say, attach, links, emulated } = await setup(t, "netdev");
  say("a", { netem: { latency: 600 } });
  await attach("a");
  await soon(() => emulated().length === 1);
  let attempts = 0;
  const setNetem = links.setNetem.bind(links);
  links.setNetem = async (netns, ifName, netem) => {
    if (attempts++ === 0) throw new NetlinkError("invalid", "RTM_DELQDISC", "refused");
    return await setNetem(netns, ifName, netem);
  };
  say("a", {});
  await soon(() => server.rows(VSWITCH, "QoS").length === 0);
  t.equal(attempts, 2);
  t.equal(links.emulated.size, 0);
});

t.test("a kernel without netem emulates nothing, and an Event reports it", async (t) => {
  const { say, attach, links, bound, emulated, warned } = await setup(t, "netdev");
  links.hasNetem = false;
  say("a", { netem: { latency: 600 } });
  await attach("a");
  await soon(() => emulated().includes("600000"));
  t.equal(bound("a"), undefined);
  t.match(warned, [
    /^a QoSNotApplied interface of ovn: latency 600 ms is not enforced: the kernel of this node has no sch_netem/,
  ]);
  await attach("b");
  t.equal(warned.length, 1, "it is reported once");
});

t.test("emulation beside a rate is not enforced, and an Event reports it", async (t) => {
  const { say, attach, warned } = await setup(t, "system");
  say("a", { ...TEN, netem: { loss: 1 } });
  await attach("a");
  await soon(() => warned.length === 1);
  t.match(warned[0], /loss 1 % is not enforced: a port has one QoS, and ingress_rate has priority/);
});
