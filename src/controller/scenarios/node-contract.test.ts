// SPDX-License-Identifier: Apache-2.0

import t, { type Test } from "tap";
import { SUBNET } from "../../api/annotations.ts";
import { encodeSubnetContract } from "../../contract/subnet.ts";
import type { KubeObject } from "../../kube/object.ts";
import { PODS, SUBNETS } from "../../kube/resources.ts";
import type { FakeKube } from "../../kube/testing/fake.ts";
import { addPod, addressOf, candidate, cluster, eventually } from "../testing/cluster.ts";

const contractOf = (kube: FakeKube, name: string): string | undefined =>
  kube.object(SUBNETS, { name })?.metadata.annotations?.[SUBNET.nodeContract];

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
}

function conditionOf(kube: FakeKube, name: string, type: string): string | undefined {
  const status = kube.object<KubeObject & { status?: { conditions?: Condition[] } }>(SUBNETS, { name })?.status;
  const found = status?.conditions?.find((condition) => condition.type === type);
  return found && `${found.status} ${found.reason}`;
}

const IN_FORCE = encodeSubnetContract({
  cidrs: ["10.40.0.0/24"],
  natOutgoing: true,
  gatewayType: "distributed",
  mtu: 1300,
});
const SPEC = { cidrBlock: "10.40.0.0/24", namespaces: ["default"], natOutgoing: true, mtu: 1300 };

/** A controller that leads, and a subnet with a pod in it. */
async function start(t: Test) {
  const { kube, server } = await cluster(t);
  const { stop } = candidate(t, kube, server);
  await kube.create(SUBNETS, { metadata: { name: "s" }, spec: SPEC } as KubeObject);
  t.equal(await eventually("the contract", () => contractOf(kube, "s")), IN_FORCE);
  await addPod(kube, "a");
  await eventually("an address", () => addressOf(kube, "a"));
  /** All contracts that a daemon would have seen. */
  const seen: (string | undefined)[] = [];
  const watching = new AbortController();
  t.teardown(() => watching.abort());
  const { resourceVersion } = await kube.list(SUBNETS, {});
  void kube
    .watch<KubeObject>(SUBNETS, { resourceVersion, timeoutSeconds: 600, signal: watching.signal }, (event) => {
      if (event.type === "BOOKMARK" || event.object.metadata.name !== "s") return;
      seen.push(event.type === "DELETED" ? "deleted" : event.object.metadata.annotations?.[SUBNET.nodeContract]);
    })
    .catch(() => undefined);
  return { kube, server, seen, stop };
}

t.test("a subnet that is deleted while pods are in it keeps its contract until it is gone", async (t) => {
  const { kube, seen } = await start(t);
  await kube.delete(SUBNETS, { name: "s" });
  await eventually("it says so", () => (conditionOf(kube, "s", "Ready") === "False InUse" ? true : undefined));
  await touch(kube);
  t.equal(contractOf(kube, "s"), IN_FORCE);
  await kube.delete(PODS, { namespace: "default", name: "a" }, { gracePeriodSeconds: 0 });
  await eventually("it is gone", () => (seen.includes("deleted") ? true : undefined));
  t.same([...new Set(seen)], [IN_FORCE, "deleted"]);
});

t.test("an invalid edit does not change the contract", async (t) => {
  const { kube, seen } = await start(t);
  const acls = [{ direction: "to-lport", priority: 1000, match: "ip4.src == 10.16.0.0/33", action: "drop" }];
  for (const spec of [{ acls }, { cidrBlock: "10.40.0.0/99" }, { cidrBlock: "10.16.0.0/24" }]) {
    await kube.patch(SUBNETS, { name: "s" }, { type: "merge", body: { spec } });
    await eventually("it is said", () => (conditionOf(kube, "s", "Validated")?.startsWith("False") ? true : undefined));
    t.equal(contractOf(kube, "s"), IN_FORCE, JSON.stringify(spec));
    t.match(conditionOf(kube, "s", "Ready"), /^True/);
    await kube.patch(SUBNETS, { name: "s" }, { type: "merge", body: { spec: { ...SPEC, acls: null } } });
    await eventually("it is right again", () =>
      conditionOf(kube, "s", "Validated")?.startsWith("True") ? true : undefined,
    );
  }
  t.same([...new Set(seen)], [IN_FORCE]);
});

t.test(
  "a change that the database refuses is not in the nodes' contract, although the subnet is not Ready",
  async (t) => {
    const { kube, server } = await start(t);
    const refused = { error: "constraint violation", details: "for the test" };
    server.onTransact = (operations) => (JSON.stringify(operations).includes("Address_Set") ? refused : undefined);
    await kube.patch(SUBNETS, { name: "s" }, { type: "merge", body: { spec: { natOutgoing: false } } });
    await eventually("it says so", () =>
      conditionOf(kube, "s", "Ready") === "False NorthboundRefused" ? true : undefined,
    );
    t.equal(contractOf(kube, "s"), IN_FORCE, "its rows are as they were, and so are its nodes");
    server.onTransact = undefined;
    await eventually("it is retried", () => contractOf(kube, "s")?.includes('"natOutgoing":false') || undefined);
  },
);

t.test("a contract that another client removes or changes is restored", async (t) => {
  const { kube, server, stop } = await start(t);
  const forged = IN_FORCE.replace("10.40.0.0/24", "172.16.0.0/12");
  for (const text of [null, "nonsense", forged]) {
    await kube.patch(
      SUBNETS,
      { name: "s" },
      { type: "merge", body: { metadata: { annotations: { [SUBNET.nodeContract]: text } } } },
    );
    await eventually("it is back", () => (contractOf(kube, "s") === IN_FORCE ? true : undefined));
  }
  await stop();
  await kube.patch(
    SUBNETS,
    { name: "s" },
    { type: "merge", body: { metadata: { annotations: { [SUBNET.nodeContract]: forged } } } },
  );
  candidate(t, kube, server);
  await eventually("it is back", () => (contractOf(kube, "s") === IN_FORCE ? true : undefined));
  t.pass("also by a controller that restarts");
});

t.test("an object that is replaced by an invalid one while it is being deleted keeps its contract", async (t) => {
  const { kube, seen } = await start(t);
  await kube.delete(SUBNETS, { name: "s" });
  await eventually("it says so", () => (conditionOf(kube, "s", "Ready") === "False InUse" ? true : undefined));
  const now = kube.object<KubeObject>(SUBNETS, { name: "s" });
  const { annotations: _, ...metadata } = now?.metadata ?? { name: "s", uid: "", resourceVersion: "" };
  await kube.update(SUBNETS, { ...now, metadata, spec: { ...SPEC, cidrBlock: "10.40.0.0/99" } } as KubeObject);
  await eventually("it is back", () => contractOf(kube, "s"));
  t.equal(contractOf(kube, "s"), IN_FORCE);
  t.same([...new Set(seen)], [IN_FORCE, undefined]);
});

t.test("the contract shows when a subnet is not ready, or does not concern nodes", async (t) => {
  const { kube } = await start(t);
  for (const [name, spec] of [
    ["clash", { cidrBlock: "10.40.0.0/25" }],
    ["elsewhere", { cidrBlock: "10.41.0.0/24", provider: "macvlan.default" }],
    ["wired", { cidrBlock: "10.42.0.0/24", vlan: "v" }],
  ] as const) {
    await kube.create(SUBNETS, { metadata: { name }, spec } as KubeObject);
    t.match(await eventually(name, () => contractOf(kube, name)), '"cidrs":[]');
  }
});

/** A change that triggers the subnet's unit. */
async function touch(kube: FakeKube): Promise<void> {
  await kube.patch(
    SUBNETS,
    { name: "s" },
    { type: "merge", body: { spec: { excludeIps: ["10.40.0.1", "10.40.0.200"] } } },
  );
  await kube.settled();
}
