// SPDX-License-Identifier: Apache-2.0

import t, { type Test } from "tap";
import { NETWORK_CONFIG } from "../../compile/testing/sample-facts.ts";
import type { KubeObject } from "../../kube/object.ts";
import {
  EVENTS,
  IPS,
  MIGRATIONS,
  NETWORK_ATTACHMENTS,
  NODES,
  PODS,
  SUBNETS,
  VIRTUAL_MACHINES,
} from "../../kube/resources.ts";
import type { FakeKube } from "../../kube/testing/fake.ts";
import { OVN_NB } from "../../ovsdb/generated/ovn-nb.ts";
import { insert, mutate, remove } from "../../ovsdb/operation.ts";
import { addressOf, candidate, cluster, eventually } from "../testing/cluster.ts";
import { type State, type StateObject, sameRowsHowever } from "../testing/states.ts";

const OWNER = { apiVersion: "kubevirt.io/v1", kind: "VirtualMachineInstance", name: "vm", uid: "i", controller: true };
const LABEL = "kubevirt.io/migrationJobUID";
const POD_UID = "weft.kubeovn.io/pod-uid";

type Phase = "Scheduling" | "Running" | "Succeeded" | "Failed";

/** A virtual machine and its pods; `again` is a pod that runs it after all others. */
const STATES: { readonly [name: string]: State } = (() => {
  const at = (name: string, more: object = {}) => ({
    name,
    uid: `uid-${name}`,
    creationTimestamp: "2026-01-01T00:00:00Z",
    ...more,
  });
  const told = {
    "ovn.kubernetes.io/allocated": "true",
    "ovn.kubernetes.io/routed": "true",
    "ovn.kubernetes.io/ip_address": "10.16.0.5",
    "ovn.kubernetes.io/mac_address": "02:00:00:00:00:05",
  };
  const node = (name: string, last: number): StateObject => ({
    kind: "nodes",
    object: { metadata: at(name), status: { addresses: [{ type: "InternalIP", address: `172.18.0.${last}` }] } },
  });
  const base: State = [
    { kind: "vpcs", object: { metadata: at("ovn-cluster", { generation: 1 }), spec: {} } },
    ...[
      { name: "join", cidrBlock: "100.64.0.0/16" },
      { name: "ovn-default", cidrBlock: "10.16.0.0/16", default: true },
    ].map(({ name, ...spec }): StateObject => {
      return {
        kind: "subnetSpecs",
        object: { metadata: at(name, { generation: 1 }), spec: { vpc: "ovn-cluster", ...spec } },
      };
    }),
    node("n1", 11),
    node("n2", 12),
    { kind: "namespaces", object: { metadata: at("default") } },
    { kind: "virtualMachines", object: { metadata: at("vm", { namespace: "default" }) } },
  ];
  const pod = (name: string, nodeName: string, labels: object = {}, phase = "Running", more = {}): StateObject => ({
    kind: "pods",
    object: {
      metadata: at(name, {
        ...more,
        namespace: "default",
        annotations: told,
        ownerReferences: [OWNER],
        labels: { app: "vm", ...labels },
      }),
      spec: { nodeName, containers: [] },
      status: { phase },
    },
  });
  const source = pod("source", "n1");
  const target = pod("target", "n2", { [LABEL]: "uid-move" });
  const ended = pod("source", "n1", {}, "Succeeded");
  const record = (of: string): StateObject => ({
    kind: "ips",
    object: {
      metadata: at("vm.default", { annotations: { [POD_UID]: `uid-${of}` } }),
      spec: {
        ...{ podName: "vm", namespace: "default", subnet: "ovn-default", nodeName: "n1" },
        ...{ v4IpAddress: "10.16.0.5", macAddress: "02:00:00:00:00:05", podType: "VirtualMachine" },
      },
    },
  });
  const move = (phase: Phase, name = "move", creationTimestamp = "2026-01-01T00:00:00Z"): StateObject => ({
    kind: "migrations",
    object: {
      metadata: at(name, { namespace: "default", creationTimestamp }),
      spec: { vmiName: "vm" },
      status: { phase },
    },
  });
  return {
    before: [...base, source, record("source")],
    scheduling: [...base, source, target, record("source"), move("Scheduling")],
    running: [...base, source, target, record("source"), move("Running")],
    "source ended first": [...base, ended, target, record("source"), move("Running")],
    succeeded: [...base, source, target, record("source"), move("Succeeded")],
    recorded: [...base, source, target, record("target"), move("Succeeded")],
    "source ended": [...base, ended, target, record("target"), move("Succeeded")],
    "source gone, not recorded": [...base, target, record("source"), move("Succeeded")],
    after: [...base, target, record("target")],
    failed: [...base, source, target, record("source"), move("Failed")],
    "target ended": [...base, source, pod("target", "n2", { [LABEL]: "uid-move" }, "Failed"), record("source")],
    "only a failed target": [...base, target, record("source"), move("Failed")],
    "two at once": [
      ...base,
      node("n3", 13),
      source,
      target,
      pod("a-second", "n3", { [LABEL]: "uid-second" }),
      record("source"),
      move("Running"),
      move("Running", "second", "2026-01-01T00:09:00Z"),
    ],
    "moved again, and that is forgotten": [
      ...base,
      target,
      pod("second", "n1", { [LABEL]: "uid-second" }, "Running", { creationTimestamp: "2026-01-01T00:09:00Z" }),
      record("second"),
      move("Succeeded"),
    ],
  };
})();

t.test("the port of a migrating virtual machine follows from the objects only, in any order", async (t) => {
  const all = await sameRowsHowever(t, Object.values(STATES));
  const found = Object.fromEntries(
    Object.keys(STATES).map((name, i) => {
      const rows = Object.entries(all[i] ?? {}).filter(([id]) => id.startsWith("Logical_Switch_Port"));
      const ports = rows.map(([id, columns]) => ({ id, ...(columns as { name: string; options?: unknown }) }));
      const port = ports.find((one) => one.name === "vm.default");
      return [name, port && { id: port.id, options: port.options }];
    }),
  );
  const ids = new Set(Object.values(found).flatMap((port) => port?.id ?? []));
  t.equal(ids.size, 1, "the port is never another row");
  const [source, target] = [{ "requested-chassis": "n1" }, { "requested-chassis": "n2" }];
  const both = { "requested-chassis": "n1,n2", "activation-strategy": "rarp" };
  const options = Object.fromEntries(Object.entries(found).map(([name, port]) => [name, port?.options]));
  t.strictSame(options, {
    before: source,
    scheduling: both,
    running: both,
    "source ended first": target,
    succeeded: target,
    recorded: target,
    "source ended": target,
    "source gone, not recorded": target,
    after: target,
    failed: source,
    "target ended": source,
    "only a failed target": undefined,
    "two at once": both,
    "moved again, and that is forgotten": source,
  });
});

const keyOf = (name: string) => ({ namespace: "default", name });

async function addLauncher(kube: FakeKube, name: string, nodeName: string, migration?: string): Promise<void> {
  const labels = { app: "vm", ...(migration !== undefined && { [LABEL]: migration }) };
  const metadata = { ...keyOf(name), labels, ownerReferences: [OWNER] };
  await kube.create(PODS, { metadata, spec: { nodeName, hostNetwork: false } });
}

/** Ends a pod's containers: its address may be allocated to another pod. */
async function end(kube: FakeKube, name: string, phase: string): Promise<void> {
  await kube.patch(PODS, keyOf(name), { type: "merge", body: { status: { phase } } }, { subresource: "status" });
}

/** A running virtual machine, and all states of its port in the database. `crash`: another controller replaces the leader. */
async function start(t: Test) {
  const { kube, server } = await cluster(t);
  await kube.create(NODES, { metadata: { name: "n2" } });
  let controller = candidate(t, kube, server);
  await kube.create(VIRTUAL_MACHINES, { metadata: keyOf("vm") });
  await addLauncher(kube, "source", "n1");
  const address = await eventually("an address", () => addressOf(kube, "source"));
  const client = server.connect();
  t.teardown(() => client.close());
  const uuids = new Set<string | undefined>();
  const mirror = client.monitor(OVN_NB, { Logical_Switch_Port: ["name"] });
  await mirror.whenSynced();
  const look = () =>
    uuids.add([...mirror.rows("Logical_Switch_Port")].find(({ name }) => name === "vm.default")?._uuid);
  look();
  mirror.subscribe(look);
  const options = () =>
    server.rows(OVN_NB, "Logical_Switch_Port").find(({ name }) => name === "vm.default")?.options as
      | Readonly<Record<string, string>>
      | undefined;
  return {
    kube,
    address,
    uuids,
    crash: async (): Promise<void> => {
      await controller.stop();
      controller = candidate(t, kube, server);
      await eventually("another one leads", () => controller.controller.leading || undefined);
    },
    recorded: (name: string) =>
      eventually(`the record is of ${name}`, () => {
        const uid = kube.object<KubeObject>(PODS, keyOf(name))?.metadata.uid;
        return (
          kube.object<KubeObject>(IPS, { name: "vm.default" })?.metadata.annotations?.[POD_UID] === uid || undefined
        );
      }),
    on: (chassis: string, strategy?: string) =>
      eventually(`the port is on ${chassis}`, () => {
        const { "requested-chassis": on, "activation-strategy": how } = options() ?? {};
        return (on === chassis && how === strategy) || undefined;
      }),
    move: async (phase: Phase): Promise<string> => {
      const body = { status: { phase } };
      if (kube.object(MIGRATIONS, keyOf("move")) === undefined)
        await kube.create(MIGRATIONS, { metadata: keyOf("move"), spec: { vmiName: "vm" }, ...body } as never);
      else await kube.patch(MIGRATIONS, keyOf("move"), { type: "merge", body }, { subresource: "status" });
      return kube.object<KubeObject>(MIGRATIONS, keyOf("move"))?.metadata.uid ?? "";
    },
  };
}

for (const crashes of [false, true]) {
  const how = crashes ? ", also if the controller dies at each step" : "";
  t.test(`a migrating virtual machine keeps address and port${how}`, async (t) => {
    const { kube, address, uuids, move, on, recorded, ...world } = await start(t);
    const crash = crashes ? world.crash : async () => {};
    await on("n1");
    await addLauncher(kube, "target", "n2", await move("Scheduling"));
    await crash();
    await on("n1,n2", "rarp");
    t.equal(await eventually("the target has it too", () => addressOf(kube, "target")), address);
    await move("Running");
    await crash();
    await move("Succeeded");
    await crash();
    await on("n2");
    await recorded("target");
    await end(kube, "source", "Succeeded");
    await crash();
    await kube.delete(PODS, keyOf("source"), { gracePeriodSeconds: 0 });
    await kube.delete(MIGRATIONS, keyOf("move"));
    await crash();
    await addLauncher(kube, "other", "n1");
    t.equal(addressOf(kube, "target"), address);
    await on("n2");
    await recorded("target");
    t.equal(uuids.size, 1, "the port was there all the time");
    const about = kube
      .objects<KubeObject & { involvedObject?: { name?: string } }>(EVENTS)
      .map(({ involvedObject }) => involvedObject?.name);
    t.notOk(about.includes("source") || about.includes("target"), "nothing is refused to a pod of the migration");
  });

  t.test(`a virtual machine whose migration fails stays where it is${how}`, async (t) => {
    const { kube, address, uuids, move, on, recorded, ...world } = await start(t);
    const crash = crashes ? world.crash : async () => {};
    await addLauncher(kube, "target", "n2", await move("Scheduling"));
    await on("n1,n2", "rarp");
    await eventually("the target has its address too", () => addressOf(kube, "target"));
    await crash();
    await move("Failed");
    await crash();
    await on("n1");
    await end(kube, "target", "Failed");
    await crash();
    await kube.delete(PODS, keyOf("target"), { gracePeriodSeconds: 0 });
    await kube.delete(MIGRATIONS, keyOf("move"));
    await crash();
    await on("n1");
    await recorded("source");
    t.equal(addressOf(kube, "source"), address);
    t.equal(uuids.size, 1, "the port was there all the time");
  });
}

t.test(
  "a secondary interface moves with its virtual machine: its own port, address and MAC, on both nodes during the migration",
  async (t) => {
    const provider = "net1.default.ovn";
    const { kube, server } = await cluster(t);
    await kube.create(NODES, { metadata: { name: "n2" } });
    await kube.create(SUBNETS, { metadata: { name: "net1" }, spec: { provider, cidrBlock: "10.30.0.0/24" } });
    await kube.create(NETWORK_ATTACHMENTS, {
      metadata: keyOf("net1"),
      spec: { config: JSON.stringify(NETWORK_CONFIG.ovn("net1")) },
    });
    candidate(t, kube, server);
    await kube.create(VIRTUAL_MACHINES, { metadata: keyOf("vm") });
    const launch = async (name: string, nodeName: string, labels: Record<string, string> = {}): Promise<void> => {
      const annotations = { "k8s.v1.cni.cncf.io/networks": "net1" };
      const metadata = { ...keyOf(name), labels, annotations, ownerReferences: [OWNER] };
      await kube.create(PODS, { metadata, spec: { nodeName, hostNetwork: false } });
    };
    const told = (name: string) =>
      eventually(`${name} has both addresses`, () => {
        const all = kube.object<KubeObject>(PODS, keyOf(name))?.metadata.annotations ?? {};
        const its = ["ovn", provider].map((of) => [
          all[`${of}.kubernetes.io/ip_address`],
          all[`${of}.kubernetes.io/mac_address`],
        ]);
        return its.flat().includes(undefined) ? undefined : its;
      });
    const on = (chassis: string) =>
      eventually(`both ports are on ${chassis}`, () => {
        const ports = server.rows(OVN_NB, "Logical_Switch_Port");
        const of = ["vm.default", `vm.default.${provider}`].map(
          (name) => ports.find((port) => port.name === name)?.options,
        );
        return (
          of.every((options) => (options as Record<string, string> | undefined)?.["requested-chassis"] === chassis) ||
          undefined
        );
      });
    await launch("source", "n1");
    const addresses = await told("source");
    await on("n1");
    await kube.create(MIGRATIONS, {
      metadata: keyOf("move"),
      spec: { vmiName: "vm" },
      status: { phase: "Running" },
    } as never);
    const uid = kube.object<KubeObject>(MIGRATIONS, keyOf("move"))?.metadata.uid ?? "";
    await launch("target", "n2", { [LABEL]: uid });
    await on("n1,n2");
    t.strictSame(await told("target"), addresses);
    const body = { status: { phase: "Succeeded" } };
    await kube.patch(MIGRATIONS, keyOf("move"), { type: "merge", body }, { subresource: "status" });
    await on("n2");
    await end(kube, "source", "Succeeded");
    await kube.delete(PODS, keyOf("source"), { gracePeriodSeconds: 0 });
    await eventually("both records are the target's", () => {
      const target = kube.object<KubeObject>(PODS, keyOf("target"))?.metadata.uid;
      const records = ["vm.default", `vm.default.${provider}`].map((name) => kube.object<KubeObject>(IPS, { name }));
      return records.every((ip) => ip?.metadata.annotations?.[POD_UID] === target) || undefined;
    });
    t.strictSame(await told("target"), addresses);
  },
);

t.test(
  "while no controller runs a virtual machine may be migrated, and all objects of the migration be deleted",
  async (t) => {
    const { kube, address, uuids, move, on, recorded, crash } = await start(t);
    await addLauncher(kube, "target", "n2", await move("Scheduling"));
    await eventually("the target has its address too", () => addressOf(kube, "target"));
    await kube.delete(PODS, keyOf("source"), { gracePeriodSeconds: 0 });
    await kube.delete(MIGRATIONS, keyOf("move"));
    await crash();
    await on("n2");
    await recorded("target");
    t.equal(addressOf(kube, "target"), address);
    t.equal(uuids.size, 1, "the port was there all the time");
  },
);

t.test("the second pod of a virtual machine on the first one's node has no network until that has ended", async (t) => {
  const { kube, address, move, recorded } = await start(t);
  await addLauncher(kube, "target", "n1", await move("Scheduling"));
  await eventually("an Event says why", () =>
    kube
      .objects<KubeObject & { message?: string }>(EVENTS)
      .find(({ message }) => message?.includes('"default/source"')),
  );
  t.equal(addressOf(kube, "target"), undefined);
  await end(kube, "source", "Succeeded");
  t.equal(await eventually("it has the address", () => addressOf(kube, "target")), address);
  await recorded("target");
});

t.test("the target of a failed migration gets no record when the virtual machine is deleted", async (t) => {
  const { kube, move, address, crash } = await start(t);
  await addLauncher(kube, "target", "n2", await move("Scheduling"));
  await eventually("the target has its address too", () => addressOf(kube, "target"));
  await move("Failed");
  await kube.delete(VIRTUAL_MACHINES, keyOf("vm"));
  kube.requests.length = 0;
  await kube.delete(PODS, keyOf("source"), { gracePeriodSeconds: 0 });
  await eventually("the record is gone", () => kube.object(IPS, { name: "vm.default" }) === undefined || undefined);
  // A new controller uses the pods' annotations, but not those of this pod.
  await crash();
  const annotations = { "ovn.kubernetes.io/ip_address": address };
  const metadata = { ...keyOf("next"), labels: {}, ownerReferences: [], annotations };
  await kube.create(PODS, { metadata, spec: { nodeName: "n1", hostNetwork: false } });
  await eventually("the next pod has the address", () => kube.object(IPS, { name: "next.default" }));
  const created = kube.requests.filter(({ verb, type }) => verb === "create" && type === IPS);
  t.equal(created.length, 1, "of the next pod alone");
});

t.test("the port of a virtual machine that an earlier version created with its pod's UID is replaced", async (t) => {
  const { kube, server } = await cluster(t);
  const first = candidate(t, kube, server);
  await kube.create(VIRTUAL_MACHINES, { metadata: keyOf("vm") });
  await addLauncher(kube, "source", "n1");
  const address = await eventually("an address", () => addressOf(kube, "source"));
  await first.stop();
  const portOf = () => server.rows(OVN_NB, "Logical_Switch_Port").filter(({ name }) => name === "vm.default");
  const [now] = portOf();
  if (now === undefined) throw new Error("vm.default has no port");
  const former = "aaaaaaaa-0000-4000-8000-000000000001";
  const { _uuid, ...row } = { ...now, options: {} };
  const holders = (table: "Logical_Switch" | "Port_Group") =>
    server.rows(OVN_NB, table).filter(({ ports }) => (ports as readonly string[]).includes(_uuid));
  await server.edit(OVN_NB, [
    remove(OVN_NB, "Logical_Switch_Port", _uuid),
    insert(OVN_NB, "Logical_Switch_Port", former, row),
    ...(["Logical_Switch", "Port_Group"] as const).flatMap((table) =>
      holders(table).map((holder) =>
        mutate(OVN_NB, table, holder._uuid, [
          ["ports", "insert", [former]],
          ["ports", "delete", [_uuid]],
        ]),
      ),
    ),
  ]);
  t.equal(portOf()[0]?._uuid, former);
  candidate(t, kube, server);
  await eventually("replaced", () => portOf()[0]?._uuid === now._uuid || undefined);
  t.same(portOf()[0], now);
  t.equal(addressOf(kube, "source"), address);
});
