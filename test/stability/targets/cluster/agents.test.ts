// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { DAEMON_SETS, NAMESPACES, PODS } from "../../../../src/kube/resources.ts";
import { fakeKube } from "../../../../src/kube/testing/fake.ts";
import { fakeCluster } from "../../testing/fake-cluster.ts";
import { AGENTS, Agents } from "./agents.ts";

t.test("pods of an earlier run that are being deleted are waited for, and then created again", async (t) => {
  const fake = fakeKube();
  const kube = fakeCluster(fake);
  const image = "weft:1";
  const spec = { template: { spec: { containers: [{ name: "openvswitch", image }] } } };
  await fake.create(DAEMON_SETS, { metadata: { namespace: "kube-system", name: "ovs-ovn" }, spec });
  // As the namespace controller does while it deletes the objects in a namespace.
  await kube.create(NAMESPACES, { metadata: { name: AGENTS, finalizers: ["kubernetes"] } });
  await kube.delete(NAMESPACES, { name: AGENTS });
  t.notOk(await Agents.left(kube), "what goes by itself is not left");
  const opening = Agents.open(kube, ["n1"], ["kubectl"]);
  await fake.settled();
  t.same(fake.objects(PODS), [], "no pod is created in a namespace that goes");
  await fake.patch(NAMESPACES, { name: AGENTS }, { type: "merge", body: { metadata: { finalizers: [] } } });
  const agents = await opening;
  t.match(fake.object(PODS, { namespace: AGENTS, name: "n1" }), { spec: { nodeName: "n1", containers: [{ image }] } });
  t.same(agents.command("n1", ["true"]), ["kubectl", "exec", "--stdin", `--namespace=${AGENTS}`, "n1", "--", "true"]);
  await agents.close();
  await agents.close();
  t.notOk(fake.object(NAMESPACES, { name: AGENTS }));
});
