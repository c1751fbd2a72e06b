// SPDX-License-Identifier: Apache-2.0

import { randomUUID } from "node:crypto";
import type { Logger } from "pino";
import { Registry } from "prom-client";
import t, { type Test } from "tap";
import { NODE } from "../../api/annotations.ts";
import { CHASSIS_CONDITION, CONTROLLER_COMPONENT } from "../../api/names.ts";
import type { FactChange } from "../../facts/fact-change.ts";
import { factStore } from "../../kinds/store.ts";
import type { KubeObject } from "../../kube/object.ts";
import { NODES } from "../../kube/resources.ts";
import { OVN_SB } from "../../ovsdb/generated/ovn-sb.ts";
import { openOvsdb } from "../../ovsdb/open.ts";
import { insert, type Operation, remove, update } from "../../ovsdb/operation.ts";
import { type FakeOvsdb, fakeOvsdb } from "../../ovsdb/testing/fake.ts";
import { findOvsTools, type OvsTools } from "../../ovsdb/testing/ovs-tools.ts";
import { TestFolder, type TestServer } from "../../ovsdb/testing/server.ts";
import { controllerMetrics } from "../metrics.ts";
import { candidate, cluster, eventually } from "../testing/cluster.ts";
import { openSouthbound, Southbound } from "./southbound.ts";

const tools = findOvsTools();
const skip = typeof tools === "string" ? tools : false;
const quiet = (): void => {};
const LOG = { debug: quiet, info: quiet, warn: quiet, error: quiet } as unknown as Logger;

/** Facts of servers, and their changes. */
async function follow(t: Test, servers: readonly TestServer[]) {
  const facts = factStore();
  const changes: string[] = [];
  facts.subscribe(({ kind, key, new: now }: FactChange) => changes.push(`${now ? "+" : "-"}${kind}/${key}`));
  const southbound = openSouthbound(
    servers.map(({ remote }) => remote),
    LOG,
    5_000,
  );
  t.teardown(() => southbound.close());
  southbound.feed(facts);
  await eventually("the southbound database is read", () => facts.get("served", "chassis"));
  return { facts, southbound, changes };
}

async function folderOf(t: Test): Promise<TestFolder> {
  const folder = await TestFolder.make(tools as OvsTools);
  t.teardown(() => folder.close());
  return folder;
}

async function editor(t: Test, server: TestServer) {
  const client = openOvsdb({ remotes: [server.remote], database: OVN_SB.name });
  t.teardown(() => client.close());
  await client.whenConnected();
  return async (...operations: readonly Operation[]): Promise<void> => {
    await client.transact(OVN_SB.name, operations);
  };
}

/** A chassis with a tunnel address, as ovn-controller registers it. */
function chassis(uuid: string, name: string, hostname: string, ip: string): readonly Operation[] {
  const encap = randomUUID();
  return [
    insert(OVN_SB, "Encap", encap, { type: "geneve", ip, chassis_name: name }),
    insert(OVN_SB, "Chassis", uuid, { name, hostname, encaps: [encap] }),
    insert(OVN_SB, "Chassis_Private", undefined, { name, chassis: uuid }),
  ];
}

t.test("chassis, gateways and monitors are facts; pods' bindings and heartbeats are not", { skip }, async (t) => {
  const server = await (await folderOf(t)).standalone(OVN_SB);
  const edit = await editor(t, server);
  const { facts, changes } = await follow(t, [server]);
  const [c1, datapath, pod, gateway] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()];
  await edit(
    ...chassis(c1, "c1", "n1", "172.18.0.11"),
    insert(OVN_SB, "Datapath_Binding", datapath, { tunnel_key: 1 }),
    insert(OVN_SB, "Port_Binding", pod, { datapath, logical_port: "a.default", tunnel_key: 1, chassis: c1 }),
    insert(OVN_SB, "Port_Binding", gateway, {
      datapath,
      logical_port: "cr-gw",
      type: "chassisredirect",
      tunnel_key: 2,
    }),
    insert(OVN_SB, "Service_Monitor", undefined, {
      ip: "10.16.0.2",
      protocol: "tcp",
      port: 80,
      logical_port: "a.default",
    }),
  );
  await eventually("the chassis is known", () => facts.by("chassis", "host", "n1")[0]);
  t.strictSame(facts.all("chassis"), [{ key: c1, name: "c1", host: "n1", remote: false }]);
  t.strictSame(facts.by("encaps", "ip", "172.18.0.11"), [
    { key: "geneve/172.18.0.11", ip: "172.18.0.11", chassis: "c1" },
  ]);
  t.strictSame(facts.all("gatewayPorts"), [{ key: "cr-gw" }]);
  t.match(facts.all("serviceMonitors"), [{ key: "a.default/10.16.0.2/tcp/80", status: "unknown" }]);
  changes.length = 0;
  await edit(
    update(OVN_SB, "Chassis", [["name", "==", "c1"]], { nb_cfg: 7 }),
    update(OVN_SB, "Chassis_Private", [["name", "==", "c1"]], { nb_cfg: 7, nb_cfg_timestamp: 1_790_000_000_000 }),
    update(OVN_SB, "Port_Binding", pod, { up: true }),
  );
  await edit(update(OVN_SB, "Port_Binding", gateway, { chassis: c1 }));
  await edit(update(OVN_SB, "Service_Monitor", [["port", "==", 80]], { status: "online" }));
  await eventually("the last change has come", () =>
    facts.get("serviceMonitors", "a.default/10.16.0.2/tcp/80")?.status === "online" ? true : undefined,
  );
  t.strictSame(changes, ["+gatewayPorts/cr-gw", "+serviceMonitors/a.default/10.16.0.2/tcp/80"]);
  t.strictSame(facts.get("gatewayPorts", "cr-gw"), { key: "cr-gw", chassis: c1 });
});

t.test("facts stay while the database is unreachable, and are updated when it is back", { skip }, async (t) => {
  const server = await (await folderOf(t)).standalone(OVN_SB);
  const first = await editor(t, server);
  const { facts, southbound, changes } = await follow(t, [server]);
  await first(...chassis(randomUUID(), "c1", "n1", "172.18.0.11"), ...chassis(randomUUID(), "c2", "n2", "172.18.0.12"));
  await eventually("both are known", () => (facts.size("chassis") === 2 ? true : undefined));
  await server.stop();
  await eventually("the loss is noticed", () => (southbound.synced ? undefined : true));
  t.equal(facts.size("chassis"), 2);
  t.ok(facts.get("served", "chassis"), "that it has been read stays so");
  changes.length = 0;
  await server.start();
  await eventually("it is back", () => (southbound.synced ? true : undefined));
  t.strictSame(changes, [], "an unchanged fact notifies no listener");
  const second = await editor(t, server);
  await second(
    remove(OVN_SB, "Chassis", [["name", "==", "c1"]]),
    remove(OVN_SB, "Chassis_Private", [["name", "==", "c1"]]),
  );
  await eventually("it is gone", () => (facts.size("chassis") === 1 ? true : undefined));
  t.equal(facts.by("encaps", "ip", "172.18.0.11").length, 0);
});

t.test("any member of a raft cluster is used", { skip }, async (t) => {
  const servers = await (await folderOf(t)).cluster(OVN_SB, 2, 1000);
  const { facts } = await follow(t, servers.slice(1));
  const edit = await editor(t, servers[0] as TestServer);
  await edit(...chassis(randomUUID(), "c1", "n1", "172.18.0.11"));
  await eventually("a follower tells it", () => facts.by("chassis", "name", "c1")[0]);
});

/** A controller with both databases; n1's daemon reports chassis c1. */
async function controllerWith(t: Test, condition: object) {
  const { kube, server } = await cluster(t);
  const sb: FakeOvsdb = fakeOvsdb(OVN_SB);
  t.teardown(() => sb.close());
  await kube.patch(
    NODES,
    { name: "n1" },
    { type: "merge", body: { metadata: { annotations: { [NODE.chassis]: "c1" } } } },
  );
  // As reported by a former controller.
  const fieldManager = `${CONTROLLER_COMPONENT}-${CHASSIS_CONDITION}`;
  const apply = { type: "apply", body: { status: { conditions: [condition] } }, fieldManager, force: true } as const;
  await kube.patch(NODES, { name: "n1" }, apply, { subresource: "status" });
  const told = () => {
    const node = kube.object<KubeObject & { readonly status?: { conditions?: { type: string; message: string }[] } }>(
      NODES,
      { name: "n1" },
    );
    return node?.status?.conditions?.find(({ type }) => type === CHASSIS_CONDITION);
  };
  const start = () => {
    const southbound = new Southbound(sb.connect({ database: OVN_SB.name }));
    return { ...candidate(t, kube, server, { southbound }), southbound };
  };
  return { kube, sb, told, start };
}

t.test("a node without a chassis has a condition until it has one", async (t) => {
  const before = { type: CHASSIS_CONDITION, status: "True", reason: "ChassisMissing", message: "as it was" };
  const { sb, told, start } = await controllerWith(t, before);
  const { controller, southbound } = start();
  const registry = new Registry();
  controllerMetrics(registry, {
    engine: controller.engine,
    facts: controller.facts,
    ipam: controller.ipam,
    northbound: () => true,
    switches: () => [],
    southbound: () => southbound.synced,
    leading: () => controller.leading,
    waiting: () => 0,
    unserved: () => 0,
    pendingWrites: () => 0,
  });
  await eventually("the southbound database is read", () => controller.facts.all("chassisProblems")[0]);
  await controller.engine.whenIdle();
  t.match(told(), { reason: "ChassisMissing", message: "as it was" });
  const one = await registry.metrics();
  for (const line of [
    "weft_controller_southbound_synced 1",
    'weft_controller_node_chassis_problems{reason="ChassisMissing"} 1',
    'weft_controller_node_chassis_problems{reason="ChassisConflict"} 0',
    'weft_ovn_service_monitors{status="offline"} 0',
  ])
    t.ok(one.includes(`${line}\n`), line);
  await sb.edit(OVN_SB, chassis(randomUUID(), "c1", "n1", "172.18.0.11"));
  const monitor = { ip: "10.16.0.2", protocol: "tcp", port: 80, logical_port: "a.default", status: "offline" } as const;
  await sb.edit(OVN_SB, [insert(OVN_SB, "Service_Monitor", undefined, monitor)]);
  await eventually("it is taken back", () => (told() === undefined ? true : undefined));
  await eventually("the monitor is known", () => controller.facts.all("serviceMonitors")[0]);
  const none = await registry.metrics();
  for (const line of [
    'weft_controller_node_chassis_problems{reason="ChassisMissing"} 0',
    'weft_ovn_service_monitors{status="offline"} 1',
    "weft_controller_ports_down 1",
  ])
    t.ok(none.includes(`${line}\n`), line);
});

t.test("an unreachable southbound database stops nothing, and no chassis is reported", async (t) => {
  const before = { type: CHASSIS_CONDITION, status: "True", reason: "ChassisMissing", message: "as it was" };
  const { kube, sb, told, start } = await controllerWith(t, before);
  sb.stop();
  const { controller } = start();
  await eventually("the node has its address", () =>
    kube.object<KubeObject>(NODES, { name: "n1" })?.metadata.annotations?.[NODE.allocated] === "true"
      ? true
      : undefined,
  );
  await controller.engine.whenIdle();
  t.equal(told()?.message, "as it was");
});
