// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { ManualClock } from "../time/testing/manual-clock.ts";
import { publishLease, readLease } from "./published-lease.ts";
import { LEASES } from "./resources.ts";
import { fakeKube } from "./testing/fake.ts";
import type { Lease } from "./types.ts";

const REF = { namespace: "kube-system", name: "kube-ovn-controller" };

t.test(
  "the Lease names the leader, since when, and its last renewal; the next leader takes it over at once",
  async (t) => {
    const clock = new ManualClock();
    const fake = fakeKube({ clock });
    t.equal(await readLease(fake, REF), undefined);
    const first = publishLease(fake, { ...REF, holder: "one", clock });
    await fake.settled();
    t.same(await readLease(fake, REF), {
      holder: "one",
      acquiredAt: "2025-01-01T00:00:00.000000Z",
      renewedAt: "2025-01-01T00:00:00.000000Z",
      transitions: 0,
      durationSeconds: 60,
    });
    await clock.advance(15_000);
    await fake.settled();
    t.match(await readLease(fake, REF), { holder: "one", renewedAt: "2025-01-01T00:00:15.000000Z", transitions: 0 });

    const second = publishLease(fake, { ...REF, holder: "two", clock });
    await fake.settled();
    t.match(await readLease(fake, REF), { holder: "two", transitions: 1 });
    await clock.advance(60_000);
    await fake.settled();
    t.match(await readLease(fake, REF), { holder: "two", transitions: 1, renewedAt: "2025-01-01T00:01:15.000000Z" });

    await first.stop();
    t.match(await readLease(fake, REF), { holder: "two" }, "a deposed leader does not change it");
    await second.stop();
    t.match(await readLease(fake, REF), { holder: "", transitions: 1 });
    t.equal(fake.object<Lease>(LEASES, REF)?.spec?.holderIdentity, undefined);
    t.equal(clock.pending, 0);
  },
);

t.test("failures are reported and retried; a deleted Lease is created again", async (t) => {
  const clock = new ManualClock();
  const fake = fakeKube({ clock });
  const errors: string[] = [];
  fake.fail({ verb: "get", code: "unavailable" });
  const lease = publishLease(fake, { ...REF, holder: "one", clock, onError: (error) => errors.push(error.code) });
  await fake.settled();
  t.same(errors, ["unavailable"]);
  await clock.advance(15_000);
  await fake.settled();
  t.match(await readLease(fake, REF), { holder: "one" });
  await fake.delete(LEASES, REF);
  await clock.advance(15_000);
  await fake.settled();
  t.match(await readLease(fake, REF), { holder: "one" });
  fake.fail({ verb: "patch", code: "conflict" });
  await clock.advance(15_000);
  await fake.settled();
  t.same(errors, ["unavailable", "conflict"]);
  fake.fail({ verb: "get", hang: true });
  await clock.advance(15_000);
  const stopped = lease.stop(1_000);
  await clock.advance(1_000);
  await stopped;
  t.equal(errors.length, 4, "neither the running renewal nor the release has got an answer");
  t.equal(clock.pending, 0);
});

t.test("a late release does not leave the Lease empty while a process leads", async (t) => {
  const clock = new ManualClock();
  const fake = fakeKube({ clock });
  const first = publishLease(fake, { ...REF, holder: "one", clock });
  await fake.settled();
  // The lock is lost and won again during the release.
  const released = first.stop();
  const second = publishLease(fake, { ...REF, holder: "one", clock, after: released });
  await released;
  await fake.settled();
  t.match(await readLease(fake, REF), { holder: "one" });

  // Another client, or a release that was thought lost.
  const body = { spec: { holderIdentity: null } };
  await fake.patch(LEASES, REF, { type: "merge", body });
  t.match(await readLease(fake, REF), { holder: "" });
  await clock.advance(15_000);
  await fake.settled();
  t.match(await readLease(fake, REF), { holder: "one" }, "taken again at the next renewal");

  const third = publishLease(fake, { ...REF, holder: "three", clock, after: second.stop() });
  await third.stop();
  t.match(await readLease(fake, REF), { holder: "" }, "a publisher that is stopped before it begins writes nothing");
  t.equal(clock.pending, 0);
});
