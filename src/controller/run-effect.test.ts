import t from "tap";
import { ADDRESS_CONDITION, CHASSIS_CONDITION } from "../api/names.ts";
import { type FillSpecEffect, type ReleaseIpEffect, releaseIp } from "../compile/effects.ts";
import { sampleFacts } from "../compile/testing.ts";
import { projectIp } from "../facts/project-ip.ts";
import { projectStatefulSet } from "../facts/project-owner.ts";
import { fakeKube } from "../kube/fake.ts";
import type { KubeObject } from "../kube/object.ts";
import { IPS, NODES, STATEFUL_SETS, SUBNETS } from "../kube/resources.ts";
import type { Node } from "../kube/types.ts";
import { runEffect } from "./run-effect.ts";

/** An IP object of a StatefulSet's pod, known as it is stored. */
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

t.test("defaults do not take the place of what a user has written since", async (t) => {
  const { kube, tools } = await rig();
  const ref = { name: "s" };
  const { metadata } = await kube.create(SUBNETS, { metadata: ref, spec: { cidrBlock: "10.40.0.0/24" } });
  const { uid, generation = 0 } = metadata;
  const fill = (of: number): FillSpecEffect => ({
    ...{ kind: "fill-spec", key: "fill/subnets/s", resource: "subnets", name: "s", uid },
    ...{ generation: of, spec: { gatewayType: "distributed", vpc: "ovn-cluster" } },
  });
  const body = { spec: { gatewayType: "centralized" } };
  await kube.patch(SUBNETS, ref, { type: "merge", body });
  await t.rejects(runEffect(tools, fill(generation)), { code: "invalid" });
  const spec = () => kube.object<KubeObject & { spec: object }>(SUBNETS, ref)?.spec;
  t.strictSame(spec(), { cidrBlock: "10.40.0.0/24", gatewayType: "centralized" });
  await kube.patch(SUBNETS, ref, { type: "merge", body: { spec: { gatewayType: null } } });
  await runEffect(tools, fill(generation + 2));
  t.strictSame(spec(), { cidrBlock: "10.40.0.0/24", gatewayType: "distributed", vpc: "ovn-cluster" });
});

t.test("an address is given back: finalizer and object go", async (t) => {
  const { kube, tools, release } = await rig();
  await runEffect(tools, release);
  t.equal(kube.object(IPS, REF), undefined);
});

t.test("a record that was taken over meanwhile stays, even if that is known by then", async (t) => {
  const { kube, tools, release, know } = await rig();
  const body = { metadata: { annotations: { "weft.kubeovn.io/pod-uid": "the-next" } } };
  const taken = await kube.patch(IPS, REF, { type: "merge", body });
  await t.rejects(runEffect(tools, release), { code: "conflict" });
  t.equal(kube.object(IPS, REF)?.metadata.finalizers?.length, 1);
  know(taken);
  await t.rejects(runEffect(tools, release), { code: "conflict" });
  await runEffect(tools, releaseIp(projectIp(taken as never)));
  t.equal(kube.object(IPS, REF), undefined);
});

t.test(
  "a conflict at a record with `uid` in its name is tried again, and one with another record is not",
  async (t) => {
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
  },
);

t.test("a StatefulSet is asked for before the address of its pod is given back", async (t) => {
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

t.test("a node's condition is set, and taken away again, whatever other conditions it has", async (t) => {
  const { kube, tools } = await rig();
  const made = await kube.create(NODES, { metadata: { name: "weft-9" } });
  const conditions = () => (kube.object(NODES, { name: "weft-9" }) as Node | undefined)?.status?.conditions;
  const effect = { kind: "node-condition", key: "x", name: "weft-9", uid: made.metadata.uid } as const;
  const address = { reason: "NotUnique", message: "its InternalIP 172.18.0.11 is not used: node weft-1 has it too" };
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
