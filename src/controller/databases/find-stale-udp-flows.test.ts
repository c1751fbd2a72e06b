// SPDX-License-Identifier: Apache-2.0

import { randomUUID } from "node:crypto";
import t from "tap";
import { SUBNET } from "../../api/annotations.ts";
import { decodeStaleFlows, type StaleFlows } from "../../contract/stale-udp-flows.ts";
import type { KubeObject } from "../../kube/object.ts";
import { ENDPOINT_SLICES, SERVICES, SUBNETS } from "../../kube/resources.ts";
import { OVN_NB } from "../../ovsdb/generated/ovn-nb.ts";
import { insert } from "../../ovsdb/operation.ts";
import { fakeOvsdb } from "../../ovsdb/testing/fake.ts";
import { until } from "../../ovsdb/testing/until.ts";
import type { Plan } from "../../reconcile/transaction-plan.ts";
import { ManualClock } from "../../time/testing/manual-clock.ts";
import { candidate, cluster, eventually } from "../testing/cluster.ts";
import { Northbound } from "./northbound.ts";

t.test("flows to a removed UDP endpoint are recorded for nodes, with the number of the transaction", async (t) => {
  const { kube, server } = await cluster(t);
  await server.edit(OVN_NB, [insert(OVN_NB, "NB_Global", undefined, { nb_cfg: 41 })]);
  candidate(t, kube, server);
  const ports = (protocol: string) => [{ name: "p", protocol, port: 53 }];
  const slice = (name: string, addresses: readonly string[], protocol: string) => ({
    metadata: { namespace: "default", name: `${name}-1`, labels: { "kubernetes.io/service-name": name } },
    addressType: "IPv4",
    ports: [{ name: "p", protocol, port: 5353 }],
    endpoints: addresses.map((address) => ({ addresses: [address] })),
  });
  for (const [name, protocol, address] of [
    ["dns", "UDP", "10.96.0.10"],
    ["web", "TCP", "10.96.0.11"],
  ] as const) {
    const spec = { clusterIP: address, clusterIPs: [address], ports: ports(protocol) };
    await kube.create(SERVICES, { metadata: { namespace: "default", name }, spec } as never);
    await kube.create(ENDPOINT_SLICES, slice(name, ["10.16.0.2", "10.16.0.3"], protocol) as never);
  }
  const endpointsOf = (vip: string): string | undefined =>
    server
      .rows(OVN_NB, "Load_Balancer")
      .map(({ vips }) => vips[vip])
      .find((found) => found !== undefined);
  const balanced = (vip: string, wanted: string | undefined) =>
    eventually(`${vip} → ${wanted}`, () => (endpointsOf(vip) === wanted ? true : undefined));
  const cfg = (): number | undefined => server.rows(OVN_NB, "NB_Global")[0]?.nb_cfg;
  const record = (): string | undefined =>
    kube.object<KubeObject>(SUBNETS, { name: "join" })?.metadata.annotations?.[SUBNET.staleFlows];
  const recorded = (count: number) =>
    eventually(`${count} entries`, () => {
      const entries = decodeStaleFlows(record() ?? '{"version":1}');
      return entries.length === count ? entries : undefined;
    });
  await balanced("10.96.0.10:53", "10.16.0.2:5353,10.16.0.3:5353");
  await balanced("10.96.0.11:53", "10.16.0.2:5353,10.16.0.3:5353");

  const keep = async (name: string, addresses: readonly string[]): Promise<void> => {
    const body = { endpoints: addresses.map((address) => ({ addresses: [address] })) };
    await kube.patch(ENDPOINT_SLICES, { namespace: "default", name: `${name}-1` }, { type: "merge", body });
  };
  await keep("web", ["10.16.0.2"]);
  await balanced("10.96.0.11:53", "10.16.0.2:5353");
  await keep("dns", ["10.16.0.2", "10.16.0.3", "10.16.0.4"]);
  await balanced("10.96.0.10:53", "10.16.0.2:5353,10.16.0.3:5353,10.16.0.4:5353");
  t.equal(cfg(), 41, "TCP clients notice it themselves, and one endpoint more ends nothing");
  t.equal(record(), undefined);

  await keep("dns", ["10.16.0.4"]);
  const gone = ["10.16.0.2:5353", "10.16.0.3:5353"].map((endpoint) => ({ service: "10.96.0.10:53", endpoint }));
  const first = { cfg: 42, flows: gone };
  t.strictSame(await recorded(1), [first]);
  t.equal(cfg(), 42);
  await kube.delete(SERVICES, { namespace: "default", name: "dns" });
  const last = { cfg: 43, flows: [{ service: "10.96.0.10:53", endpoint: "10.16.0.4:5353" }] };
  t.strictSame(await recorded(2), [first, last], "with the Service the rest");
});

t.test("flows that a transaction with unknown outcome has ended are recorded with the next one", async (t) => {
  const server = fakeOvsdb(OVN_NB);
  t.teardown(() => server.close());
  const balancer = randomUUID();
  await server.edit(OVN_NB, [
    insert(OVN_NB, "NB_Global", undefined, { nb_cfg: 41 }),
    insert(OVN_NB, "Load_Balancer", balancer, {
      ...{ name: "dns", options: { ct_flush: "true" } },
      vips: { "10.96.0.10:53": "10.16.0.2:53,10.16.0.3:53", "^vip:53": "10.16.0.2:53", "[fd00::a]:53": "[fd00::2]:53" },
    }),
  ]);
  const northbound = new Northbound(server.connect());
  const ready = () => Promise.all([northbound.whenReady(), northbound.lock.whenHeld()]);
  await ready();
  const ended: StaleFlows[] = [];
  northbound.onStaleFlows((one) => void ended.push(one));
  const row = { table: "Load_Balancer", uuid: balancer, label: "dns", columns: {} };
  const plan = (vips: Readonly<Record<string, string>>): Plan => ({
    ...{ inserts: [], mutations: [], deletes: [], deferred: new Set(), misdirected: [] },
    updates: [{ row, columns: { vips }, before: {} }],
  });
  server.pause();
  const broken = northbound.commit(plan({ "10.96.0.10:53": "10.16.0.3:53" }));
  server.cut();
  t.match(await broken, { kind: "unknown" });
  t.strictSame(ended, []);
  server.resume();
  await ready();
  const now = { "10.96.0.10:53": "10.16.0.3:53", "[fd00::a]:53": "[fd00::2]:53" };
  t.same(await northbound.commit(plan(now)), { kind: "committed" });
  const cfg = server.rows(OVN_NB, "NB_Global")[0]?.nb_cfg;
  t.equal(ended[0]?.cfg, cfg);
  t.same(
    new Set(ended[0]?.flows.map(({ service, endpoint }) => `${service} ${endpoint}`)),
    new Set(["10.96.0.10:53 10.16.0.2:53", "[fd00::a]:53 [fd00::2]:53"]),
    "not those of a template",
  );
  t.same(await northbound.commit(plan(now)), { kind: "committed" });
  t.equal(ended.length, 1, "once");
});

t.test(
  "flows that two transactions with unknown outcome have ended are recorded with the next one, even if it is refused",
  async (t) => {
    const server = fakeOvsdb(OVN_NB);
    t.teardown(() => server.close());
    const [one, two] = [randomUUID(), randomUUID()];
    const vip = "10.96.0.10:53";
    const balancer = (name: string, endpoint: string) => ({
      ...{ name, options: { ct_flush: "true" } },
      vips: { [vip]: endpoint },
    });
    await server.edit(OVN_NB, [
      insert(OVN_NB, "NB_Global", undefined, { nb_cfg: 41 }),
      insert(OVN_NB, "Load_Balancer", one, balancer("one", "10.16.0.2:53")),
      insert(OVN_NB, "Load_Balancer", two, balancer("two", "10.16.0.3:53")),
    ]);
    const northbound = new Northbound(server.connect());
    const ready = () => Promise.all([northbound.whenReady(), northbound.lock.whenHeld()]);
    await ready();
    const ended: StaleFlows[] = [];
    northbound.onStaleFlows((flows) => void ended.push(flows));
    const empty = (uuid: string): Plan => ({
      ...{ inserts: [], mutations: [], deletes: [], deferred: new Set(), misdirected: [] },
      updates: [{ row: { table: "Load_Balancer", uuid, label: uuid, columns: {} }, columns: { vips: {} }, before: {} }],
    });
    server.pause();
    const broken = [northbound.commit(empty(one)), northbound.commit(empty(two))];
    server.cut();
    t.match(await Promise.all(broken), [{ kind: "unknown" }, { kind: "unknown" }]);
    server.resume();
    await ready();
    server.onTransact = () => ({ error: "constraint violation" });
    t.match(await northbound.commit(empty(one)), { kind: "refused" });
    server.onTransact = undefined;
    const unrelated = { ...empty(one), updates: [] };
    t.match(await northbound.commit(unrelated), { kind: "committed" });
    t.same(
      new Set(ended.flatMap(({ flows }) => flows.map(({ endpoint }) => endpoint))),
      new Set(["10.16.0.2:53", "10.16.0.3:53"]),
    );
  },
);

t.test("however many transactions end flows, nb_cfg is incremented at most every two seconds", async (t) => {
  const server = fakeOvsdb(OVN_NB);
  t.teardown(() => server.close());
  const [balancer, clock] = [randomUUID(), new ManualClock()];
  const vip = "10.96.0.10:53";
  const endpoints = Array.from({ length: 100 }, (_, i) => `10.16.0.${i + 2}:53`);
  await server.edit(OVN_NB, [
    insert(OVN_NB, "NB_Global", undefined, { nb_cfg: 41 }),
    insert(OVN_NB, "Load_Balancer", balancer, {
      ...{ name: "dns", options: { ct_flush: "true" } },
      vips: { [vip]: endpoints.join() },
    }),
  ]);
  const northbound = new Northbound(server.connect(), clock);
  await Promise.all([northbound.whenReady(), northbound.lock.whenHeld()]);
  const ended: StaleFlows[] = [];
  const all = Promise.withResolvers<void>();
  northbound.onStaleFlows((one) => {
    ended.push(one);
    if (ended.length === 2) all.resolve();
  });
  const row = { table: "Load_Balancer", uuid: balancer, label: "dns", columns: {} };
  for (let gone = 1; gone <= endpoints.length; gone++) {
    const rest = endpoints.slice(gone).join();
    const vips: Record<string, string> = rest === "" ? {} : { [vip]: rest };
    await northbound.commit({
      ...{ inserts: [], mutations: [], deletes: [], deferred: new Set(), misdirected: [] },
      updates: [{ row, columns: { vips }, before: {} }],
    });
    await until(
      (listener) => northbound.subscribe(listener),
      () =>
        Object.keys(vips).length === Object.keys(northbound.view.get("Load_Balancer", balancer)?.["vips"] ?? {}).length,
      "the mirror has it",
    );
  }
  t.match(ended, [{ cfg: 42, flows: [{ service: vip, endpoint: endpoints[0] }] }], "the first at once");
  clock.pass(2_000);
  await all.promise;
  t.equal(ended[1]?.cfg, 43);
  t.equal(server.rows(OVN_NB, "NB_Global")[0]?.nb_cfg, 43);
  const flows = ended.flatMap((one) => one.flows.map(({ endpoint }) => endpoint));
  t.same(new Set(flows), new Set(endpoints));
  t.equal(clock.pending, 0, "nothing is left to do");
});
