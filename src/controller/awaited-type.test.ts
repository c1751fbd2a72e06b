// SPDX-License-Identifier: Apache-2.0

import type { Logger } from "pino";
import t from "tap";
import { ADMIN_NETWORK_POLICIES, CRDS, SUBNETS, typeName } from "../kube/resources.ts";
import { fakeKube } from "../kube/testing/fake.ts";
import { ManualClock } from "../time/testing/manual-clock.ts";
import { AwaitedType } from "./awaited-type.ts";

const quiet = (): void => {};
const LOG = { debug: quiet, info: quiet, warn: quiet, error: quiet } as unknown as Logger;

t.test("an installed CRD is detected at once, and CRDs are watched only while the type is absent", async (t) => {
  const clock = new ManualClock();
  const kube = fakeKube({ clock });
  let served = 0;
  const parts = { kube, clock, log: LOG };
  const awaited = new AwaitedType(parts, ADMIN_NETWORK_POLICIES, () => served++);
  t.equal(kube.watchCount(CRDS), 0);
  awaited.note(true);
  awaited.note(true);
  await kube.settled();
  t.equal(kube.watchCount(CRDS), 1);
  const name = typeName(ADMIN_NETWORK_POLICIES);
  const spec = { versions: [{ name: "v1alpha1", served: true }] };
  await kube.create(CRDS, { metadata: { name: typeName(SUBNETS) }, spec });
  await kube.create(CRDS, { metadata: { name }, spec });
  await kube.settled();
  t.equal(served, 0, "it is made, and not effective yet");
  const conditions = [{ type: "Established", status: "True" }];
  await kube.patch(CRDS, { name }, { type: "merge", body: { status: { conditions } } }, { subresource: "status" });
  await kube.settled();
  t.equal(served, 1);
  awaited.note(false);
  await kube.settled();
  t.equal(kube.watchCount(CRDS), 0);
  awaited.note(true);
  await kube.settled();
  t.equal(served, 2, "a definition that was there before counts too");
  await awaited.stop();
  t.equal(kube.watchCount(CRDS), 0);
  t.equal(clock.pending, 0);
});

t.test("another version of the type is ignored", async (t) => {
  const kube = fakeKube();
  const status = { conditions: [{ type: "Established", status: "True" }] };
  const metadata = { name: typeName(ADMIN_NETWORK_POLICIES) };
  await kube.create(CRDS, { metadata, spec: { versions: [{ name: "v9", served: true }] } });
  await kube.patch(CRDS, metadata, { type: "merge", body: { status } }, { subresource: "status" });
  let served = 0;
  const parts = { kube, clock: new ManualClock(), log: LOG };
  const awaited = new AwaitedType(parts, ADMIN_NETWORK_POLICIES, () => served++);
  awaited.note(true);
  await kube.settled();
  t.equal(served, 0);
  await awaited.stop();
});
