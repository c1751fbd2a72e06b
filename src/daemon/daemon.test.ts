// SPDX-License-Identifier: Apache-2.0

import { randomUUID } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { SUBNET } from "../api/annotations.ts";
import { FINALIZER } from "../api/names.ts";
import { encodeSubnetContract } from "../contract/subnet.ts";
import { EVENTS, NODES, PODS, SUBNETS } from "../kube/resources.ts";
import { type FakeKube, fakeKube } from "../kube/testing/fake.ts";
import type { KubeEvent, Node } from "../kube/types.ts";
import { MIRROR_TABLE, POD_LINK_TABLE } from "../node/marks.ts";
import { FakeKernel } from "../node/testing/fake-kernel.ts";
import { VSWITCH } from "../ovsdb/generated/vswitch.ts";
import { insert, mutate, type Operation, update } from "../ovsdb/operation.ts";
import { type FakeOvsdb, fakeOvsdb } from "../ovsdb/testing/fake.ts";
import { startDaemon } from "./daemon.ts";
import { readOptions } from "./options.ts";
import { REPAIRED } from "./repair-report.ts";
import { ALLOCATED } from "./testing/allocated.ts";
import { FakeLinks, FakeNftables, fakeVswitchd, GROUP_ONLY } from "./testing/fake-node.ts";

const JOINED = {
  "ovn.kubernetes.io/ip_address": "100.64.0.2",
  "ovn.kubernetes.io/mac_address": "02:00:00:00:00:02",
  "ovn.kubernetes.io/cidr": "100.64.0.0/16",
  "ovn.kubernetes.io/gateway": "100.64.0.1",
};
/** The node's own interfaces of br-int. */
const OWN: readonly string[] = ["mirror0", "ovn0"];
function names(server: FakeOvsdb): readonly string[] {
  return server
    .rows(VSWITCH, "Interface")
    .map(({ name }) => name)
    .sort();
}

const quiet = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

/** Adds a subnet that a controller has accepted. */
async function addSubnet(kube: FakeKube, name: string, cidr: string): Promise<void> {
  const contract = { cidrs: [cidr], natOutgoing: name !== "join", gatewayType: "distributed", mtu: 0 } as const;
  const annotations = { [SUBNET.nodeContract]: encodeSubnetContract(contract) };
  await kube.create(SUBNETS, {
    metadata: { name, annotations, finalizers: [FINALIZER] },
    spec: { cidrBlock: cidr },
  } as never);
}

/** A node in memory: API server, Open vSwitch with an ovn-controller, kernel. The daemon on it is the real one. */
async function node(t: Test) {
  const folder = mkdtempSync(join(tmpdir(), "weft-node-"));
  const kube = fakeKube();
  const server = fakeOvsdb(VSWITCH);
  const bridge = randomUUID();
  await server.edit(VSWITCH, [
    insert(VSWITCH, "Open_vSwitch", undefined, {
      bridges: [bridge],
      external_ids: { "system-id": "chassis-1", "ovn-encap-ip": "172.19.0.11" },
    }),
    insert(VSWITCH, "Bridge", bridge, { name: "br-int", datapath_type: "netdev" }),
  ]);
  const controller = server.connect();
  const seen = controller.monitor(VSWITCH, { Interface: ["name", "external_ids"] });
  seen.subscribe((changes) => {
    for (const change of changes) {
      if (change.new === undefined || change.new.external_ids["ovn-installed"] !== undefined) continue;
      const flows = mutate(VSWITCH, "Interface", change.uuid, [
        ["external_ids", "insert", { "ovn-installed": "true" }],
      ]);
      server.edit(VSWITCH, [flows]).catch(() => undefined);
    }
  });
  await seen.whenSynced();
  await kube.create(NODES, { metadata: { name: "weft-1", annotations: JOINED } });
  await addSubnet(kube, "join", "100.64.0.0/16");
  await addSubnet(kube, "ovn-default", "10.16.0.0/16");
  const links = new FakeLinks();
  const kernel = new FakeKernel();
  kernel.createLink({ name: "eth1", kind: "veth", mtu: 1500, up: true });
  kernel.setAddress({ index: kernel.link("eth1")!.index, address: "172.19.0.11", prefix: 24 });
  await fakeVswitchd(server.connect(), kernel);
  const lost: ((name: string | undefined) => void)[] = [];
  const nft = new FakeNftables();
  const socket = join(folder, "cni.sock");
  const argv = [
    `--node-name=weft-1`,
    `--bind-socket=${socket}`,
    `--cni-conf-dir=${folder}`,
    "--metrics-port=0",
    "--health-port=0",
  ];

  const start = async (...more: readonly string[]) => {
    const client = server.connect();
    const parts = {
      kube,
      ovsdb: client,
      links,
      kernel,
      nft,
      watchLostLinks: (onLost: (name: string | undefined) => void) => {
        lost.push(onLost);
        return { close: () => void lost.splice(lost.indexOf(onLost), 1) };
      },
    };
    const daemon = await startDaemon(readOptions([...argv, ...more], {}), parts, quiet);
    return {
      stop: async () => {
        await daemon.stop();
        await client.close();
      },
    };
  };
  t.teardown(async () => {
    await server.close();
    rmSync(folder, { recursive: true });
  });
  const conflist = join(folder, "01-kube-ovn.conflist");
  /** The applied scripts, except for the table of `mirror0`. */
  const scripts = (): readonly string[] =>
    nft.scripts.filter((script) => ![MIRROR_TABLE, POD_LINK_TABLE].some((name) => script.startsWith(`table ${name} `)));
  return { kube, server, bridge, links, lost, kernel, nft, scripts, socket, conflist, start };
}

function call(socketPath: string, verb: string, body: object): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const asking = request({ socketPath, path: `/api/v1/${verb}`, method: "POST", agent: false }, (answer) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (part: string) => {
        text += part;
      });
      answer.on("end", () => resolve({ status: answer.statusCode ?? 0, body: text }));
    });
    asking.on("error", reject);
    asking.end(JSON.stringify(body));
  });
}

const body = (name: string, container: string) => ({
  cni_type: "kube-ovn",
  provider: "ovn",
  pod_name: name,
  pod_namespace: "shop",
  container_id: container,
  net_ns: `/run/netns/${name}`,
  if_name: "eth0",
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
}

t.test("a daemon sets up its node, reports it, and serves pods", async (t) => {
  const { kube, server, links, scripts, socket, conflist, start } = await node(t);
  const daemon = await start();
  t.notOk(existsSync(conflist), "no pod before the node is ready");
  await until(() => existsSync(conflist));
  t.match(JSON.parse(readFileSync(conflist, "utf8")), { plugins: [{ type: "kube-ovn", server_socket: socket }, {}] });
  t.match(scripts()[0], /10\.16\.0\.0\/16/);
  const nodeObject = (): Node | undefined => kube.object(NODES, { name: "weft-1" }) as Node | undefined;
  await until(() => nodeObject()?.status?.conditions !== undefined);
  t.match(nodeObject(), {
    metadata: { annotations: { "ovn.kubernetes.io/chassis": "chassis-1" } },
    status: { conditions: [{ type: "NetworkUnavailable", status: "False" }] },
  });
  t.equal((await call(socket, "status", {})).status, 204);

  const spec = { nodeName: "weft-1", hostNetwork: false };
  const pod = await kube.create(PODS, { metadata: { name: "web-0", namespace: "shop" }, spec });
  const adding = call(socket, "add", { ...body("web-0", "aaaaaaaaaaaaaaaa"), pod_uid: pod.metadata.uid });
  const ref = { name: "web-0", namespace: "shop" };
  await kube.patch(PODS, ref, { type: "merge", body: { metadata: { annotations: ALLOCATED } } });
  t.match(await adding, { status: 200, body: /"ip":"10\.16\.0\.7"/ });
  t.ok(links.configured.has("aaaaaaaaaaaa_h"));
  t.same(names(server), ["aaaaaaaaaaaa_h", ...OWN]);
  t.equal((await call(socket, "del", body("web-0", "aaaaaaaaaaaaaaaa"))).status, 204);
  t.same(names(server), OWN);
  await daemon.stop();
  t.ok(existsSync(conflist), "pods of a node whose daemon restarts keep their network");
});

t.test("with another primary network plugin the daemon creates only interfaces of networks", async (t) => {
  const { kube, server, kernel, nft, socket, conflist, start } = await node(t);
  const wasPrimary = await start();
  await until(() => existsSync(conflist) && kernel.routes({ protocol: 87 }).length > 0);
  await wasPrimary.stop();
  const devices = () => server.rows(VSWITCH, "Interface").map(({ name }) => name);
  const condition = { type: "NetworkUnavailable", status: "True" } as const;
  const status = { conditions: [condition] };
  await kube.patch(NODES, { name: "weft-1" }, { type: "merge", body: { status } }, { subresource: "status" });
  const forwarding = ["ipv4", "ip_forward"];
  kernel.setSysctl(forwarding, "0");

  const daemon = await start("--non-primary-cni-mode");
  await until(() => !existsSync(conflist) && !devices().includes("ovn0"));
  t.equal((await call(socket, "status", {})).status, 204);
  t.same(kernel.routes({ protocol: 87 }), []);
  t.same([...nft.all.keys()], [POD_LINK_TABLE], "only the rules about its own links");
  t.equal(kernel.sysctl(forwarding), "0", "no setting of the kernel");

  const spec = { nodeName: "weft-1", hostNetwork: false };
  const provider = "lan.shop.ovn";
  const annotations = Object.fromEntries(
    Object.entries(ALLOCATED).map(([key, value]) => [key.replace("ovn.", `${provider}.`), value]),
  );
  const pod = await kube.create(PODS, { metadata: { name: "web-0", namespace: "shop", annotations }, spec });
  const asked = { ...body("web-0", "aaaaaaaaaaaaaaaa"), pod_uid: pod.metadata.uid };
  const added = await call(socket, "add", { ...asked, provider, if_name: "net1" });
  t.match(added, { status: 200, body: /"ip":"10\.16\.0\.7"/ });
  t.same(devices().length, 1);
  t.match(await call(socket, "add", { ...asked, network_name: "lan" }), {
    body: /the network configuration \\"lan\\" has no provider, and Weft does not create primary interfaces/,
  });
  const nodeObject = kube.object(NODES, { name: "weft-1" }) as Node | undefined;
  t.match(nodeObject?.status?.conditions, [condition], "the other plugin reports whether the node has a network");
  await daemon.stop();
  t.notOk(existsSync(conflist));
});

t.test("a subnet's new gateway is set in a running pod, also if it was changed while no daemon ran", async (t) => {
  const { kube, links, socket, conflist, start } = await node(t);
  let daemon = await start();
  await until(() => existsSync(conflist));
  const spec = { nodeName: "weft-1", hostNetwork: false };
  const ref = { name: "web-0", namespace: "shop" };
  const pod = await kube.create(PODS, { metadata: { ...ref, annotations: ALLOCATED }, spec });
  const added = await call(socket, "add", { ...body("web-0", "aaaaaaaaaaaaaaaa"), pod_uid: pod.metadata.uid });
  t.equal(added.status, 200);
  const routes = () => links.pairs.get("aaaaaaaaaaaa_h")?.routes.map(({ gateway }) => gateway.text);
  t.same(routes(), ["10.16.0.1"]);
  const move = (gateway: string) => {
    const annotations = { "ovn.kubernetes.io/gateway": gateway };
    return kube.patch(PODS, ref, { type: "merge", body: { metadata: { annotations } } });
  };
  await move("10.16.0.254");
  await until(() => routes()?.join() === "10.16.0.254");
  await daemon.stop();
  await move("10.16.0.253");
  daemon = await start();
  await until(() => routes()?.join() === "10.16.0.253");
  await daemon.stop();
});

t.test("the node's route to a subnet's pods stays while the subnet is being deleted or is not ready", async (t) => {
  const { kube, kernel, scripts, conflist, start } = await node(t);
  let daemon = await start();
  await until(() => existsSync(conflist));
  const name = "ovn-default";
  const body = (of: object) => ({ type: "merge", body: of }) as const;
  const conditions = [{ type: "Ready", status: "False", reason: "InUse" }];
  const steps = [
    () => kube.delete(SUBNETS, { name }),
    () => kube.patch(SUBNETS, { name }, body({ status: { conditions } }), { subresource: "status" }),
    () => kube.patch(SUBNETS, { name }, body({ spec: { cidrBlock: "10.16.0.0/99" } })),
    () => kube.patch(SUBNETS, { name }, body({ metadata: { annotations: { [SUBNET.nodeContract]: "{" } } })),
    () => kube.patch(SUBNETS, { name }, body({ metadata: { annotations: { [SUBNET.nodeContract]: null } } })),
  ];
  for (const [i, step] of steps.entries()) {
    await step();
    // Processed after it, and so seen after it.
    const more = `10.${30 + i}.0.0/16`;
    await addSubnet(kube, `more-${i}`, more);
    await until(() => scripts().at(-1)?.includes(more) === true);
    const routes = kernel.routes({ protocol: 87 }).map(({ destination }) => destination);
    t.ok(routes.includes(more) && routes.includes("10.16.0.0/16"), `step ${i}`);
    t.match(scripts().at(-1), /saddr \{ 10\.16\.0\.0\/16, .*natOutgoing/, `step ${i}`);
    if (i !== 2) continue;
    await daemon.stop();
    daemon = await start();
  }
  await kube.patch(SUBNETS, { name }, body({ metadata: { finalizers: null } }));
  await until(() => scripts().at(-1)?.includes("10.16.0.0/16") === false);
  t.pass("when it is deleted, the route is removed");
  await daemon.stop();
});

t.test("after a refused transaction, or a lost database connection, nothing remains", async (t) => {
  const { kube, server, links, socket, conflist, start } = await node(t);
  const daemon = await start();
  await until(() => existsSync(conflist));
  await kube.create(PODS, {
    metadata: { name: "web-0", namespace: "shop", annotations: ALLOCATED },
    spec: { nodeName: "weft-1", hostNetwork: false },
  });
  const isAttach = (operations: readonly Operation[]): boolean => operations[0]?.op === "insert";
  server.onTransact = (operations) =>
    isAttach(operations) ? { error: "constraint violation", details: "no" } : undefined;
  t.match(await call(socket, "add", body("web-0", "aaaaaaaaaaaaaaaa")), { status: 500, body: /br-int.*no/ });
  t.equal(links.pairs.size, 0);
  server.onTransact = (operations) => {
    if (isAttach(operations)) setImmediate(() => server.cut());
    return undefined;
  };
  links.onStep = async (step) => {
    if (step === "configure") await new Promise((resolve) => setTimeout(resolve, 20));
  };
  const cut = await call(socket, "add", body("web-0", "bbbbbbbbbbbbbbbb"));
  server.onTransact = undefined;
  if (cut.status !== 200) t.equal(links.pairs.size, 0);
  await until(() => server.rows(VSWITCH, "Interface").every(({ name }) => OWN.includes(name) || links.pairs.has(name)));
  t.pass("an object that could not be rolled back at once was collected");
  await daemon.stop();
});

t.test("a daemon that stops finishes running work and aborts waiting requests", async (t) => {
  const { kube, server, links, socket, conflist, start } = await node(t);
  const daemon = await start();
  await until(() => existsSync(conflist));
  const spec = { nodeName: "weft-1", hostNetwork: false };
  await kube.create(PODS, { metadata: { name: "waits", namespace: "shop" }, spec });
  await kube.create(PODS, { metadata: { name: "web-0", namespace: "shop", annotations: ALLOCATED }, spec });
  const open = Promise.withResolvers<void>();
  const entered = Promise.withResolvers<void>();
  links.onStep = async (step) => {
    if (step !== "configure") return;
    entered.resolve();
    await open.promise;
  };
  const waits = call(socket, "add", body("waits", "aaaaaaaaaaaaaaaa"));
  const works = call(socket, "add", body("web-0", "bbbbbbbbbbbbbbbb"));
  await entered.promise;
  const stopped = daemon.stop();
  t.match(await waits, { status: 503, body: /shutting down/ });
  await t.rejects(call(socket, "status", {}), "no new request is accepted");
  open.resolve();
  t.equal((await works).status, 200);
  await stopped;
  t.same(names(server), ["bbbbbbbbbbbb_h", ...OWN]);
});

const eventsOf = (kube: FakeKube, reason: string): readonly string[] =>
  kube
    .objects<KubeEvent>(EVENTS)
    .filter((event) => event.reason === reason && event.involvedObject?.name === "weft-1")
    .map(({ message }) => message ?? "");

t.test("a network configuration that another program removes or changes is restored", async (t) => {
  const { kube, conflist, start } = await node(t);
  const daemon = await start();
  await until(() => existsSync(conflist));
  const text = readFileSync(conflist, "utf8");
  rmSync(conflist);
  await until(() => existsSync(conflist));
  t.equal(readFileSync(conflist, "utf8"), text);
  writeFileSync(conflist, "{}");
  await until(() => readFileSync(conflist, "utf8") === text);
  await until(() => eventsOf(kube, REPAIRED).length > 0);
  t.match(eventsOf(kube, REPAIRED)[0], /conflist 01-kube-ovn\.conflist/);
  await daemon.stop();
});

t.test("a pod's port that another program removes, alone or with br-int, is restored unchanged", async (t) => {
  const { kube, server, bridge, links, socket, conflist, start } = await node(t);
  const daemon = await start();
  await until(() => existsSync(conflist));
  const spec = { nodeName: "weft-1", hostNetwork: false };
  const pod = { metadata: { name: "web-0", namespace: "shop", annotations: ALLOCATED }, spec };
  const made = await kube.create(PODS, pod);
  const uid = { pod_uid: made.metadata.uid };
  t.equal((await call(socket, "add", { ...body("web-0", "aaaaaaaaaaaaaaaa"), ...uid })).status, 200);
  const ids = () => {
    const row = server.rows(VSWITCH, "Interface").find(({ name }) => name === "aaaaaaaaaaaa_h");
    const { "ovn-installed": _, ...rest } = row?.external_ids ?? {};
    return rest;
  };
  const before = ids();
  const isBack = () => until(() => JSON.stringify(ids()) === JSON.stringify(before));
  const ports = () => server.rows(VSWITCH, "Port").map(({ _uuid }) => _uuid);
  t.match(before, { "iface-id": "web-0.shop" });
  await server.edit(VSWITCH, [mutate(VSWITCH, "Bridge", bridge, [["ports", "delete", ports()]])]);
  t.same(ids(), {});
  await isBack();
  await server.edit(VSWITCH, [mutate(VSWITCH, "Interface", [], [["external_ids", "delete", ["iface-id", "vendor"]]])]);
  await isBack();
  const again = randomUUID();
  await server.edit(VSWITCH, [
    update(VSWITCH, "Open_vSwitch", [], { bridges: [] }),
    insert(VSWITCH, "Bridge", again, { name: "br-int", datapath_type: "netdev" }),
    update(VSWITCH, "Open_vSwitch", [], { bridges: [again] }),
  ]);
  await isBack();
  await until(() => server.rows(VSWITCH, "Interface").length === 1 + OWN.length);
  t.ok(links.pairs.has("aaaaaaaaaaaa_h"), "its interface was not collected meanwhile");
  await until(() => eventsOf(kube, REPAIRED).some((message) => /port aaaaaaaaaaaa_h of pod shop\/web-0/.test(message)));
  t.equal((await call(socket, "del", body("web-0", "aaaaaaaaaaaaaaaa"))).status, 204);
  t.same(names(server), OWN, "a port that a request removes is not restored");
  await daemon.stop();
});

t.test("a pod's port that is lost while no daemon runs is restored from its interface's alias", async (t) => {
  const { kube, server, bridge, links, socket, conflist, start } = await node(t);
  const first = await start();
  await until(() => existsSync(conflist));
  const spec = { nodeName: "weft-1", hostNetwork: false };
  const add = async (name: string, container: string): Promise<string> => {
    const made = await kube.create(PODS, { metadata: { name, namespace: "shop", annotations: ALLOCATED }, spec });
    const request = { ...body(name, container), pod_uid: made.metadata.uid };
    t.equal((await call(socket, "add", request)).status, 200);
    return made.metadata.uid;
  };
  await add("web-0", "aaaaaaaaaaaaaaaa");
  await add("gone", "bbbbbbbbbbbbbbbb");
  await first.stop();
  const ids = () => {
    const row = server.rows(VSWITCH, "Interface").find(({ name }) => name === "aaaaaaaaaaaa_h");
    const { "ovn-installed": _, ...rest } = row?.external_ids ?? {};
    return rest;
  };
  const before = ids();
  const pods = () => server.rows(VSWITCH, "Port").flatMap(({ name, _uuid }) => (name.endsWith("_h") ? [_uuid] : []));
  await server.edit(VSWITCH, [mutate(VSWITCH, "Bridge", bridge, [["ports", "delete", pods()]])]);
  await kube.delete(PODS, { namespace: "shop", name: "gone" }, { gracePeriodSeconds: 0 });
  links.others.add("foo_h");
  const second = await start();
  await until(() => ids()["iface-id"] !== undefined && !links.pairs.has("bbbbbbbbbbbb_h"));
  t.same(ids(), before);
  t.equal(pods().length, 1, "the one without a pod is gone");
  t.ok(links.others.has("foo_h"), "another program's interface stays");
  await second.stop();
});

t.test("an interface without alias gets one from the port that names it", async (t) => {
  const { kube, server, bridge, links, socket, conflist, start } = await node(t);
  const first = await start();
  await until(() => existsSync(conflist));
  const spec = { nodeName: "weft-1", hostNetwork: false };
  const made = await kube.create(PODS, {
    metadata: { name: "web-0", namespace: "shop", annotations: ALLOCATED },
    spec,
  });
  await call(socket, "add", { ...body("web-0", "aaaaaaaaaaaaaaaa"), pod_uid: made.metadata.uid });
  await first.stop();
  const { alias, ...pair } = links.pairs.get("aaaaaaaaaaaa_h")!;
  for (const has of ["", GROUP_ONLY]) {
    links.pairs.set("aaaaaaaaaaaa_h", { ...pair, alias: has });
    const next = await start();
    await until(() => links.pairs.get("aaaaaaaaaaaa_h")?.alias === alias);
    await next.stop();
  }
  t.equal(server.rows(VSWITCH, "Bridge").find(({ _uuid }) => _uuid === bridge)?.ports.length, 1 + OWN.length);
});

t.test("a daemon collects orphans when it starts and when an interface disappears", async (t) => {
  const { kube, server, bridge, links, lost, socket, conflist, start } = await node(t);
  const spec = { nodeName: "weft-1", hostNetwork: false };
  await kube.create(PODS, { metadata: { name: "web-0", namespace: "shop", annotations: ALLOCATED }, spec });
  const [port, face] = [randomUUID(), randomUUID()];
  const ids = { "iface-id": "gone.shop", vendor: "kube-ovn", pod_name: "gone", pod_namespace: "shop" };
  await server.edit(VSWITCH, [
    insert(VSWITCH, "Interface", face, {
      name: "cccccccccccc_h",
      external_ids: { ...ids, container_id: "cccccccccccc" },
    }),
    insert(VSWITCH, "Port", port, { name: "cccccccccccc_h", interfaces: [face] }),
    mutate(VSWITCH, "Bridge", bridge, [["ports", "insert", [port]]]),
  ]);
  const daemon = await start();
  await until(() => existsSync(conflist));
  await until(() => !server.rows(VSWITCH, "Interface").some(({ name }) => name === "cccccccccccc_h"));
  t.equal((await call(socket, "add", body("web-0", "aaaaaaaaaaaaaaaa"))).status, 200);
  links.pairs.delete("aaaaaaaaaaaa_h");
  for (const onLost of lost) onLost("aaaaaaaaaaaa_h");
  await until(() => server.rows(VSWITCH, "Interface").length === OWN.length);
  t.same(names(server), OWN);
  await daemon.stop();
});

t.test(
  "a deleted pod's objects are removed although the runtime, which has lost its sandbox, sends no DEL",
  async (t) => {
    const { kube, server, links, socket, conflist, start } = await node(t);
    const spec = { nodeName: "weft-1", hostNetwork: false };
    const ref = { namespace: "shop", name: "web-0" };
    await kube.create(PODS, { metadata: { ...ref, annotations: ALLOCATED }, spec });
    const daemon = await start();
    await until(() => existsSync(conflist));
    t.equal((await call(socket, "add", body("web-0", "aaaaaaaaaaaaaaaa"))).status, 200);
    t.ok(links.pairs.has("aaaaaaaaaaaa_h"));
    await kube.delete(PODS, ref, { gracePeriodSeconds: 0 });
    await until(() => !links.pairs.has("aaaaaaaaaaaa_h"));
    t.same(names(server), OWN);
    await daemon.stop();
  },
);
