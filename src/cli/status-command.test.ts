// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { publishLease } from "../kube/published-lease.ts";
import { DEPLOYMENTS, PODS } from "../kube/resources.ts";
import { fakeKube } from "../kube/testing/fake.ts";
import { ManualClock } from "../time/testing/manual-clock.ts";
import { statusCommand } from "./status-command.ts";
import { LackingRight, type ToolTarget } from "./tools/targets.ts";

const NAMESPACE = "kube-system";
const STATE = `{"version":1,"leading":true,"dirty":0,"pending":0,"refused":0,"pendingWrites":0,"repairs":0,"contended":0,"heldBack":0}`;

async function cluster() {
  const clock = new ManualClock();
  const kube = fakeKube({ clock });
  publishLease(kube, { namespace: NAMESPACE, name: "kube-ovn-controller", holder: "c-1", clock });
  await kube.create(PODS, { metadata: { namespace: NAMESPACE, name: "c-1" } });
  const labels = { app: "ovn-central", "ovn-nb-leader": "true" };
  await kube.create(PODS, { metadata: { namespace: NAMESPACE, name: "central-1", labels } });
  await kube.settled();
  const ask = (capture?: (target: ToolTarget) => Promise<string>) =>
    statusCommand(kube, NAMESPACE, clock.wall(), capture);
  return { kube, ask };
}

t.test("a network in which changes arrive is healthy, and the answer says how long they take", async (t) => {
  const { ask } = await cluster();
  const { ok, text, data, warnings } = await ask(async ({ pod }) => (pod === "c-1" ? STATE : "all 30"));
  t.strictSame([ok, warnings], [true, []]);
  t.match(text, /\nA change reaches the flows of all nodes in 30 ms\.\n/);
  t.match(data, { leader: "c-1", lag: { allNodesMs: 30 } });
  t.match(await ask(async ({ pod }) => (pod === "c-1" ? STATE : "behind x")), { ok: false });
});

t.test("without the right to run commands the rest is shown, with a warning that names it", async (t) => {
  const { ask } = await cluster();
  const { ok, text, warnings } = await ask(() => Promise.reject(new LackingRight("get on pods/exec in kube-system")));
  t.strictSame([ok, warnings], [true, ["how far changes have come is not known: get on pods/exec in kube-system"]]);
  t.match(text, /^Leader: c-1\n/);
});

t.test("no command is run with --no-lag; a part without its pods is a problem", async (t) => {
  const { kube, ask } = await cluster();
  t.strictSame((await ask()).ok, true);
  await kube.create(DEPLOYMENTS, { metadata: { namespace: NAMESPACE, name: "ovn-central" }, spec: { replicas: 1 } });
  t.match(await ask(), { ok: false, text: /Deployment ovn-central +NO: 0 of 1/ });
});
