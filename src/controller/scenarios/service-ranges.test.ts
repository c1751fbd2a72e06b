// SPDX-License-Identifier: Apache-2.0

import t, { type Test } from "tap";
import type { KubeObject } from "../../kube/object.ts";
import { SERVICE_CIDRS, SUBNETS } from "../../kube/resources.ts";
import type { FakeKube } from "../../kube/testing/fake.ts";
import { addPod, addressOf, candidate, cluster, eventually } from "../testing/cluster.ts";

interface Status {
  readonly conditions?: readonly { readonly type: string; readonly status: string; readonly message: string }[];
}

/** Waits until a condition of a Subnet has a value; returns its message. */
function condition(kube: FakeKube, name: string, type: string, status: string): Promise<string> {
  return eventually(`${name} is ${type}=${status}`, () => {
    const subnet = kube.object<KubeObject & { status?: Status }>(SUBNETS, { name });
    return subnet?.status?.conditions?.find((one) => one.type === type && one.status === status)?.message;
  });
}

function addRange(kube: FakeKube, name: string, ...cidrs: string[]): Promise<unknown> {
  return kube.create(SERVICE_CIDRS, { metadata: { name }, spec: { cidrs } } as KubeObject);
}

async function start(t: Test, served = true): Promise<FakeKube> {
  const { kube, server } = await cluster(t);
  kube.serveType(SERVICE_CIDRS, served);
  if (served) await addRange(kube, "kubernetes", "10.96.0.0/12");
  candidate(t, kube, server);
  return kube;
}

const subnet = (kube: FakeKube, name: string, cidrBlock: string, more: object = {}) =>
  kube.create(SUBNETS, { metadata: { name }, spec: { cidrBlock, ...more } } as KubeObject);

t.test("a subnet with addresses of an additional Service range is refused as long as that range exists", async (t) => {
  const kube = await start(t);
  await addRange(kube, "more", "10.200.0.0/16", "fd00:200::/112");
  await subnet(kube, "in-flag", "10.96.7.0/24");
  t.match(await condition(kube, "in-flag", "Ready", "False"), /overlaps 10\.96\.0\.0\/12, the addresses of Services/);
  await subnet(kube, "in-more", "10.200.7.0/24");
  t.match(await condition(kube, "in-more", "Ready", "False"), /overlaps 10\.200\.0\.0\/16, the addresses of Services/);
  await subnet(kube, "six", "fd00:200::/120");
  t.match(await condition(kube, "six", "Ready", "False"), /overlaps fd00:200::\/112, the addresses of Services/);
  await kube.delete(SERVICE_CIDRS, { name: "more" });
  await condition(kube, "in-more", "Ready", "True");
  await condition(kube, "six", "Ready", "True");
  await condition(kube, "in-flag", "Ready", "False");
});

t.test(
  "a new Service range that overlaps a subnet in use removes nothing from it, and the subnet's condition reports it",
  async (t) => {
    const kube = await start(t);
    await subnet(kube, "s", "10.201.0.0/24", { namespaces: ["default"] });
    await condition(kube, "s", "Ready", "True");
    await addPod(kube, "a");
    const address = await eventually("an address", () => addressOf(kube, "a"));
    await addRange(kube, "late", "10.201.0.0/16");
    t.match(await condition(kube, "s", "Validated", "False"), /overlaps 10\.201\.0\.0\/16, the addresses of Services/);
    await condition(kube, "s", "Ready", "True");
    t.equal(addressOf(kube, "a"), address);
    await addPod(kube, "b");
    t.match(await eventually("another address", () => addressOf(kube, "b")), /^10\.201\.0\./);
  },
);

t.test("a cluster without the type uses the flag", async (t) => {
  const kube = await start(t, false);
  await subnet(kube, "in-flag", "10.96.7.0/24");
  t.match(await condition(kube, "in-flag", "Ready", "False"), /overlaps 10\.96\.0\.0\/12/);
  await subnet(kube, "free", "10.200.7.0/24");
  await condition(kube, "free", "Ready", "True");
});
