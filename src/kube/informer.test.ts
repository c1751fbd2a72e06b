// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import t, { type Test } from "tap";
import { ManualClock } from "../time/testing/manual-clock.ts";
import { KubeError } from "./errors.ts";
import { type Informer, informer } from "./informer.ts";
import type { Change } from "./informer-cache.ts";
import type { InformerOptions } from "./informer-options.ts";
import type { Kube } from "./kube.ts";
import type { KubeObject } from "./object.ts";
import { listEach } from "./pages.ts";
import { PODS, SUBNETS } from "./resources.ts";
import { type FakeKube, fakeKube } from "./testing/fake.ts";
import type { Pod } from "./types.ts";
import { waitFor } from "./wait.ts";

interface PodFact {
  readonly node: string | undefined;
  readonly note: string | undefined;
}

function project(pod: Pod): PodFact {
  return { node: pod.spec?.nodeName, note: pod.metadata.annotations?.["note"] };
}

interface World {
  readonly clock: ManualClock;
  readonly fake: FakeKube;
  readonly pods: Informer<PodFact>;
  /** `+key`, `~key`, `-key` since the last call. */
  readonly heard: () => string[];
  readonly errors: unknown[];
  readonly states: string[];
}

function world(t: Test, options: Partial<InformerOptions<Pod, PodFact>> = {}): World {
  const clock = new ManualClock();
  clock.chance = 0.5;
  const fake = fakeKube({ clock });
  const errors: unknown[] = [];
  const states: string[] = [];
  const pods = informer<Pod, PodFact>(fake, PODS, {
    project,
    clock,
    onError: (error) => errors.push(error),
    onState: (state) => states.push(state),
    ...options,
  });
  let changes: string[] = [];
  pods.subscribe((change) => changes.push(sign(change)));
  t.teardown(async () => {
    await pods.stop();
    await fake.settled();
    assert.equal(fake.watchCount(), 0, "no watch is left");
    assert.equal(clock.pending, 0, "no timer is left");
  });
  const heard = (): string[] => {
    const seen = changes;
    changes = [];
    return seen;
  };
  return { clock, fake, pods, heard, errors, states };
}

function sign(change: Change<PodFact>): string {
  if (change.old === undefined) return `+${change.key}`;
  return change.new === undefined ? `-${change.key}` : `~${change.key}`;
}

async function addPod(fake: FakeKube, name: string, node = "weft-1"): Promise<void> {
  await fake.create<Pod>(PODS, { metadata: { name, namespace: "default" }, spec: { nodeName: node } });
}

async function note(fake: FakeKube, name: string, text: string): Promise<void> {
  const body = { metadata: { annotations: { note: text } } };
  await fake.patch(PODS, { namespace: "default", name }, { type: "merge", body });
}

async function removePod(fake: FakeKube, name: string): Promise<void> {
  await fake.delete(PODS, { namespace: "default", name }, { gracePeriodSeconds: 0 });
}

async function started(w: World): Promise<void> {
  w.pods.start();
  await w.fake.settled();
}

t.test("existing objects are listed in pages, and changes follow", async (t) => {
  const w = world(t, { pageSize: 2 });
  for (const name of ["a", "b", "c", "d", "e"]) await addPod(w.fake, name);
  t.equal(w.pods.synced, false);
  await started(w);
  await w.pods.whenSynced();
  t.same(w.heard(), ["+default/a", "+default/b", "+default/c", "+default/d", "+default/e"]);
  t.equal(w.fake.requests.filter(({ verb }) => verb === "list").length, 3);
  await note(w.fake, "c", "x");
  await removePod(w.fake, "a");
  await addPod(w.fake, "f");
  await w.fake.settled();
  t.same(w.heard(), ["~default/c", "-default/a", "+default/f"]);
  t.same(w.pods.get("default/c"), { node: "weft-1", note: "x" });
  t.equal(w.pods.get("default/a"), undefined);
  t.same([w.pods.size, [...w.pods.values()].length, [...w.pods.entries()].length], [5, 5, 5]);
  t.same(w.states, ["listing", "watching"]);
  t.same(w.errors, []);
});

t.test("an informer that accepts the API server's cache requests the latest state only after a failure", async (t) => {
  const clock = new ManualClock();
  clock.chance = 0.5;
  const fake = fakeKube({ clock });
  let asked: object[] = [];
  const list: Kube["list"] = (type, { resourceVersion, resourceVersionMatch, continue: next, ...rest } = {}) => {
    asked.push({ resourceVersion, resourceVersionMatch, next: next !== undefined });
    return fake.list(type, { ...rest, ...(next !== undefined && { continue: next }) });
  };
  const pods = informer<Pod, PodFact>({ ...fake, list }, PODS, {
    ...{ project, clock, fromMemory: true, pageSize: 2 },
  });
  t.teardown(() => pods.stop());
  const lists = async (): Promise<object[]> => {
    await fake.settled();
    await clock.advance(1_000);
    await fake.settled();
    const seen = asked;
    asked = [];
    return seen;
  };
  const anything = { resourceVersion: undefined, resourceVersionMatch: undefined };
  for (const name of ["a", "b", "c"]) await addPod(fake, name);
  pods.start();
  t.match(await lists(), [
    { resourceVersion: "0", resourceVersionMatch: undefined, next: false },
    { ...anything, next: true },
  ]);
  await note(fake, "a", "seen");
  const reached = fake.object(PODS, { namespace: "default", name: "a" })?.metadata.resourceVersion;
  fake.expireWatches();
  const notOlder = { resourceVersion: reached, resourceVersionMatch: "NotOlderThan", next: false };
  t.match((await lists())[0], notOlder);
  fake.fail({ verb: "list", code: "unavailable" });
  fake.expireWatches();
  t.match(
    (await lists()).slice(0, 2),
    [notOlder, { ...anything, next: false }],
    "a server that lags is not asked for a newer state",
  );
  const refreshed = pods.refresh();
  t.match(
    (await lists())[0],
    { ...anything, next: false },
    "refresh needs the latest state, which no cache guarantees",
  );
  await refreshed;
});

t.test("a watch whose connection breaks continues from its version, without a new list", async (t) => {
  const w = world(t);
  await addPod(w.fake, "a");
  await started(w);
  w.fake.dropWatches();
  await w.fake.settled();
  t.equal(w.pods.state, "waiting");
  t.match(w.pods.lastError, { code: "unavailable" });
  await addPod(w.fake, "b");
  await removePod(w.fake, "a");
  await w.clock.advance(200);
  await w.fake.settled();
  t.same(w.heard(), ["+default/a", "+default/b", "-default/a"]);
  t.equal(w.fake.requests.filter(({ verb }) => verb === "list").length, 1);
  t.equal(w.pods.state, "watching");
  t.equal(w.pods.lastError, undefined);
  t.equal(w.pods.synced, true, "and it stayed synced all the time");
});

t.test("after 410 everything is listed again: deletions are found, unchanged objects are not reported", async (t) => {
  for (const how of ["as an answer", "as an event"]) {
    const w = world(t);
    for (const name of ["a", "b", "c"]) await addPod(w.fake, name);
    await started(w);
    w.heard();
    if (how === "as an event") {
      w.fake.expireWatches();
    } else {
      w.fake.dropWatches();
    }
    await w.fake.settled();
    await removePod(w.fake, "a");
    await note(w.fake, "b", "changed");
    await addPod(w.fake, "d");
    if (how === "as an answer") w.fake.compact();
    await w.clock.advance(1_000);
    await w.fake.settled();
    t.same(w.heard(), ["~default/b", "+default/d", "-default/a"], how);
    t.equal(w.pods.state, "watching");
    t.equal(w.fake.requests.filter(({ verb }) => verb === "list").length, 2);
  }
});

t.test("an object that was deleted and recreated with its name meanwhile is reported as both", async (t) => {
  const w = world(t);
  await addPod(w.fake, "a");
  await started(w);
  w.fake.dropWatches();
  await w.fake.settled();
  await removePod(w.fake, "a");
  await addPod(w.fake, "a", "weft-2");
  w.fake.compact();
  await w.clock.advance(1_000);
  await w.fake.settled();
  t.same(w.heard(), ["+default/a", "-default/a", "+default/a"]);
  t.equal(w.pods.get("default/a")?.node, "weft-2");
});

t.test("a bookmark keeps the version fresh, so that a quiet watch survives a compaction", async (t) => {
  const w = world(t);
  await addPod(w.fake, "a");
  await started(w);
  await w.fake.create(SUBNETS, { metadata: { name: "s" } });
  w.fake.bookmark();
  await w.fake.settled();
  w.fake.compact();
  w.fake.dropWatches();
  await w.clock.advance(1_000);
  await w.fake.settled();
  t.equal(w.fake.requests.filter(({ verb }) => verb === "list").length, 1);
  t.equal(w.pods.state, "watching");
});

t.test("a half-open connection is detected by its silence; bookmarks reset the timer", async (t) => {
  const w = world(t, { silenceMs: 60_000 });
  await addPod(w.fake, "a");
  await started(w);
  for (let minute = 0; minute < 3; minute++) {
    await w.clock.advance(50_000);
    w.fake.bookmark();
    await w.fake.settled();
  }
  t.equal(w.fake.requests.filter(({ verb }) => verb === "watch").length, 1);
  w.fake.stallWatches();
  await note(w.fake, "a", "unheard");
  await w.clock.advance(59_000);
  t.equal(w.pods.get("default/a")?.note, undefined);
  await w.clock.advance(2_000);
  await w.fake.settled();
  t.equal(w.pods.get("default/a")?.note, "unheard");
  t.same(w.errors, [], "silence alone is not a failure: a type may be quiet");
});

t.test("a watch that never opens is aborted as well", async (t) => {
  const w = world(t, { silenceMs: 60_000 });
  w.fake.fail({ verb: "watch", hang: true });
  await started(w);
  await addPod(w.fake, "a");
  await w.clock.advance(31_000);
  await w.fake.settled();
  t.equal(w.pods.size, 1);
  t.match(w.errors, [{ code: "timeout", message: "watch pods: not open after 30000 ms" }]);
});

t.test("the server ends a watch normally: it is opened again at once", async (t) => {
  const w = world(t, { silenceMs: 3_600_000 });
  await started(w);
  await w.clock.advance(600_000);
  await addPod(w.fake, "a");
  await w.fake.settled();
  t.same(w.heard(), ["+default/a"]);
  t.equal(w.fake.requests.filter(({ verb }) => verb === "watch").length, 2);
  t.same(w.errors, []);
});

t.test("a server that ends each watch at once does not cause a tight loop", async (t) => {
  const w = world(t);
  await started(w);
  for (let n = 0; n < 200; n++) {
    w.fake.endWatches();
    await w.clock.advance(100);
  }
  const watches = w.fake.requests.filter(({ verb }) => verb === "watch").length;
  t.ok(watches > 3 && watches < 12, `${watches} watches in 20 s`);
});

t.test("failures are retried with growing pauses, up to the limit, and quickly again after a success", async (t) => {
  const w = world(t, { backoff: { firstMs: 100, maxMs: 1_000 } });
  const lift = w.fake.fail({ verb: "list", code: "unavailable", times: Number.POSITIVE_INFINITY });
  await started(w);
  await w.clock.advance(20_000);
  const lists = w.fake.requests.length;
  t.ok(lists > 20 && lists < 45, `${lists} attempts in 20 s`);
  t.equal(w.pods.synced, false);
  lift();
  await w.clock.advance(1_000);
  t.equal(w.pods.synced, true);
  await w.clock.advance(6_000);
  w.fake.dropWatches();
  await w.fake.settled();
  await w.clock.advance(100);
  await w.fake.settled();
  t.equal(w.pods.state, "watching", "the first pause is short again");
});

t.test(
  "when one informer reaches the API server again, those of the same client do not wait for the end of their pauses",
  async (t) => {
    const w = world(t, { backoff: { firstMs: 100, maxMs: 60_000 } });
    const subnets = informer(w.fake, SUBNETS, { project: (subnet) => subnet.metadata.name, clock: w.clock });
    t.teardown(() => subnets.stop());
    const lift = w.fake.fail({ verb: "list", code: "unavailable", times: Number.POSITIVE_INFINITY });
    subnets.start();
    await started(w);
    await w.clock.advance(20_000);
    t.same([w.pods.synced, subnets.synced], [false, false]);
    const before = w.clock.now();
    lift();
    while (!subnets.synced && !w.pods.synced) await w.clock.advance(10);
    t.ok(w.clock.now() - before <= 5_000, "an API server that does not answer at all is asked at least every 5 s");
    await w.fake.settled();
    t.same([w.pods.synced, subnets.synced], [true, true]);
  },
);

t.test("retryNow ends a pause", async (t) => {
  const w = world(t, { backoff: { firstMs: 60_000, maxMs: 60_000 } });
  w.fake.fail({ verb: "list", code: "forbidden" });
  await started(w);
  t.equal(w.pods.state, "waiting");
  w.pods.retryNow();
  await w.fake.settled();
  t.equal(w.pods.state, "watching");
});

t.test("a type that is not served is waited for, or counts as empty", async (t) => {
  for (const absent of ["wait", "empty"] as const) {
    const clock = new ManualClock();
    const fake = fakeKube({ clock });
    fake.serveType(SUBNETS, false);
    const subnets = informer(fake, SUBNETS, { project: (subnet) => subnet.metadata.name, absent, clock });
    subnets.start();
    await fake.settled();
    t.same([subnets.synced, subnets.state], [absent === "empty", "absent"]);
    fake.serveType(SUBNETS, true);
    await fake.create(SUBNETS, { metadata: { name: "ovn-default" } });
    await clock.advance(1_000);
    await fake.settled();
    t.same([subnets.synced, subnets.state, subnets.get("ovn-default")], [true, "watching", "ovn-default"]);
    fake.serveType(SUBNETS, false);
    await fake.settled();
    await clock.advance(1_000);
    t.same([subnets.synced, subnets.state, subnets.size], [true, "absent", 0]);
    await subnets.stop();
  }
});

t.test("an absent type is requested rarely if retryNow reports when it may exist, and then promptly", async (t) => {
  const clock = new ManualClock();
  const fake = fakeKube({ clock });
  fake.serveType(SUBNETS, false);
  const project = (subnet: KubeObject): string => subnet.metadata.name;
  const subnets = informer(fake, SUBNETS, { project, absent: "empty", absentPauseMs: 60_000, clock });
  subnets.start();
  await fake.settled();
  await clock.advance(59_000);
  t.equal(fake.requests.length, 1);
  subnets.retryNow();
  await clock.advance(1_000);
  t.ok(fake.requests.length > 2, "it may take a moment until it is served");
  fake.serveType(SUBNETS, true);
  await clock.advance(2_000);
  t.equal(subnets.state, "watching");
  await subnets.stop();
});

t.test("404 alone removes nothing: the API server may not have read its CRDs yet", async (t) => {
  const w = world(t, { absent: "empty" });
  await addPod(w.fake, "a");
  await started(w);
  w.heard();
  w.fake.fail({ verb: "watch", code: "not-found" });
  w.fake.fail({ verb: "list", code: "not-found", times: 3 });
  w.fake.dropWatches();
  await w.fake.settled();
  await w.clock.advance(500);
  t.same([w.pods.state, w.pods.size], ["absent", 1]);
  await w.clock.advance(10_000);
  t.same([w.pods.state, w.pods.size, w.heard()], ["watching", 1, []]);
});

t.test("a list that breaks between two pages removes nothing", async (t) => {
  const w = world(t, { pageSize: 1 });
  for (const name of ["a", "b", "c"]) await addPod(w.fake, name);
  await started(w);
  w.heard();
  w.fake.dropWatches();
  await w.fake.settled();
  await removePod(w.fake, "b");
  w.fake.compact();
  let pages = 0;
  const list = w.fake.list;
  w.fake.list = async (type, options) => {
    pages += 1;
    // A change, and then the history is compacted: the version of the first page is too old for the second.
    if (pages === 2) {
      await addPod(w.fake, "y");
      w.fake.compact();
    }
    return await list(type, options);
  };
  await addPod(w.fake, "z");
  await w.clock.advance(5_000);
  await w.fake.settled();
  t.same(w.heard(), ["+default/y", "+default/z", "-default/b"]);
  t.match(w.errors.slice(-2), [{ code: "gone" }, { code: "gone" }]);
});

t.test("a page that is too large is requested in halves", async (t) => {
  const w = world(t, { pageSize: 4 });
  for (const name of ["a", "b", "c", "d"]) await addPod(w.fake, name);
  w.fake.fail({ verb: "list", code: "too-large", times: 2 });
  await started(w);
  await w.clock.advance(2_000);
  await w.fake.settled();
  t.equal(w.pods.size, 4);
  t.equal(w.fake.requests.filter(({ verb }) => verb === "list").length, 6, "two failures, then four pages of one");
});

t.test("an object whose projection throws is read again after a growing pause, and nothing else waits", async (t) => {
  let odd = true;
  const { clock, fake, pods, heard, errors } = world(t, {
    project(pod) {
      if (odd && pod.metadata.name === "odd") throw new TypeError("a fault of ours");
      return project(pod);
    },
  });
  await fake.create(PODS, { metadata: { namespace: "default", name: "odd" } });
  await fake.create(PODS, { metadata: { namespace: "default", name: "a" } });
  pods.start();
  await clock.advance(0);
  t.same(heard(), ["+default/a"]);
  t.equal(errors.length, 1);
  await clock.advance(499);
  t.equal(errors.length, 1);
  await clock.advance(1);
  t.equal(errors.length, 2);
  odd = false;
  await clock.advance(999);
  t.same(heard(), []);
  await clock.advance(1);
  t.same(heard(), ["+default/odd"]);
  await clock.advance(60_000);
  t.equal(errors.length, 2);
});

t.test("a deleted object that was never projected is reported as deleted, by the watch and by a list", async (t) => {
  const changes: Change<PodFact>[] = [];
  const { clock, fake, pods, errors } = world(t, {
    project() {
      throw new TypeError("a fault of ours");
    },
  });
  pods.subscribe((change) => changes.push(change));
  for (const name of ["a", "b"]) await fake.create(PODS, { metadata: { namespace: "default", name } });
  pods.start();
  await clock.advance(0);
  await fake.delete(PODS, { namespace: "default", name: "a" }, { gracePeriodSeconds: 0 });
  await clock.advance(0);
  t.same(changes, [{ key: "default/a" }]);
  const { length } = errors;
  fake.fail({ verb: "watch", times: 1, code: "gone" });
  await fake.delete(PODS, { namespace: "default", name: "b" }, { gracePeriodSeconds: 0 });
  await clock.advance(1000);
  t.same(changes.at(-1), { key: "default/b" });
  await clock.advance(60_000);
  t.ok(errors.length <= length + 1, "and is not read again");
});

t.test(
  "a listener that throws is called again after a pause, with the last value that it processed and the present one",
  async (t) => {
    const { clock, fake, pods } = world(t);
    let odd = true;
    const took: unknown[] = [];
    pods.subscribe(({ old, new: now }) => {
      if (odd) throw new Error("a fault of ours");
      took.push([old?.note, now?.note]);
    });
    await fake.create(PODS, { metadata: { namespace: "default", name: "a", annotations: { note: "1" } } });
    pods.start();
    await clock.advance(0);
    const body = { metadata: { annotations: { note: "2" } } };
    await fake.patch(PODS, { namespace: "default", name: "a" }, { type: "merge", body });
    await clock.advance(100);
    t.same(took, []);
    odd = false;
    await clock.advance(1000);
    t.same(took, [[undefined, "2"]]);
    await clock.advance(60_000);
    t.equal(took.length, 1);
  },
);

t.test("a listener that throws is reported, and neither it nor the others miss an event", async (t) => {
  const w = world(t);
  let calls = 0;
  w.pods.subscribe(() => {
    calls += 1;
    throw new Error("listener");
  });
  const late: string[] = [];
  const end = w.pods.subscribe((change) => late.push(sign(change)));
  await addPod(w.fake, "a");
  await started(w);
  await addPod(w.fake, "b");
  await w.fake.settled();
  end();
  await note(w.fake, "b", "x");
  await w.fake.settled();
  t.equal(calls, 3);
  t.same(late, ["+default/a", "+default/b"]);
  t.same(w.heard(), ["+default/a", "+default/b", "~default/b"]);
  t.match(w.errors, [{ message: "listener" }, { message: "listener" }, { message: "listener" }]);
  t.equal(w.pods.state, "watching");
});

t.test("after a projection that throws the former one stays; the next version is projected", async (t) => {
  const w = world(t, {
    project(pod) {
      if (pod.metadata.annotations?.["note"] === "bad") throw new Error("projection");
      return project(pod);
    },
  });
  await addPod(w.fake, "a");
  await started(w);
  await note(w.fake, "a", "bad");
  await w.fake.settled();
  t.same([w.heard(), w.pods.get("default/a")?.note], [["+default/a"], undefined]);
  t.match(w.errors, [{ message: "projection" }]);
  await note(w.fake, "a", "good");
  await w.fake.settled();
  t.same([w.heard(), w.pods.get("default/a")?.note], [["~default/a"], "good"]);
});

t.test("filtered objects are not stored, and equal projections are not reported", async (t) => {
  const w = world(t, {
    project: (pod) => (pod.spec?.nodeName === "weft-2" ? undefined : project(pod)),
    equal: (a, b) => a.node === b.node && a.note === b.note,
  });
  await addPod(w.fake, "a");
  await addPod(w.fake, "b", "weft-2");
  await started(w);
  const before = w.pods.get("default/a");
  const body = { metadata: { labels: { app: "x" } } };
  await w.fake.patch(PODS, { namespace: "default", name: "a" }, { type: "merge", body });
  await w.fake.settled();
  t.same(w.heard(), ["+default/a"]);
  t.equal(w.pods.get("default/a"), before, "the value stays the same one");
  const away = { spec: { nodeName: "weft-2" } };
  await w.fake.patch(PODS, { namespace: "default", name: "a" }, { type: "merge", body: away });
  await w.fake.settled();
  t.same([w.heard(), w.pods.size], [["-default/a"], 0]);
});

t.test("the API server evaluates selectors: an object that no longer matches is deleted", async (t) => {
  const w = world(t, {
    fieldSelector: "spec.nodeName=weft-1",
    labelSelector: "app in (a, b),!hidden",
    namespace: "default",
  });
  const labels = { app: "a" };
  await w.fake.create<Pod>(PODS, {
    metadata: { name: "in", namespace: "default", labels },
    spec: { nodeName: "weft-1" },
  });
  await w.fake.create<Pod>(PODS, {
    metadata: { name: "out", namespace: "other", labels },
    spec: { nodeName: "weft-1" },
  });
  await addPod(w.fake, "unlabelled");
  await started(w);
  const body = { metadata: { labels: { hidden: "yes" } } };
  await w.fake.patch(PODS, { namespace: "default", name: "in" }, { type: "merge", body });
  await w.fake.settled();
  t.same(w.heard(), ["+default/in", "-default/in"]);
});

t.test("stop ends waits, pauses, lists and watches, and reports nothing more", async (t) => {
  const w = world(t);
  const waiting = w.pods.whenSynced();
  await w.pods.stop();
  await t.rejects(waiting, { code: "aborted" });
  w.pods.start();
  t.equal(w.fake.requests.length, 0);

  const listing = world(t);
  listing.fake.fail({ verb: "list", hang: true });
  await started(listing);
  await listing.pods.stop();

  const pausing = world(t);
  pausing.fake.fail({ verb: "list", code: "internal" });
  await started(pausing);
  await pausing.pods.stop();

  const watching = world(t);
  await addPod(watching.fake, "a");
  await started(watching);
  await watching.pods.stop();
  watching.heard();
  await addPod(watching.fake, "b");
  await watching.fake.settled();
  t.same([watching.heard(), watching.pods.size, watching.pods.state], [[], 0, "stopped"]);
});

t.test("of 2,000 objects only the projections stay in memory", async (t) => {
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("gc");
  const objects: WeakRef<KubeObject>[] = [];
  const make = (n: number): KubeObject => {
    const metadata = { name: `p${n}`, namespace: "default", uid: `u${n}`, resourceVersion: `${n + 1}` };
    const pod = { metadata, spec: { nodeName: "weft-1", bulk: "x".repeat(1_000) } };
    objects.push(new WeakRef(pod));
    return pod;
  };
  const kube: Pick<Kube, "list" | "watch"> = {
    list: async (_, options = {}) => {
      const from = Number(options.continue ?? 0);
      const items = Array.from({ length: 100 }, (_each, n) => make(from + n)) as never[];
      return { resourceVersion: "1", items, ...(from < 900 ? { continue: String(from + 100) } : {}) };
    },
    watch: async (_, options, onEvent) => {
      options.onOpen?.();
      for (let n = 1_000; n < 2_000; n++) onEvent({ type: "ADDED", object: make(n) as never });
      await new Promise((_resolve, reject) => options.signal.addEventListener("abort", reject));
    },
  };
  const pods = informer<Pod, PodFact>(kube as Kube, PODS, { project });
  pods.start();
  await waitFor(pods, "default/p1999", (pod) => pod, new AbortController().signal);
  await new Promise(setImmediate);
  (collect as () => void)();
  t.equal(pods.size, 2_000);
  t.equal(objects.length, 2_000);
  const kept = objects.filter((ref) => ref.deref() !== undefined).length;
  t.ok(kept < 10, `${kept} objects are still there`);
  await pods.stop();
});

t.test("whenSynced uses the signal", async (t) => {
  const w = world(t);
  const controller = new AbortController();
  const waiting = w.pods.whenSynced(controller.signal);
  controller.abort();
  await t.rejects(waiting, { name: "KubeError", code: "aborted" });
});

t.test("waitFor resolves by the event that brings the wanted object", async (t) => {
  const w = world(t);
  await addPod(w.fake, "a");
  await started(w);
  const controller = new AbortController();
  const signal = controller.signal;
  const waiting = waitFor(w.pods, "default/a", (pod) => pod?.note, signal);
  await note(w.fake, "a", "here");
  t.equal(await waiting, "here");
  t.equal(await waitFor(w.pods, "default/a", (pod) => pod?.note, signal), "here", "it may exist already");
  const gone = waitFor(w.pods, "default/a", (pod) => (pod === undefined ? "gone" : undefined), signal);
  await removePod(w.fake, "a");
  t.equal(await gone, "gone");
  const never = waitFor(w.pods, "default/a", (pod) => pod?.note, signal);
  controller.abort();
  await t.rejects(never, { code: "aborted" });
  await t.rejects(
    waitFor(
      w.pods,
      "x",
      () => {
        throw new KubeError("invalid", "pick");
      },
      new AbortController().signal,
    ),
    { code: "invalid" },
  );
});

t.test("listEach reads all pages, and no more than requested", async (t) => {
  const w = world(t);
  for (const name of ["a", "b", "c", "d", "e"]) await addPod(w.fake, name);
  const names: string[] = [];
  for await (const pod of listEach<Pod>(w.fake, PODS, { pageSize: 2 })) names.push(pod.metadata.name);
  t.same(names, ["a", "b", "c", "d", "e"]);
  w.fake.requests.length = 0;
  for await (const pod of listEach<Pod>(w.fake, PODS, { pageSize: 2 })) if (pod.metadata.name === "b") break;
  t.equal(w.fake.requests.length, 1);
});

t.test("refresh finds changes that a silent watch has missed", async (t) => {
  const w = world(t);
  await addPod(w.fake, "a");
  await started(w);
  w.fake.stallWatches();
  await addPod(w.fake, "b");
  await removePod(w.fake, "a");
  await w.fake.settled();
  t.same(w.heard(), ["+default/a"], "the watch has not reported it");
  await w.pods.refresh();
  t.same(w.heard(), ["+default/b", "-default/a"]);
  await w.fake.settled();
  t.equal(w.pods.state, "watching");
  t.same(w.errors, []);
});

t.test("refresh does not use a list that had begun before, and continues after failures", async (t) => {
  const w = world(t);
  await addPod(w.fake, "a");
  w.fake.fail({ verb: "list", delayMs: 500, after: true });
  w.pods.start();
  await w.fake.settled();
  await addPod(w.fake, "b");
  w.fake.fail({ verb: "list", code: "unavailable" });
  let done = false;
  const refreshed = w.pods.refresh().then(() => {
    done = true;
  });
  for (let i = 0; i < 3; i++) await w.clock.advance(200);
  await w.fake.settled();
  t.equal(done, false, "the running list began before, the next one failed");
  await w.clock.advance(300);
  await refreshed;
  t.ok(w.pods.get("default/b"));
});

t.test("refresh uses the signal, and rejects when the informer is stopped", async (t) => {
  const w = world(t);
  await started(w);
  w.fake.fail({ verb: "list", hang: true, times: 9 });
  const controller = new AbortController();
  const given = w.pods.refresh(controller.signal);
  controller.abort();
  await t.rejects(given, { name: "KubeError", code: "aborted" });
  const ended = w.pods.refresh();
  const stopped = w.pods.stop();
  await t.rejects(ended, { code: "aborted" });
  await stopped;
  await t.rejects(w.pods.refresh(), { code: "aborted" });
});

t.test("an object that a write returned is known at once, and the watch reports it only once", async (t) => {
  const w = world(t);
  await started(w);
  const made = await w.fake.create<Pod>(PODS, { metadata: { name: "a", namespace: "default" }, spec: {} });
  w.pods.observe(made);
  t.same(w.heard(), ["+default/a"]);
  await w.fake.settled();
  t.same(w.heard(), []);
});

t.test("a late answer does not restore a deleted object, nor an earlier version", async (t) => {
  const w = world(t);
  await started(w);
  const first = await w.fake.create<Pod>(PODS, { metadata: { name: "a", namespace: "default" }, spec: {} });
  await note(w.fake, "a", "new");
  await w.fake.settled();
  w.pods.observe(first);
  t.equal(w.pods.get("default/a")?.note, "new");
  await removePod(w.fake, "a");
  await w.fake.settled();
  w.heard();
  w.pods.observe(first);
  t.same(w.heard(), []);
  t.equal(w.pods.size, 0);
});

t.test("a list from before an observed write does not change it, a later one does", async (t) => {
  const w = world(t);
  await started(w);
  w.fake.fail({ verb: "list", delayMs: 100, after: true });
  const refreshed = w.pods.refresh();
  await w.fake.settled();
  const made = await w.fake.create<Pod>(PODS, { metadata: { name: "a", namespace: "default" }, spec: {} });
  w.pods.observe(made);
  await w.clock.advance(100);
  await refreshed;
  await w.fake.settled();
  t.same(w.heard(), ["+default/a"]);
  w.fake.stallWatches();
  await removePod(w.fake, "a");
  await w.pods.refresh();
  t.same(w.heard(), ["-default/a"]);
});

t.test("catchUp is true when the watch has shown the write, and everything accepted before it", async (t) => {
  const w = world(t);
  await addPod(w.fake, "a");
  await started(w);
  await addPod(w.fake, "b");
  const write = async (): Promise<string> => {
    const body = { metadata: { annotations: { at: "1" } } };
    return (await w.fake.patch(PODS, { namespace: "default", name: "a" }, { type: "merge", body })).metadata
      .resourceVersion;
  };
  const lists = w.fake.requests.length;
  t.equal(await w.pods.catchUp(write, 1000), true);
  t.ok(w.pods.get("default/b"));
  t.equal(w.fake.requests.slice(lists).filter(({ verb }) => verb === "list").length, 0, "nothing was read");
  w.fake.stallWatches();
  await addPod(w.fake, "c");
  const writeLater = async (): Promise<string> => {
    await addPod(w.fake, "d");
    return w.fake.object(PODS, { namespace: "default", name: "d" })?.metadata.resourceVersion ?? "";
  };
  const late = w.pods.catchUp(writeLater, 1000);
  await w.fake.settled();
  await w.clock.advance(1000);
  t.equal(await late, false, "a silent watch proves nothing");
  await t.rejects(
    w.pods.catchUp(() => Promise.reject(new Error("no")), 1000),
    { message: "no" },
  );
  t.equal(
    await w.pods.catchUp(() => Promise.resolve("1"), 1000),
    false,
    "a server whose versions start again proves nothing",
  );
});

t.test("an informer that a listener of its first list stops ends, and opens no watch", async (t) => {
  const kube = fakeKube();
  await kube.create(SUBNETS, { metadata: { name: "a" }, spec: {} });
  const subnets = informer(kube, SUBNETS, { project: (subnet) => subnet.metadata.name });
  const stopped = Promise.withResolvers<void>();
  subnets.subscribe(() => stopped.resolve(subnets.stop()));
  subnets.start();
  await stopped.promise;
  t.equal(subnets.state, "stopped");
  t.notOk(kube.requests.some(({ verb }) => verb === "watch"));
});
