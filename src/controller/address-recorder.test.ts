import t from "tap";
import { projectIp } from "../facts/project-ip.ts";
import { fakeKube } from "../kube/fake.ts";
import type { KubeObject } from "../kube/object.ts";
import { IPS } from "../kube/resources.ts";
import { ManualTimers } from "../reconcile/testing.ts";
import { AddressRecorder } from "./address-recorder.ts";

t.test("a record that has changed since it was decided upon is not written over", async (t) => {
  const kube = fakeKube();
  const labels = { "ovn.kubernetes.io/ip_reserved": "true" };
  const made = await kube.create(IPS, { metadata: { name: "keep", labels }, spec: { subnet: "s" } });
  const ip = projectIp(made as never);
  const errors: unknown[] = [];
  const recorded: KubeObject[] = [];
  const recorder = new AddressRecorder({
    kube,
    timers: new ManualTimers(),
    onRecorded: (_, object) => recorded.push(object),
    onDropped: () => {},
    onError: (_, error) => errors.push(error),
  });
  const body = { spec: { v4IpAddress: "10.16.0.9" } };
  await kube.patch(IPS, { name: "keep" }, { type: "merge", body });
  const lease = { owner: "keep", subnet: "s", v4: "10.16.0.4", v6: undefined, mac: "00:00:00:00:00:04" };
  recorder.record({ kind: "reservation", name: "keep", lease, ip });
  await new Promise((resolve) => setImmediate(resolve));
  t.match(errors, [{ code: "conflict" }]);
  t.match(kube.object(IPS, { name: "keep" })?.spec, { v4IpAddress: "10.16.0.9" });
  t.equal(recorder.pending, 1, "it waits for what is now to be withdrawn");
  recorder.withdraw("keep");
  t.equal(recorder.pending, 0);
  t.same(recorded, []);
});
