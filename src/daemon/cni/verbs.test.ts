// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { DaemonMetrics } from "../metrics.ts";
import { collectOrphans } from "../pods/collect-orphans.ts";
import type { NodePod } from "../pods/pods.ts";
import { ALLOCATED } from "../testing/allocated.ts";
import { FakeLinks, FakePods, FakePorts } from "../testing/fake-node.ts";
import { POD_BODY } from "../testing/pod-request.ts";
import { CniError } from "./cni-error.ts";
import { Journal } from "./journal.ts";
import { Lanes } from "./lanes.ts";
import { cniVerbs, type VerbDependencies } from "./verbs.ts";

function setup() {
  const lines: object[] = [];
  const metrics = new DaemonMetrics("weft-1", { processMetrics: false });
  const debug: object[] = [];
  const log = {
    debug: (line: object) => debug.push(line),
    info: (line: object) => lines.push(line),
    warn: (line: object) => lines.push(line),
  };
  const parts = {
    pods: new FakePods(),
    ports: new FakePorts(),
    links: new FakeLinks(),
    lanes: new Lanes(),
    metrics,
    log,
  };
  let reason: string | undefined;
  const deps: VerbDependencies = {
    ...parts,
    journal: new Journal(metrics, log, 3),
    mtuOf: () => 1400,
    encapOf: () => undefined,
    whenTunnelsKnown: async () => undefined,
    renewFlows: async () => undefined,
    explain: async () => undefined,
    stopping: new AbortController().signal,
    deadlines: { allocatedMs: 500, knownMs: 500, installedMs: 500 },
    onOrphaned: () => undefined,
    notReady: () => reason,
  };
  parts.pods.set("shop", "web-0", "u-1", ALLOCATED);
  return {
    ...parts,
    journal: deps.journal,
    lines,
    debug,
    verbs: cniVerbs(deps),
    setReason: (text: string | undefined) => {
      reason = text;
    },
  };
}
const here = new AbortController().signal;

t.test("DEL removes port and interface, and succeeds if there is nothing", async (t) => {
  const { verbs, ports, links } = setup();
  await verbs.add(POD_BODY, here);
  const later = { ...POD_BODY, pod_name: "", pod_namespace: "", pod_uid: "", net_ns: "" };
  await verbs.del(later, here);
  t.same([ports.ports.size, links.pairs.size], [0, 0]);
  await verbs.del(later, here);
});

t.test("the shim's id of a request is in the log, in the journal and in the port's external_ids", async (t) => {
  const { verbs, ports, lines, journal, debug } = setup();
  await verbs.add({ ...POD_BODY, request_id: "mq1x2-3f" }, here);
  const steps = debug as readonly { readonly cni: { readonly request: string; readonly part?: string } }[];
  t.ok(steps.length > 2, "level debug has a line for each part");
  t.ok(steps.every(({ cni }) => cni.request === "mq1x2-3f"));
  t.equal(steps[0]?.cni.part, undefined, "and one for its beginning");
  t.match(lines, [{ cni: { verb: "add", request: "mq1x2-3f" } }]);
  t.match(journal.entries(), [{ request: "mq1x2-3f" }]);
  t.equal([...ports.ports.values()][0]?.externalIds["weft-request"], "mq1x2-3f");
  for (const malformed of ['x" y', "a".repeat(65), 7, null]) {
    await verbs.add({ ...POD_BODY, request_id: malformed }, here);
    t.notOk("weft-request" in ([...ports.ports.values()][0]?.externalIds ?? {}), `left out: ${malformed}`);
  }
});

t.test("DEL removes a port without container id by its name", async (t) => {
  const { verbs, ports } = setup();
  const pod = { pod_name: "web-0", pod_namespace: "shop" };
  const externalIds = { "iface-id": "web-0.shop", vendor: "kube-ovn", ...pod };
  const port = { name: "0123456789ab_h", externalIds, error: "", installed: true };
  ports.ports.set("p", { ...port, portUuid: "p", interfaceUuid: "i" });
  await verbs.del(POD_BODY, here);
  t.equal(ports.ports.size, 0);
});

t.test("DEL of an old sandbox leaves the new one of the same pod alone", async (t) => {
  const { verbs, ports, links } = setup();
  await verbs.add(POD_BODY, here);
  await verbs.add({ ...POD_BODY, container_id: "fedcba9876543210", net_ns: "/run/netns/y" }, here);
  t.equal(ports.ports.size, 1, "one port an iface-id");
  await verbs.del(POD_BODY, here);
  t.same(
    [...ports.ports.values()].map(({ name }) => name),
    ["fedcba987654_h"],
  );
  t.same([...links.pairs.keys()], ["fedcba987654_h"]);
});

t.test("DEL aborts an ADD that waits for the controller", async (t) => {
  const { verbs, pods, journal } = setup();
  pods.set("shop", "web-0", "u-1");
  const adding = verbs.add(POD_BODY, here);
  await verbs.del(POD_BODY, here);
  await t.rejects(adding, { code: 11, message: /aborted: a DEL/ });
  t.match(journal.entries(), [{ verb: "add", code: 11 }, { verb: "del" }]);
});

t.test("ADD for a caller that disconnects is rolled back", async (t) => {
  const { verbs, ports, links } = setup();
  ports.installs = false;
  const caller = new AbortController();
  const adding = verbs.add(POD_BODY, caller.signal);
  await new Promise(setImmediate);
  t.equal(ports.ports.size, 1);
  caller.abort();
  await t.rejects(adding, { message: /the caller has disconnected/ });
  t.same([ports.ports.size, links.pairs.size], [0, 0]);
});

t.test("CHECK accepts the result of ADD and names differences", async (t) => {
  const { verbs, ports, links } = setup();
  await verbs.add(POD_BODY, here);
  const prev_result = {
    cniVersion: "1.0.0",
    interfaces: [{ name: "eth0", mac: "02:00:00:00:00:07", sandbox: "/run/netns/x" }],
    ips: [{ address: "10.16.0.7/16", gateway: "10.16.0.1", interface: 0 }],
    routes: [{ dst: "0.0.0.0/0", gw: "10.16.0.1" }],
  };
  await verbs.check({ ...POD_BODY, prev_result }, here);
  const [uuid, port] = [...ports.ports.entries()][0]!;
  ports.ports.set(uuid, { ...port, installed: false, error: "No such device" });
  await t.rejects(verbs.check({ ...POD_BODY, prev_result }, here), {
    message: /No such device.*not installed the flows/,
  });
  ports.ports.set(uuid, port);
  const pair = links.pairs.get(port.name)!;
  links.pairs.set(port.name, { ...pair, mac: "02:00:00:00:00:99", routes: [], addresses: [] });
  await t.rejects(verbs.check({ ...POD_BODY, prev_result }, here), {
    message: /has MAC 02:00:00:00:00:99.*no address 10\.16\.0\.7\/16.*no route to 0\.0\.0\.0\/0/,
  });
  links.pairs.delete(port.name);
  await t.rejects(
    verbs.check({ ...POD_BODY, prev_result }, here),
    /host end .* does not exist; interface eth0 does not exist/,
  );
  await t.rejects(verbs.check({ ...POD_BODY, container_id: "other", prev_result }, here), /no port on br-int/);
});

t.test("CHECK accepts the prefix that a subnet had before it grew", async (t) => {
  const { verbs, pods } = setup();
  await verbs.add(POD_BODY, here);
  const grown = { ...ALLOCATED, "ovn.kubernetes.io/cidr": "10.16.0.0/15" };
  t.not(grown["ovn.kubernetes.io/cidr"], ALLOCATED["ovn.kubernetes.io/cidr"]);
  pods.set("shop", "web-0", "u-1", grown);
  await verbs.check(POD_BODY, here);
  pods.set("shop", "web-0", "u-1", { ...grown, "ovn.kubernetes.io/ip_address": "10.17.0.9" });
  await t.rejects(verbs.check(POD_BODY, here), /no address 10\.17\.0\.9/);
});

t.test("CHECK and GC find the port of a virtual machine's pod", async (t) => {
  const { verbs, pods, ports } = setup();
  pods.set("shop", "launcher", "u-9", { ...ALLOCATED, "ovn.kubernetes.io/virtualmachine": "vm" });
  const body = { ...POD_BODY, pod_name: "launcher", pod_uid: "u-9" };
  await verbs.add(body, here);
  await verbs.check(body, here);
  await verbs.gc({ valid_attachments: [{ containerID: body.container_id, ifname: "eth0" }] }, here);
  t.equal(ports.ports.size, 1);
  await verbs.gc({ valid_attachments: [] }, here);
  t.equal(ports.ports.size, 0);
});

t.test("GC removes attachments that are not in the list, but not those that are being added", async (t) => {
  const { verbs, pods, ports } = setup();
  await verbs.add(POD_BODY, here);
  pods.set("shop", "web-1", "u-2", ALLOCATED);
  await verbs.add({ ...POD_BODY, pod_name: "web-1", pod_uid: "u-2", container_id: "bbbbbbbbbbbbbbbb" }, here);
  await verbs.gc({ valid_attachments: [{ containerID: "bbbbbbbbbbbbbbbb", ifname: "eth0" }] }, here);
  t.same(
    [...ports.ports.values()].map(({ name }) => name),
    ["bbbbbbbbbbbb_h"],
  );
  await verbs.gc({ provider: "net1.shop.ovn", valid_attachments: [] }, here);
  t.equal(ports.ports.size, 1, "another network's list does not concern this one");
  ports.installs = false;
  const adding = verbs.add(POD_BODY, here);
  await new Promise(setImmediate);
  await verbs.gc({ valid_attachments: [] }, here);
  t.same(
    [...ports.ports.values()].map(({ name }) => name),
    ["0123456789ab_h"],
  );
  await verbs.del(POD_BODY, here);
  await t.rejects(adding);
  t.throws(() => verbs.gc({}, here), { code: 7 }, "no list is not an empty list");
});

t.test("STATUS reports why pods would get no network", async (t) => {
  const { verbs, setReason, lines } = setup();
  t.equal(await verbs.status({}, here), undefined);
  t.same(lines, [], "a successful STATUS is not logged");
  setReason("Open vSwitch is not connected");
  await t.rejects(verbs.status({}, here), { code: 50, message: /Open vSwitch is not connected/ });
});

t.test("a bad request is refused with the key that is wrong", async (t) => {
  const { verbs } = setup();
  for (const [key, value] of [
    ["container_id", ""],
    ["container_id", "../../x"],
    ["if_name", "a b"],
    ["pod_name", ""],
    ["pod_name", 7],
    ["net_ns", ""],
    ["routes", "no"],
    ["routes", [{ dst: 1 }]],
  ] as const) {
    t.throws(() => verbs.add({ ...POD_BODY, [key]: value }, here), { code: 7, message: new RegExp(key) }, key);
  }
  t.throws(() => verbs.add([], here), { code: 6 });
});

t.test("the journal keeps the last requests and the metrics count them", async (t) => {
  const { verbs, journal, metrics } = setup();
  for (let at = 0; at < 5; at += 1) await verbs.del({ ...POD_BODY, container_id: `c${at}` }, here);
  t.same(
    journal.entries().map(({ container }) => container),
    ["c2", "c3", "c4"],
  );
  t.same(journal.entries("add"), []);
  const text = await metrics.registry.metrics();
  t.match(text, 'cni_op_latency_seconds_count{node_name="weft-1",method="del",status_code="204"} 5');
});

t.test("objects of a pod that an outdated list lacks are removed only if the API server confirms it", async (t) => {
  const deps = setup();
  const { verbs, pods, ports } = deps;
  pods.set("shop", POD_BODY.pod_name, POD_BODY.pod_uid, ALLOCATED);
  await verbs.add(POD_BODY, here);
  const now = pods.get(`shop/${POD_BODY.pod_name}`);
  pods.remove("shop", POD_BODY.pod_name);
  let answer: () => NodePod | undefined = () => now;
  const lost = { names: () => [], expect: () => t.fail("no port is missing") };
  const collect = () => collectOrphans({ ...deps, lost, readPod: async () => answer() });
  await collect();
  t.equal(ports.ports.size, 1, "it is there");
  answer = () => {
    throw new Error("no answer");
  };
  await t.rejects(collect(), /no answer/);
  t.equal(ports.ports.size, 1, "the API server does not answer");
  answer = () => now && { ...now, uids: ["another"] };
  await collect();
  t.equal(ports.ports.size, 0, "another pod has its name");
});

t.test("the collection removes orphaned ports and interfaces", async (t) => {
  const deps = setup();
  const { verbs, pods, ports, links } = deps;
  const add = async (name: string, container: string): Promise<void> => {
    pods.set("shop", name, `u-${name}`, ALLOCATED);
    const body = { ...POD_BODY, pod_name: name, pod_uid: `u-${name}`, container_id: container };
    await verbs.add({ ...body, net_ns: `/run/netns/${name}` }, here);
  };
  await add("stays", "aaaaaaaaaaaaaaaa");
  await add("gone", "bbbbbbbbbbbbbbbb");
  await add("renewed", "cccccccccccccccc");
  await add("no-link", "dddddddddddddddd");
  pods.remove("shop", "gone");
  pods.set("shop", "renewed", "another", ALLOCATED);
  links.pairs.delete("dddddddddddd_h");
  // Of an earlier sandbox of the pod, which the runtime no longer knows.
  links.pairs.set("eeeeeeeeeeee_h", links.pairs.get("aaaaaaaaaaaa_h")!);
  for (const name of ["eth1", "foo_h", "bbbbbbbbbbbc_h"]) links.others.add(name);
  ports.installs = false;
  const adding = verbs.add(POD_BODY, here);
  await new Promise(setImmediate);
  pods.synced = false;
  const readPod = async (namespace: string, name: string) => pods.get(`${namespace}/${name}`);
  const lost = { names: () => ["ffffffffffff_h"], expect: () => t.fail("no port is missing") };
  const collected = { ...deps, readPod, lost };
  links.pairs.set("ffffffffffff_h", links.pairs.get("aaaaaaaaaaaa_h")!);
  await collectOrphans(collected);
  t.equal(ports.ports.size, 4, "while the pods are not known only the port without an interface is removed");
  pods.synced = true;
  await collectOrphans(collected);
  t.ok(links.pairs.delete("ffffffffffff_h"), "its port is about to be restored");
  t.same(
    [...ports.ports.values()].map(({ name }) => name),
    ["aaaaaaaaaaaa_h", "0123456789ab_h"],
  );
  t.same([...links.pairs.keys()].sort(), ["0123456789ab_h", "aaaaaaaaaaaa_h"]);
  t.same(
    [...links.others],
    ["eth1", "foo_h", "bbbbbbbbbbbc_h"],
    "an interface without Weft's mark stays, whatever its name",
  );
  await verbs.del(POD_BODY, here);
  await t.rejects(adding, CniError);
});
