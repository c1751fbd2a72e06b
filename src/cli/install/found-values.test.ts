// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { DEPLOYMENTS, NODES, SERVICE_CIDRS } from "../../kube/resources.ts";
import { type FakeKube, fakeKube } from "../../kube/testing/fake.ts";
import { findValues } from "./found-values.ts";

const CONTROL_PLANE = { "node-role.kubernetes.io/control-plane": "" };

/** A cluster with that many control plane nodes, and one other. */
async function cluster(count: number): Promise<FakeKube> {
  const kube = fakeKube();
  for (let node = 0; node < count; node++)
    await kube.create(NODES, { metadata: { name: `control-${node}`, labels: CONTROL_PLANE } });
  await kube.create(NODES, { metadata: { name: "worker" } });
  return kube;
}

t.test("a new cluster has three replicas of ovn-central if its control plane has three nodes", async (t) => {
  t.same(await findValues(await cluster(3), "kube-system"), { central: { replicas: 3 } });
  t.same(await findValues(await cluster(5), "kube-system"), { central: { replicas: 3 } });
  t.same(await findValues(await cluster(2), "kube-system"), {});
});

t.test("a release keeps the number that it has", async (t) => {
  for (const [replicas, values] of [
    [1, {}],
    [5, { central: { replicas: 5 } }],
  ] as const) {
    const kube = await cluster(3);
    await kube.create(DEPLOYMENTS, { metadata: { namespace: "kube-system", name: "ovn-central" }, spec: { replicas } });
    t.same(await findValues(kube, "kube-system"), values);
  }
});

t.test("families and ranges are those of the cluster's Services", async (t) => {
  const kube = await cluster(1);
  await kube.create(SERVICE_CIDRS, {
    metadata: { name: "kubernetes" },
    spec: { cidrs: ["10.96.0.0/12", "fd00:10:96::/112"] },
  });
  const ranges = { ipv4: { SVC_CIDR: "10.96.0.0/12" }, ipv6: { SVC_CIDR: "fd00:10:96::/112" } };
  t.same(await findValues(kube, "kube-system"), { ipFamily: "dual", ...ranges });
});
