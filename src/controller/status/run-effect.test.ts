// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { ADDRESS_CONDITION, CHASSIS_CONDITION, FINALIZER } from "../../api/names.ts";
import { type ConditionEffect, type FillEffect, fill, type ReleaseIpEffect, releaseIp } from "../../compile/effects.ts";
import { sampleFacts } from "../../compile/testing/sample-facts.ts";
import { projectIp } from "../../facts/project-ip.ts";
import { projectStatefulSet } from "../../facts/project-owner.ts";
import type { SubnetFact } from "../../facts/subnet.ts";
import type { KubeObject } from "../../kube/object.ts";
import { IPS, NODES, STATEFUL_SETS, SUBNETS } from "../../kube/resources.ts";
import { fakeKube } from "../../kube/testing/fake.ts";
import type { Node } from "../../kube/types.ts";
import { runEffect } from "./run-effect.ts";

/** An IP object of a StatefulSet's pod, as stored. */
async function rig() {
  const kube = fakeKube();
  const facts = sampleFacts();
  const ip = await kube.create(IPS, {
    metadata: { name: "web-1.default", finalizers: ["kubeovn.io/kube-ovn-controller"] },
    spec: { podName: "web-1", namespace: "default", subnet: "ovn-default", podType: "StatefulSet" },
  });
  const know = (object: KubeObject): unknown => facts.set("ips", object.metadata.name, projectIp(object as never));
  know(ip);
  const observed: string[] = [];
  const tools = {
    kube,
    facts,
    observed: (kind: string, object: KubeObject) => void observed.push(`${kind}/${object.metadata.name}`),
    report: () => {},
    state: () => {},
    now: () => "2026-01-01T00:00:00Z",
  };
  const release: ReleaseIpEffect = releaseIp(projectIp(ip as never));
  return { kube, facts, tools, release, know, observed };
}

const REF = { name: "web-1.default" };

t.test("defaults do not overwrite what a user has written since", async (t) => {
  const { kube, facts, tools } = await rig();
  const ref = { name: "s" };
  const { metadata } = await kube.create(SUBNETS, { metadata: ref, spec: { cidrBlock: "10.40.0.0/24" } });
  const { uid, generation = 0 } = metadata;
  const seen = (of: number) =>
    facts.set("subnets", "s", {
      ...(facts.get("subnets", "ovn-default") as SubnetFact),
      ...{ key: "s", name: "s", uid, generation: of },
    });
  seen(generation);
  const fill = (of: number): FillEffect => ({
    ...{ kind: "fill", key: "fill/subnets/s", resource: "subnets", name: "s", uid, annotated: false },
    ...{ generation: of, spec: { gatewayType: "distributed", vpc: "ovn-cluster" } },
  });
  const body = { spec: { gatewayType: "centralized" } };
  await kube.patch(SUBNETS, ref, { type: "merge", body });
  await t.rejects(runEffect(tools, fill(generation)), { code: "invalid" });
  const spec = () => kube.object<KubeObject & { spec: object }>(SUBNETS, ref)?.spec;
  t.strictSame(spec(), { cidrBlock: "10.40.0.0/24", gatewayType: "centralized" });
  await kube.patch(SUBNETS, ref, { type: "merge", body: { spec: { gatewayType: null } } });
  seen(generation + 2);
  await runEffect(tools, fill(generation + 2));
  t.strictSame(spec(), { cidrBlock: "10.40.0.0/24", gatewayType: "distributed", vpc: "ovn-cluster" });
});

/** A Subnet as created by its user, and what Weft writes into it. */
async function subnetRig(metadata: object = {}) {
  const { kube, facts, tools } = await rig();
  const ref = { name: "s" };
  const made = await kube.create<KubeObject>(SUBNETS, {
    metadata: { name: "s", ...metadata },
    spec: { cidrBlock: "10.40.0.0/24" },
  } as never);
  const { uid, generation = 0, finalizers = [], annotations } = made.metadata;
  const fact = {
    ...(facts.get("subnets", "ovn-default") as SubnetFact),
    key: "s",
    name: "s",
    uid,
    finalizers,
    generation,
  };
  facts.set("subnets", "s", fact);
  const about = { kind: "condition", key: "c", resource: "subnets", name: "s", uid, generation } as const;
  const condition: ConditionEffect = { ...about, ready: true, reason: "Ready", message: "" };
  const wanted = { finalizer: true, generation, spec: { vpc: "ovn-cluster" }, annotations: { a: "1", "b/c": "2" } };
  const effects = fill("subnets", { ...fact, annotated: annotations !== undefined }, wanted, condition);
  const said: ConditionEffect[] = [];
  const state = (one: ConditionEffect) => void said.push(one);
  const observed = (_: string, { metadata }: KubeObject) =>
    void facts.set("subnets", "s", { ...fact, generation: metadata.generation ?? 0 });
  const run = (isWanted = () => true) =>
    Promise.all(effects.map((effect) => runEffect({ ...tools, state, observed }, effect, isWanted)));
  return { kube, facts, fact, ref, run, said, stored: () => kube.object<KubeObject & { spec: object }>(SUBNETS, ref) };
}

t.test(
  "what is filled into an object is one write, and its condition names the generation that comes of it",
  async (t) => {
    for (const metadata of [{}, { annotations: { own: "x" }, finalizers: ["example.com/own"] }]) {
      const { run, said, stored } = await subnetRig(metadata);
      const before = Number(stored()?.metadata.resourceVersion);
      await run();
      t.equal(Number(stored()?.metadata.resourceVersion), before + 1);
      const { finalizers = [], annotations = {} } = metadata as { finalizers?: string[]; annotations?: object };
      t.match(stored(), {
        metadata: { annotations: { ...annotations, a: "1", "b/c": "2" }, finalizers: [...finalizers, FINALIZER] },
        spec: { cidrBlock: "10.40.0.0/24", vpc: "ovn-cluster" },
      });
      t.match(said, [{ generation: stored()?.metadata.generation, ready: true }]);
    }
  },
);

t.test(
  "what others write into an object before it is filled is not lost, and its condition is said all the same",
  async (t) => {
    for (const metadata of [{ annotations: { own: "x" } }, { finalizers: ["example.com/own"] }]) {
      const { kube, ref, run, said, stored } = await subnetRig();
      await kube.patch(SUBNETS, ref, { type: "merge", body: { metadata } });
      await t.rejects(run(), { code: "invalid" });
      t.match(stored(), { metadata });
      t.match(said, [{ generation: 1, ready: true }]);
    }
  },
);

t.test("for an object that has changed since nothing is written or reported: its unit decides again", async (t) => {
  const { kube, facts, fact, run, said } = await subnetRig();
  facts.set("subnets", "s", { ...fact, generation: 7 });
  kube.requests.length = 0;
  await run();
  t.same([kube.requests, said], [[], []]);
});

t.test("an Event that a unit has withdrawn is not created, however late the answer arrives", async (t) => {
  const { run, said, stored } = await subnetRig();
  await run(() => false);
  t.match(stored(), { spec: { vpc: "ovn-cluster" } });
  t.same(said, []);
});

t.test("an address is released: finalizer and object are removed", async (t) => {
  const { kube, tools, release } = await rig();
  await runEffect(tools, release);
  t.equal(kube.object(IPS, REF), undefined);
});

t.test("a record that was taken over meanwhile stays, and is not changed once that is known", async (t) => {
  const { kube, tools, release, know } = await rig();
  const body = { metadata: { annotations: { "weft.kubeovn.io/pod-uid": "the-next" } } };
  const taken = await kube.patch(IPS, REF, { type: "merge", body });
  await t.rejects(runEffect(tools, release), { code: "conflict" });
  t.equal(kube.object(IPS, REF)?.metadata.finalizers?.length, 1);
  know(taken);
  kube.requests.length = 0;
  await runEffect(tools, release);
  t.same(kube.requests, [], "a retry would meet the same conflict forever");
  t.equal(kube.object(IPS, REF)?.metadata.finalizers?.length, 1);
  await runEffect(tools, releaseIp(projectIp(taken as never)));
  t.equal(kube.object(IPS, REF), undefined);
});

t.test("a conflict at a record with `uid` in its name is retried, and one with another record is not", async (t) => {
  const { kube, tools, know } = await rig();
  const ref = { name: "druid-0.default" };
  const spec = { podName: "druid-0", namespace: "default", subnet: "ovn-default" };
  const made = await kube.create(IPS, { metadata: ref, spec });
  const release = releaseIp(projectIp(made as never));
  know(made);
  await kube.patch(IPS, ref, { type: "merge", body: { metadata: { labels: { changed: "meanwhile" } } } });
  await t.rejects(runEffect(tools, release), { code: "conflict" });
  await kube.delete(IPS, ref);
  await kube.create(IPS, { metadata: ref, spec });
  await runEffect(tools, release);
  t.ok(kube.object(IPS, ref), "the other one stays");
  const { uid } = made.metadata;
  await runEffect(tools, { kind: "mark-ip", key: "x", name: ref.name, uid, podType: "StatefulSet" });
  t.notMatch(kube.object(IPS, ref)?.spec, { podType: "StatefulSet" });
});

t.test("a StatefulSet is read from the API server before the address of its pod is released", async (t) => {
  const { kube, tools, release, observed, facts } = await rig();
  const set = { metadata: { namespace: "default", name: "web" }, spec: { replicas: 3 } };
  const stored = await kube.create(STATEFUL_SETS, set as never);
  facts.set(
    "statefulSets",
    "default/web",
    projectStatefulSet({ ...(stored as object), spec: { replicas: 0 } } as never),
  );
  await runEffect(tools, { ...release, confirm: true });
  t.ok(kube.object(IPS, REF), "the fact was old");
  t.same(observed, ["statefulSets/web"]);
  await kube.delete(STATEFUL_SETS, { namespace: "default", name: "web" });
  await runEffect(tools, { ...release, confirm: true });
  t.equal(kube.object(IPS, REF), undefined);
});

t.test("a node's condition is set and removed, whatever other conditions it has", async (t) => {
  const { kube, tools } = await rig();
  const made = await kube.create(NODES, { metadata: { name: "weft-9" } });
  const conditions = () => (kube.object(NODES, { name: "weft-9" }) as Node | undefined)?.status?.conditions;
  const effect = { kind: "node-condition", key: "x", name: "weft-9", uid: made.metadata.uid } as const;
  const address = {
    reason: "NotUnique",
    message: "its InternalIP 172.18.0.11 is not used: node weft-1 has the same address",
  };
  const chassis = { reason: "ChassisMissing", message: "the southbound database has no chassis c9" };
  await runEffect(tools, { ...effect, type: ADDRESS_CONDITION, problem: address });
  t.match(conditions(), [{ type: "WeftInternalIPNotUsed", status: "True", ...address }]);
  await runEffect(tools, { ...effect, type: CHASSIS_CONDITION, problem: chassis });
  t.match(conditions(), [
    { type: "WeftInternalIPNotUsed", status: "True", ...address },
    { type: "WeftChassisProblem", status: "True", ...chassis },
  ]);
  await runEffect(tools, { ...effect, type: ADDRESS_CONDITION, problem: undefined });
  t.match(conditions(), [{ type: "WeftChassisProblem", status: "True", ...chassis }]);
  await runEffect(tools, { ...effect, type: CHASSIS_CONDITION, problem: undefined });
  t.same(conditions(), []);
});
