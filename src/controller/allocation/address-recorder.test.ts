// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { newIpRecord, reservationRecord } from "../../claims/ip-record.ts";
import { projectIp } from "../../facts/project-ip.ts";
import type { AddressLease } from "../../ipam/types.ts";
import type { KubeObject } from "../../kube/object.ts";
import { IPS } from "../../kube/resources.ts";
import { fakeKube } from "../../kube/testing/fake.ts";
import { ManualClock } from "../../time/testing/manual-clock.ts";
import { AddressRecorder } from "./address-recorder.ts";
import type { AddressRecord } from "./recordings.ts";

const recordOf = (lease: AddressLease): AddressRecord => ({
  name: lease.owner,
  lease,
  write: newIpRecord(lease, { node: "n" }),
});

t.test("a record that has changed since the decision is not overwritten", async (t) => {
  const kube = fakeKube();
  const labels = { "ovn.kubernetes.io/ip_reserved": "true" };
  const made = await kube.create(IPS, { metadata: { name: "keep", labels }, spec: { subnet: "s" } });
  const ip = projectIp(made as never);
  const errors: unknown[] = [];
  const recorded: KubeObject[] = [];
  const recorder = new AddressRecorder({
    kube,
    timers: new ManualClock(),
    onRecorded: (_, object) => recorded.push(object),
    onDropped: () => {},
    onError: (_, error) => errors.push(error),
  });
  const body = { spec: { v4IpAddress: "10.16.0.9" } };
  await kube.patch(IPS, { name: "keep" }, { type: "merge", body });
  const lease = { owner: "keep", subnet: "s", v4: "10.16.0.4", v6: undefined, mac: "00:00:00:00:00:04" };
  recorder.record({ name: "keep", lease, write: reservationRecord(lease, ip) });
  await new Promise((resolve) => setImmediate(resolve));
  t.match(errors, [{ code: "conflict" }]);
  t.match(kube.object(IPS, { name: "keep" })?.spec, { v4IpAddress: "10.16.0.9" });
  t.equal(recorder.pending, 1, "it waits for what is now to be withdrawn");
  recorder.withdraw("keep");
  t.equal(recorder.pending, 0);
  t.same(recorded, []);
});

t.test("a withdrawn record that fails is dropped, but not its successor with the same name", async (t) => {
  const kube = fakeKube();
  const dropped: string[] = [];
  const recorder = new AddressRecorder({
    kube,
    timers: new ManualClock(),
    onRecorded: () => {},
    onDropped: (name) => dropped.push(name),
    onError: () => {},
  });
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const record = (v4: string) => recordOf({ owner: "a.b", subnet: "s", v4 });
  kube.fail({ verb: "create", code: "unavailable", times: 2 });
  recorder.record(record("10.0.0.1"));
  t.equal(recorder.withdraw("a.b"), false);
  recorder.record(record("10.0.0.2"));
  await settle();
  t.same(dropped, []);
  recorder.withdraw("a.b");
  recorder.record(record("10.0.0.3"));
  await settle();
  t.match(kube.object(IPS, { name: "a.b" })?.spec, { v4IpAddress: "10.0.0.3" });
  t.equal(recorder.pending, 0);
});

t.test("it reports when no write is in progress, not counting records that wait for a retry", async (t) => {
  const kube = fakeKube();
  const recorder = new AddressRecorder({
    kube,
    timers: new ManualClock(),
    onRecorded: () => t.equal(recorder.writing, true, "until its owner has heard of it"),
    onDropped: () => {},
    onError: () => {},
  });
  const record = (name: string) => recordOf({ owner: name, subnet: "s", v4: "10.0.0.1" });
  t.notOk(recorder.writing);
  await recorder.whenWritten();
  kube.fail({ verb: "create", name: "b", code: "unavailable" });
  for (const name of ["a", "b"]) recorder.record(record(name));
  t.ok(recorder.writing);
  await recorder.whenWritten();
  t.notOk(recorder.writing);
  t.equal(recorder.pending, 1);
});
