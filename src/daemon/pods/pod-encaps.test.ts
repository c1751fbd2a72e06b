// SPDX-License-Identifier: Apache-2.0

import { randomUUID } from "node:crypto";
import t, { type Test } from "tap";
import type { SubnetContract } from "../../contract/subnet.ts";
import { VSWITCH } from "../../ovsdb/generated/vswitch.ts";
import { insert, mutate } from "../../ovsdb/operation.ts";
import { fakeOvsdb } from "../../ovsdb/testing/fake.ts";
import { SYSTEM_CLOCK } from "../../time/clock.ts";
import type { RoutedSubnet } from "../node-gateway/subnet-reader.ts";
import type { NodePlane } from "../ovs/encap-addresses.ts";
import { OvsPorts } from "../ovs/ovs-ports.ts";
import { OvsView } from "../ovs/ovs-view.ts";
import { ALLOCATED } from "../testing/allocated.ts";
import { FakePods } from "../testing/fake-node.ts";
import { PodEncaps } from "./pod-encaps.ts";

const soon = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
};

async function setup(t: Test) {
  const server = fakeOvsdb(VSWITCH);
  const bridge = randomUUID();
  await server.edit(VSWITCH, [
    insert(VSWITCH, "Open_vSwitch", undefined, { bridges: [bridge] }),
    insert(VSWITCH, "Bridge", bridge, { name: "br-int" }),
  ]);
  const view = new OvsView(server.connect());
  await view.mirror.whenSynced();
  const ports = new OvsPorts(view);
  const pods = new FakePods();
  const subnets = new Map<string, RoutedSubnet>();
  const planes = new Map<string, NodePlane>();
  const warned: string[] = [];
  let changed = (): void => undefined;
  const encaps = new PodEncaps({
    ...{ view, pods, clock: SYSTEM_CLOCK, log: { info: () => undefined, warn: () => undefined } },
    subnets: {
      get: (key) => subnets.get(key),
      values: () => subnets.values(),
      subscribe: (listener) => {
        changed = listener;
        return () => undefined;
      },
    },
    planesKnown: () => true,
    plane: (network) => planes.get(network),
    isPlane: (ip) => [...planes.values()].some((plane) => plane.ip === ip),
    warnNode: (reason, message) => void warned.push(`${reason} ${message}`),
  });
  encaps.start();
  t.teardown(async () => {
    await encaps.stop();
    await server.close();
  });
  const attach = async (name: string, subnet: string): Promise<void> => {
    pods.set("shop", name, `u-${name}`, {
      ...ALLOCATED,
      "ovn.kubernetes.io/logical_switch": subnet,
      "ovn.kubernetes.io/pod_nic_type": "veth-pair",
    });
    const externalIds = {
      ...{ "iface-id": `${name}.shop`, vendor: "kube-ovn", pod_name: name, pod_namespace: "shop" },
      ...{ pod_uid: `u-${name}`, container_id: name, if_name: "eth0" },
    };
    const spec = { portUuid: randomUUID(), interfaceUuid: randomUUID(), name: `${name}_h`, externalIds };
    await ports.attach(spec, new AbortController().signal);
  };
  /** Sets the subnet's contract. */
  const say = (name: string, nodeNetwork?: string): void => {
    const contract: SubnetContract = { cidrs: [], natOutgoing: false, gatewayType: "distributed", mtu: 0 };
    subnets.set(name, { name, contract: { ...contract, ...(nodeNetwork !== undefined && { nodeNetwork }) } });
    changed();
  };
  const encapOf = (name: string): string | undefined =>
    server.rows(VSWITCH, "Interface").find((row) => row.name === `${name}_h`)?.external_ids["encap-ip"];
  return { server, encaps, planes, warned, attach, say, encapOf };
}

t.test("changes of a subnet and of the node's networks are applied to its running pods only", async (t) => {
  const { server, encaps, planes, warned, attach, say, encapOf } = await setup(t);
  planes.set("storage", { ip: "192.168.10.11", mtu: 1400 });
  say("data");
  say("other");
  await attach("a", "data");
  await attach("b", "other");
  const before = server.transactions.length;
  say("data", "storage");
  await soon(() => encapOf("a") === "192.168.10.11");
  t.equal(encapOf("b"), undefined);
  t.equal(server.transactions.length, before + 1);
  planes.set("storage", { ip: "192.168.10.12", mtu: 1400 });
  encaps.trigger();
  await soon(() => encapOf("a") === "192.168.10.12");
  say("data");
  await soon(() => encapOf("a") === undefined);
  t.strictSame(warned, []);
});

t.test(
  "a pod whose network the node lacks keeps its address while the node has that, reported once, and a new pod is refused",
  async (t) => {
    const { encaps, planes, warned, attach, say, encapOf } = await setup(t);
    planes.set("storage", { ip: "192.168.10.11", mtu: 1400 });
    say("data", "storage");
    await attach("a", "data");
    await soon(() => encapOf("a") === "192.168.10.11");
    t.equal(encaps.encapOf("data"), "192.168.10.11");
    say("data", "backup");
    await soon(() => warned.length === 1);
    encaps.trigger();
    t.match(warned, [
      /^NodeNetworkNotFound network "backup" \(spec\.nodeNetwork of Subnet "data"\) is not found on this node; its pods that run/,
    ]);
    t.equal(encapOf("a"), "192.168.10.11");
    t.throws(() => encaps.encapOf("data"), {
      code: 11,
      message: 'network "backup" (spec.nodeNetwork of Subnet "data") is not found on this node',
    });
    planes.set("backup", { ip: "192.168.20.11", mtu: 1400 });
    encaps.trigger();
    await soon(() => encapOf("a") === "192.168.20.11");
    t.equal(warned.length, 1);
    planes.clear();
    encaps.trigger();
    await soon(() => encapOf("a") === undefined);
  },
);

t.test("addresses that another program changes are restored, and a restored port gets its address again", async (t) => {
  const { server, planes, attach, say, encapOf } = await setup(t);
  planes.set("storage", { ip: "192.168.10.11", mtu: 1400 });
  say("data", "storage");
  await attach("a", "data");
  await soon(() => encapOf("a") === "192.168.10.11");
  const row = server.rows(VSWITCH, "Interface")[0]?._uuid ?? "";
  await server.edit(VSWITCH, [mutate(VSWITCH, "Interface", row, [["external_ids", "delete", ["encap-ip"]]])]);
  await soon(() => encapOf("a") === "192.168.10.11");
});
