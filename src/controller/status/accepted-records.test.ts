// SPDX-License-Identifier: Apache-2.0

import t, { type Test } from "tap";
import { ACCEPTED_ANNOTATION, FORMER_ACCEPTED_ANNOTATION, recordAnnotations } from "../../facts/accepted.ts";
import type { KubeObject } from "../../kube/object.ts";
import { IP_POOLS, type ResourceType, SUBNETS, VPCS } from "../../kube/resources.ts";
import type { FakeKube } from "../../kube/testing/fake.ts";
import { addPod, addressOf, candidate, cluster, eventually } from "../testing/cluster.ts";
import { AcceptedRecords } from "./accepted-records.ts";

/** Replaces a whole object, as `kubectl replace` does, without its annotations. */
async function replace(kube: FakeKube, type: ResourceType, name: string, spec: object): Promise<void> {
  const now = kube.object<KubeObject>(type, { name });
  if (now === undefined) throw new Error(`no ${name}`);
  const { annotations: _, ...metadata } = now.metadata;
  await kube.update(type, { ...now, metadata, spec } as KubeObject);
}

const recordOf = (kube: FakeKube, type: ResourceType, name: string): string | undefined =>
  kube.object(type, { name })?.metadata.annotations?.[ACCEPTED_ANNOTATION];

const TYPES: readonly (readonly [ResourceType, valid: object, invalid: object])[] = [
  [
    SUBNETS,
    { cidrBlock: "10.40.0.0/24", namespaces: ["default"], excludeIps: ["10.40.0.1..10.40.0.50"] },
    { cidrBlock: "10.40.0.0/24", namespaces: ["default"], excludeIps: ["10.40.0.50..10.40.0.1"] },
  ],
  [
    VPCS,
    { policyRoutes: [{ priority: 9, match: "ip4.dst == 10.9.0.0/16", action: "drop" }] },
    { policyRoutes: [{ priority: 9, match: "ip4.dst == 10.9.0.300/16", action: "drop" }] },
  ],
  [
    IP_POOLS,
    { subnet: "thing", ips: ["10.40.0.60..10.40.0.70"] },
    { subnet: "thing", ips: ["10.40.0.70..10.40.0.60"] },
  ],
];

async function start(t: Test) {
  const { kube, server } = await cluster(t);
  const first = candidate(t, kube, server);
  for (const [type, spec] of TYPES) await kube.create(type, { metadata: { name: "thing" }, spec } as KubeObject);
  const before = new Map<ResourceType, string>();
  for (const [type] of TYPES)
    before.set(type, await eventually(`record of ${type.plural}`, () => recordOf(kube, type, "thing")));
  return { kube, server, first, before };
}

t.test("an object that is replaced by an invalid one keeps its accepted configuration", async (t) => {
  const { kube, server, first, before } = await start(t);
  for (const [type, , invalid] of TYPES) {
    await replace(kube, type, "thing", invalid);
    t.equal(await eventually("it is back", () => recordOf(kube, type, "thing")), before.get(type), type.plural);
  }
  await first.stop();
  candidate(t, kube, server);
  await addPod(kube, "a");
  t.equal(
    await eventually("an address", () => addressOf(kube, "a")),
    "10.40.0.51",
    "also for a controller that restarts",
  );
});

t.test("after an upgrade, also one after a rollback, the record that was written last is used", async (t) => {
  const { kube, server, first, before } = await start(t);
  await first.stop();
  const expected = new Map<ResourceType, string>();
  for (const [type, , invalid] of TYPES) {
    // State of the previous release: for the Subnet a record under the old name only, for the others a later one in addition.
    const text = type === SUBNETS ? before.get(type) : before.get(type)?.replaceAll("10.40.0.60", "10.40.0.61");
    expected.set(type, text ?? "");
    const annotations = {
      [FORMER_ACCEPTED_ANNOTATION]: text ?? "",
      ...(type === SUBNETS && { [ACCEPTED_ANNOTATION]: null }),
    };
    await kube.patch(type, { name: "thing" }, { type: "merge", body: { metadata: { annotations }, spec: invalid } });
  }
  candidate(t, kube, server);
  for (const [type] of TYPES) {
    const annotations = (): Readonly<Record<string, string>> =>
      kube.object(type, { name: "thing" })?.metadata.annotations ?? {};
    const record = expected.get(type) ?? "";
    await eventually("both are written", () => (annotations()[ACCEPTED_ANNOTATION] === record ? true : undefined));
    t.match(annotations(), recordAnnotations(record), type.plural);
  }
});

t.test("a new leader restores records that its predecessor could not", async (t) => {
  const { kube, server, first, before } = await start(t);
  const standby = candidate(t, kube, server);
  await eventually("all read", () => (standby.election.synced ? true : undefined));
  const lift = kube.fail({ verb: "patch", code: "unavailable", times: 10_000 });
  for (const [type, , invalid] of TYPES) await replace(kube, type, "thing", invalid);
  await kube.settled();
  await first.stop();
  lift();
  for (const [type] of TYPES)
    t.equal(await eventually("it is back", () => recordOf(kube, type, "thing")), before.get(type), type.plural);
});

t.test("a new object with the same name does not use the former one's record", async (t) => {
  const told: string[] = [];
  const records = new AcceptedRecords(({ name, text, lost: gone }) => told.push(`${name} ${text} ${gone}`));
  const vpc = (uid: string, text?: string): KubeObject => ({
    metadata: {
      name: "v",
      uid,
      resourceVersion: "1",
      ...(text !== undefined && { annotations: { [ACCEPTED_ANNOTATION]: text } }),
    },
  });
  const textOf = (object: KubeObject): string | undefined =>
    records.keep("vpcs", object).metadata.annotations?.[ACCEPTED_ANNOTATION];
  t.equal(textOf(vpc("1")), undefined);
  t.equal(textOf(vpc("1", '{"a":[]}')), '{"a":[]}');
  t.equal(textOf(vpc("1", "malformed")), '{"a":[]}');
  t.equal(textOf(vpc("1")), '{"a":[]}');
  t.equal([...records.lost()].length, 1);
  t.equal(textOf(vpc("2")), undefined);
  t.same([...records.lost()], []);
  t.same(told, ['v {"a":[]} true', 'v {"a":[]} true']);
  t.equal(textOf(vpc("2", "{}")), "{}");
  t.equal(textOf(vpc("2")), "{}");
  t.equal(textOf(vpc("2", '{"a":[1]}')), '{"a":[1]}');
  t.same(told.slice(2), ["v {} true", 'v {"a":[1]} false'], "there again");
});
