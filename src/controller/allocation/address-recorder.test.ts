// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { newIpRecord, reservationRecord } from "../../claims/ip-record.ts";
import { projectIp } from "../../facts/project-ip.ts";
import type { AddressLease } from "../../ipam/types.ts";
import type { KubeObject } from "../../kube/object.ts";
import { IPS, SERVICES, VIPS } from "../../kube/resources.ts";
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
    clock: new ManualClock(),
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
    clock: new ManualClock(),
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
    clock: new ManualClock(),
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

/** A recorder of an address in a Service's status, and who removes it again. */
async function undone() {
  const kube = fakeKube();
  const clock = new ManualClock();
  const ref = { namespace: "default", name: "web" };
  await kube.create(SERVICES, { metadata: ref });
  const recorder = new AddressRecorder({ kube, clock, onRecorded: () => {}, onDropped: () => {}, onError: () => {} });
  const status = () => kube.object<KubeObject & { readonly status?: object }>(SERVICES, ref)?.status;
  const isWritten = (): boolean => JSON.stringify(status() ?? {}).includes("172.30.0.");
  const patch = (ingress: readonly object[] | null) => ({ status: { loadBalancer: { ingress } } });
  const undo = () => kube.patch(SERVICES, ref, { type: "merge", body: patch(null) }, { subresource: "status" });
  const record = (uid: string, ip = "172.30.0.5"): void => {
    const body = { metadata: { uid }, ...patch([{ ip }]) };
    const write = { verb: "patch", kind: "services", ...ref, subresource: "status", body } as const;
    recorder.record({ name: "service/default/web", lease: { owner: "web", subnet: "s", v4: "172.30.0.5" }, write });
  };
  const uid = (): string => kube.object(SERVICES, ref)?.metadata.uid ?? "";
  return { kube, clock, ref, recorder, isWritten, undo, record, uid };
}

t.test(
  "what something removes from a status each time is written ever more rarely, and at once after a while",
  async (t) => {
    const { kube, clock, ref, isWritten, undo, record, uid } = await undone();
    /** How long it takes until the address is written again, in ms. */
    const pause = async (ip?: string): Promise<number> => {
      if (isWritten()) await undo();
      const start = clock.now();
      record(uid(), ip);
      await clock.advance(0);
      for (let i = 0; i < 240 && !isWritten(); i++) await clock.advance(500);
      return clock.now() - start;
    };
    const pauses: number[] = [];
    for (let i = 0; i < 12; i++) pauses.push(await pause());
    t.same(pauses, [0, 0, 0, 500, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000]);
    await clock.advance(120_000);
    t.equal(await pause(), 0, "it has lasted");
    for (let i = 0; i < 3; i++) await pause();
    t.equal(await pause("172.30.0.6"), 0, "another address does not wait");
    for (let i = 0; i < 3; i++) await pause();
    await kube.delete(SERVICES, ref);
    await kube.create(SERVICES, { metadata: ref });
    t.equal(await pause(), 0, "another Service of the name does not wait");
  },
);

t.test("two addresses in turn that something removes each time are written ever more rarely, too", async (t) => {
  const { clock, isWritten, undo, record, uid } = await undone();
  const pauses: number[] = [];
  for (let i = 0; i < 12; i++) {
    if (isWritten()) await undo();
    const start = clock.now();
    record(uid(), i % 2 === 0 ? "172.30.0.5" : "172.30.0.6");
    await clock.advance(0);
    for (let j = 0; j < 240 && !isWritten(); j++) await clock.advance(500);
    pauses.push(clock.now() - start);
  }
  t.same(pauses, [0, 0, 0, 0, 0, 0, 500, 500, 1000, 1000, 2000, 2000]);
});

t.test("a Vip, whose status is a part of the object, is no exception", async (t) => {
  const [kube, clock, ref] = [fakeKube(), new ManualClock(), { name: "web" }];
  const nothing = (): void => {};
  const recorder = new AddressRecorder({ kube, clock, onRecorded: nothing, onDropped: nothing, onError: nothing });
  const { uid } = (await kube.create(VIPS, { metadata: ref })).metadata;
  const body = { metadata: { uid }, status: { v4ip: "10.16.0.9" } };
  const write = { verb: "patch", kind: "vips", ...ref, body } as const;
  const isWritten = (): boolean => JSON.stringify(kube.object(VIPS, ref)).includes("10.16.0.9");
  for (let i = 0; i < 4; i++) {
    await kube.patch(VIPS, ref, { type: "merge", body: { status: null } });
    recorder.record({ name: "vip/web", lease: { owner: "vip/web", subnet: "s", v4: "10.16.0.9" }, write });
    await clock.advance(0);
    t.equal(isWritten(), i < 3);
  }
  await clock.advance(500);
  t.ok(isWritten());
});

t.test("a record that waits because it was undone can be withdrawn", async (t) => {
  const { clock, recorder, isWritten, undo, record, uid } = await undone();
  for (let i = 0; i < 4; i++) {
    if (i > 0) await undo();
    record(uid());
    await clock.advance(0);
  }
  t.notOk(isWritten());
  t.equal(recorder.withdraw("service/default/web"), true);
  await clock.advance(120_000);
  t.notOk(isWritten());
});
