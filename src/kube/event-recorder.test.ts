// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { ManualClock } from "../time/testing/manual-clock.ts";
import type { KubeError } from "./errors.ts";
import { boundedMap } from "./event-limits.ts";
import { eventRecorder, type RecorderOptions } from "./event-recorder.ts";
import { EVENTS, PODS, SUBNETS } from "./resources.ts";
import { fakeKube } from "./testing/fake.ts";
import type { KubeEvent } from "./types.ts";

const SUBNET = { type: SUBNETS, name: "ovn-default", uid: "u-1" };

function world(options: Partial<RecorderOptions> = {}) {
  const clock = new ManualClock();
  const fake = fakeKube({ clock });
  const errors: KubeError[] = [];
  const recorder = eventRecorder(fake, {
    component: "kube-ovn-controller",
    clock,
    onError: (error) => errors.push(error),
    ...options,
  });
  const events = (): readonly KubeEvent[] => fake.objects<KubeEvent>(EVENTS);
  return { clock, fake, recorder, errors, events };
}

t.test("an Event has its message, subject, component and time", async (t) => {
  const { recorder, fake, events } = world({ host: "weft-1" });
  recorder.record(SUBNET, "Warning", "InvalidCIDR", "10.0.0.0/99 is no prefix");
  recorder.record({ type: PODS, name: "p", namespace: "web", uid: "u-2" }, "Normal", "Allocated", "10.16.0.2");
  await fake.settled();
  t.match(events(), [
    {
      metadata: { name: /^ovn-default\.[0-9a-f]+$/, namespace: "default" },
      involvedObject: { apiVersion: "kubeovn.io/v1", kind: "Subnet", name: "ovn-default", uid: "u-1" },
      type: "Warning",
      reason: "InvalidCIDR",
      message: "10.0.0.0/99 is no prefix",
      count: 1,
      firstTimestamp: "2025-01-01T00:00:00Z",
      lastTimestamp: "2025-01-01T00:00:00Z",
      source: { component: "kube-ovn-controller", host: "weft-1" },
      reportingComponent: "kube-ovn-controller",
    },
    { metadata: { namespace: "web" }, involvedObject: { apiVersion: "v1", kind: "Pod", namespace: "web" } },
  ]);
  await recorder.stop();
});

t.test("repeats increase the count of the existing Event", async (t) => {
  const { recorder, fake, events, clock } = world();
  for (let n = 0; n < 10; n++) recorder.record(SUBNET, "Warning", "Full", "no address left");
  await fake.settled();
  t.match(events(), [{ count: 10 }], "repeats within one call are written once");
  await clock.advance(60_000);
  recorder.record(SUBNET, "Warning", "Full", "no address left");
  await fake.settled();
  t.match(events(), [{ count: 11, firstTimestamp: "2025-01-01T00:00:00Z", lastTimestamp: "2025-01-01T00:01:00Z" }]);
  t.same(
    fake.requests.map(({ verb }) => verb),
    ["create", "patch"],
  );
  recorder.record(SUBNET, "Warning", "Full", "another text");
  await fake.settled();
  t.equal(events().length, 2);
  await recorder.stop();
});

t.test("an expired Event is created again", async (t) => {
  const { recorder, fake, events } = world();
  recorder.record(SUBNET, "Warning", "Full", "no address left");
  await fake.settled();
  await fake.delete(EVENTS, { namespace: "default", name: events()[0]?.metadata.name ?? "" });
  recorder.record(SUBNET, "Warning", "Full", "no address left");
  await fake.settled();
  t.match(events(), [{ count: 1 }]);
  t.equal(recorder.dropped, 0);
  await recorder.stop();
});

t.test("the Events of one object are limited: a burst, then one at a time; others are not affected", async (t) => {
  const { recorder, fake, events, clock } = world({ burst: 5, refillMs: 60_000 });
  for (let n = 0; n < 20; n++) recorder.record(SUBNET, "Warning", "Full", `text ${n}`);
  recorder.record({ type: SUBNETS, name: "other" }, "Normal", "Fine", "text");
  await fake.settled();
  t.same([events().length, recorder.dropped], [6, 15]);
  await clock.advance(60_000);
  recorder.record(SUBNET, "Warning", "Full", "later");
  recorder.record(SUBNET, "Warning", "Full", "too soon");
  await fake.settled();
  t.same([events().length, recorder.dropped], [7, 16]);
  await recorder.stop();
});

t.test("failures are retried a few times, refusals are not; dropped Events are counted", async (t) => {
  const { recorder, fake, events, clock, errors } = world();
  fake.fail({ verb: "create", code: "unavailable", times: 2 });
  recorder.record(SUBNET, "Normal", "A", "a");
  await fake.settled();
  t.equal(events().length, 0);
  await clock.advance(5_000);
  await fake.settled();
  t.same([events().length, recorder.dropped], [1, 0]);
  fake.fail({ verb: "create", code: "forbidden" });
  recorder.record(SUBNET, "Normal", "B", "b");
  await fake.settled();
  t.same([events().length, recorder.dropped], [1, 1]);
  t.match(errors, [{ code: "forbidden" }]);
  await recorder.stop();
});

t.test("while the API server is unreachable the queue is bounded, and stop does not wait for long", async (t) => {
  const { recorder, fake, clock } = world({ maxQueued: 10 });
  fake.fail({ verb: "create", hang: true, times: Number.POSITIVE_INFINITY });
  for (let n = 0; n < 50; n++) recorder.record({ type: SUBNETS, name: `s${n}` }, "Normal", "A", "a");
  await fake.settled();
  t.same([recorder.dropped, recorder.queued], [40, 9]);
  const stopped = recorder.stop(1_000);
  await clock.advance(1_000);
  await stopped;
  t.same([recorder.dropped, recorder.queued, clock.pending], [50, 0, 0]);
  recorder.record(SUBNET, "Normal", "A", "a");
  t.equal(recorder.dropped, 51);
});

t.test("long texts are cut to the API server's limits", async (t) => {
  const { recorder, fake, events } = world();
  recorder.record({ type: SUBNETS, name: "s".repeat(253) }, "Normal", "r".repeat(500), "m".repeat(5_000));
  await fake.settled();
  const [event] = events();
  t.same([event?.reason?.length, event?.message?.length], [128, 1_024]);
  t.ok((event?.metadata.name.length ?? 999) <= 253);
  await recorder.stop();
});

t.test("a bounded map evicts the least recently used entry", async (t) => {
  const map = boundedMap<number>(2);
  map.set("a", 1);
  map.set("b", 2);
  map.get("a");
  map.set("c", 3);
  t.same([map.get("a"), map.get("b"), map.get("c"), map.size], [1, undefined, 3, 2]);
});
