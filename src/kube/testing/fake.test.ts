// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import { ManualClock } from "../../time/testing/manual-clock.ts";
import { informer } from "../informer.ts";
import type { CustomObject, KubeObject } from "../object.ts";
import { IPS, LEASES, NODES, PODS, SUBNETS, VIPS } from "../resources.ts";
import type { Node, Pod } from "../types.ts";
import { fakeKube } from "./fake.ts";
import { applyPatch } from "./fake-patch.ts";
import { selectorOf } from "./fake-selector.ts";

type Subnet = CustomObject<{ cidrBlock?: string }, { ready?: boolean }>;

const S = { name: "s" };

t.test("versions rise, generations count changes of the spec, and a write without a change is ignored", async (t) => {
  const fake = fakeKube();
  const first = await fake.create<Subnet>(SUBNETS, { metadata: S, spec: {}, status: { ready: true } });
  t.equal(first.status, undefined, "creation does not take the status");
  t.equal(first.metadata.generation, 1);
  const same = await fake.patch(SUBNETS, S, { type: "merge", body: { spec: {} } });
  t.equal(same.metadata.resourceVersion, first.metadata.resourceVersion);
  const labelled = await fake.patch(SUBNETS, S, { type: "merge", body: { metadata: { labels: { a: "b" } } } });
  t.equal(labelled.metadata.generation, 1);
  t.ok(Number(labelled.metadata.resourceVersion) > Number(first.metadata.resourceVersion));
  const changed = await fake.patch(SUBNETS, S, { type: "merge", body: { spec: { cidrBlock: "10.0.0.0/8" } } });
  t.equal(changed.metadata.generation, 2);
});

t.test("the status has its own endpoint, and neither endpoint writes the other's fields", async (t) => {
  const fake = fakeKube();
  await fake.create<Subnet>(SUBNETS, { metadata: S, spec: {} });
  const both = { status: { ready: true }, spec: { cidrBlock: "x" }, metadata: { labels: { a: "b" } } };
  const main = await fake.patch<Subnet>(SUBNETS, S, { type: "merge", body: both });
  t.match([main.status, main.spec.cidrBlock, main.metadata.labels], [undefined, "x", { a: "b" }]);
  const other = { ...both, spec: { cidrBlock: "y" }, metadata: { labels: { a: "c" } } };
  const status = await fake.patch<Subnet>(SUBNETS, S, { type: "merge", body: other }, { subresource: "status" });
  t.match([status.status, status.spec.cidrBlock, status.metadata.labels], [{ ready: true }, "x", { a: "b" }]);
  await fake.create<Node>(NODES, { metadata: { name: "n" } });
  const annotated = { metadata: { annotations: { a: "b" } }, status: { addresses: [] } };
  const node = await fake.patch(NODES, { name: "n" }, { type: "merge", body: annotated }, { subresource: "status" });
  t.same(node.metadata.annotations, { a: "b" }, "built-in types take annotations there");
  await fake.create(LEASES, { metadata: { name: "l", namespace: "x" } });
  const lease = fake.patch(
    LEASES,
    { name: "l", namespace: "x" },
    { type: "merge", body: {} },
    { subresource: "status" },
  );
  await t.rejects(lease, { code: "not-found" });
});

t.test("a stale update conflicts, and so does a patch that names a stale version or another uid", async (t) => {
  const fake = fakeKube();
  const first = await fake.create<Subnet>(SUBNETS, { metadata: S, spec: {} });
  await fake.patch(SUBNETS, S, { type: "merge", body: { spec: { cidrBlock: "x" } } });
  await t.rejects(fake.update(SUBNETS, first), { code: "conflict" });
  const { resourceVersion } = first.metadata;
  const patch = { type: "merge", body: { metadata: { resourceVersion } } } as const;
  await t.rejects(fake.patch(SUBNETS, S, patch), { code: "conflict" });
  await t.rejects(fake.delete(SUBNETS, S, { preconditions: { resourceVersion } }), { code: "conflict" });
  await t.rejects(fake.patch(SUBNETS, S, { type: "merge", body: { metadata: { uid: "other" } } }), {
    code: "invalid",
  });
});

t.test("finalizers keep an object until the last is removed; none can be added meanwhile", async (t) => {
  const clock = new ManualClock();
  const fake = fakeKube({ clock });
  const finalizers = ["kubeovn.io/kube-ovn-controller", "other"];
  await fake.create<Subnet>(SUBNETS, { metadata: { ...S, finalizers }, spec: {} });
  await fake.delete(SUBNETS, S);
  const deleted = await fake.get(SUBNETS, S);
  t.equal(deleted.metadata.deletionTimestamp, "2025-01-01T00:00:00Z");
  t.equal(deleted.metadata.generation, 2);
  await fake.delete(SUBNETS, S);
  t.equal((await fake.get(SUBNETS, S)).metadata.resourceVersion, deleted.metadata.resourceVersion);
  const more = { metadata: { finalizers: [...finalizers, "third"] } };
  await t.rejects(fake.patch(SUBNETS, S, { type: "merge", body: more }), { code: "invalid" });
  await fake.patch(SUBNETS, S, { type: "merge", body: { metadata: { finalizers: ["other"] } } });
  await fake.patch(SUBNETS, S, { type: "merge", body: { metadata: { finalizers: null } } });
  await t.rejects(fake.get(SUBNETS, S), { code: "not-found" });
});

t.test("a pod on a node is deleted gracefully: marked first, removed when kubelet says so", async (t) => {
  const fake = fakeKube();
  const ref = { namespace: "default", name: "p" };
  await fake.create<Pod>(PODS, { metadata: ref, spec: { nodeName: "weft-1" } });
  await fake.delete(PODS, ref);
  t.match(await fake.get(PODS, ref), { metadata: { deletionGracePeriodSeconds: 30 } });
  await fake.delete(PODS, ref, { gracePeriodSeconds: 0 });
  await t.rejects(fake.get(PODS, ref), { code: "not-found" });
  await fake.create<Pod>(PODS, { metadata: ref, spec: {} });
  await fake.delete(PODS, ref);
  t.equal(fake.object(PODS, ref), undefined, "a pod without a node is removed at once");
});

t.test("returned objects are copies", async (t) => {
  const fake = fakeKube();
  const labels: Record<string, string> = { a: "b" };
  const creating = fake.create(IPS, { metadata: { name: "i", labels } });
  labels["a"] = "changed";
  const made = await creating;
  t.same(made.metadata.labels, { a: "b" });
  t.throws(() => Object.assign(made.metadata, { name: "x" }), TypeError);
});

t.test("faults: an error, a lost answer, a delay, a hang; each the given number of times", async (t) => {
  const clock = new ManualClock();
  const fake = fakeKube({ clock });
  fake.fail({ verb: "create", type: IPS, name: "a", code: "timeout", after: true });
  await t.rejects(fake.create(IPS, { metadata: { name: "a" } }), { code: "timeout" });
  await t.rejects(fake.create(IPS, { metadata: { name: "a" } }), { code: "exists" }, "it had taken effect");
  const lift = fake.fail({ verb: "get", code: "internal", times: 100 });
  await t.rejects(fake.get(IPS, { name: "a" }), { code: "internal" });
  lift();
  await fake.get(IPS, { name: "a" });
  fake.fail({ verb: "get", delayMs: 1_000 });
  const slow = fake.get(IPS, { name: "a" });
  fake.fail({ verb: "delete", hang: true });
  const hanging = fake.delete(IPS, { name: "a" }, { deadlineMs: 2_000 });
  const outcome = t.rejects(hanging, { code: "timeout" });
  await clock.advance(2_000);
  await outcome;
  t.match(await slow, { metadata: { name: "a" } });
  t.equal(clock.pending, 0);
});

t.test("JSON patches follow RFC 6902, and do not change the target when they fail", async (t) => {
  const target = { a: { b: [1, 2] }, "x/y": "~" };
  const patched = applyPatch(target, {
    type: "json",
    body: [
      { op: "test", path: "/x~1y", value: "~" },
      { op: "add", path: "/a/b/-", value: 3 },
      { op: "add", path: "/a/b/0", value: 0 },
      { op: "replace", path: "/a/b/1", value: "one" },
      { op: "remove", path: "/a/b/2" },
      { op: "copy", from: "/a/b", path: "/c" },
      { op: "move", from: "/x~1y", path: "/d" },
    ],
  });
  t.same(patched, { a: { b: [0, "one", 3] }, c: [0, "one", 3], d: "~" });
  t.same(target, { a: { b: [1, 2] }, "x/y": "~" });
  for (const step of [
    { op: "test", path: "/a/b/0", value: 2 },
    { op: "remove", path: "/a/z" },
    { op: "replace", path: "/a/z", value: 1 },
    { op: "add", path: "/z/z", value: 1 },
    { op: "add", path: "/a/b/9", value: 1 },
    { op: "remove", path: "a" },
  ] as const) {
    t.throws(() => applyPatch(target, { type: "json", body: [step] }), { code: "invalid" });
  }
});

t.test("selectors are evaluated as by the API server", async (t) => {
  const pod = {
    metadata: { name: "p", namespace: "ns", labels: { app: "web", tier: "front" }, uid: "", resourceVersion: "" },
    spec: { nodeName: "n1" },
  };
  const matches = (labelSelector: string, fieldSelector = ""): boolean =>
    selectorOf({ labelSelector, fieldSelector })(pod);
  const yes = [
    "app=web",
    "app==web",
    "app in (web,db)",
    "app,tier",
    "!zone",
    "app!=db",
    "zone!=a",
    "zone notin (a)",
    "",
  ];
  for (const text of yes) t.ok(matches(text), text);
  for (const text of ["app=db", "zone", "!app", "app notin (web)", "zone in (a)", "app,zone"])
    t.notOk(matches(text), text);
  t.ok(matches("app", "spec.nodeName=n1,metadata.namespace=ns,spec.hostNetwork=false,status.phase!=Running"));
  t.notOk(matches("app", "spec.nodeName!=n1"));
  t.notOk(matches("", "spec.hostNetwork=true"));
  t.throws(() => matches("a b"), { code: "invalid" });
  t.throws(() => matches("", "spec.nodeName"), { code: "invalid" });
});

t.test("after any sequence of changes and broken connections, an informer has the stored objects", async (t) => {
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constant("put" as const), name: fc.nat(4), value: fc.nat(3) }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant("remove" as const), name: fc.nat(4) }) },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constantFrom("drop", "end", "stall", "expire", "compact", "bookmark") }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.constantFrom(100, 2_000, 200_000) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("fail" as const), verb: fc.constantFrom("list", "watch") }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      const clock = new ManualClock();
      const fake = fakeKube({ clock });
      const ips = informer<CustomObject<{ v: number }>, number>(fake, IPS, {
        project: (ip) => ip.spec.v,
        pageSize: 2,
        clock,
      });
      // The state of a listener that only gets changes.
      const heard = new Map<string, number>();
      ips.subscribe(({ key, old, new: now }) => {
        if (old !== heard.get(key)) throw new Error(`${key}: ${old} is not what was announced before`);
        if (now === undefined) heard.delete(key);
        else heard.set(key, now);
      });
      ips.start();
      for (const each of steps) {
        const ref = "name" in each ? { name: `ip-${each.name}` } : { name: "" };
        if (each.do === "put" && "value" in each) {
          const spec = { v: each.value };
          if (fake.object(IPS, ref) === undefined) await fake.create<KubeObject>(IPS, { metadata: ref, spec });
          else await fake.patch(IPS, ref, { type: "merge", body: { spec } });
        } else if (each.do === "remove") {
          if (fake.object(IPS, ref) !== undefined) await fake.delete(IPS, ref);
        } else if (each.do === "drop") fake.dropWatches();
        else if (each.do === "end") fake.endWatches();
        else if (each.do === "stall") fake.stallWatches();
        else if (each.do === "expire") fake.expireWatches();
        else if (each.do === "compact") fake.compact();
        else if (each.do === "bookmark") fake.bookmark();
        else if ("ms" in each) await clock.advance(each.ms);
        else if (each.do === "fail") fake.fail({ verb: each.verb as "list", code: "unavailable" });
      }
      await clock.advance(400_000);
      await fake.settled();
      const stored = fake.objects<CustomObject<{ v: number }>>(IPS).map((ip) => [ip.metadata.name, ip.spec.v]);
      const same = (pairs: Iterable<readonly unknown[]>): boolean =>
        JSON.stringify([...pairs].sort(([a], [b]) => String(a).localeCompare(String(b)))) === JSON.stringify(stored);
      const good = ips.synced && same(ips.entries()) && same(heard);
      await ips.stop();
      return good && clock.pending === 0 && fake.watchCount() === 0;
    }),
    { numRuns: 60 },
  );
  t.pass("held");
});

t.test("a type without a status subresource takes its status with the rest, as IP and Vip do", async (t) => {
  const fake = fakeKube();
  await fake.create(VIPS, { metadata: { name: "v" }, spec: {} });
  const patched = await fake.patch(VIPS, { name: "v" }, { type: "merge", body: { status: { v4ip: "10.16.0.9" } } });
  t.same(patched.status, { v4ip: "10.16.0.9" });
});
