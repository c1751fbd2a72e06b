// SPDX-License-Identifier: Apache-2.0

import type { Kube } from "../../../src/kube/kube.ts";
import type { KubeObject } from "../../../src/kube/object.ts";
import { ENDPOINT_SLICES, NAMESPACES, PODS, SERVICE_ACCOUNTS, SERVICES } from "../../../src/kube/resources.ts";
import type { FakeKube } from "../../../src/kube/testing/fake.ts";

const PATCH = { subresource: "status" } as const;

/** An API server in memory whose kubelets and controllers act without delay: pods are Ready, Services have addresses and endpoints. */
export function fakeCluster(fake: FakeKube): FakeKube {
  let pods = 0;
  const create: Kube["create"] = async (type, object, options) => {
    const made = await fake.create(type, object, options);
    const { namespace = "", name } = made.metadata;
    if (type === NAMESPACES) await fake.create(SERVICE_ACCOUNTS, { metadata: { namespace: name, name: "default" } });
    if (type === PODS) {
      const podIPs = [{ ip: `fd00::${++pods}` }, { ip: `10.0.0.${pods}` }];
      const status = { podIPs, conditions: [{ type: "Ready", status: "True" }] };
      await fake.patch(PODS, { namespace, name }, { type: "merge", body: { status } }, PATCH);
    }
    if (type !== SERVICES) return made;
    const endpoints = fake.objects(PODS).map(() => ({}));
    const labels = { "kubernetes.io/service-name": name };
    const slice = { metadata: { namespace, name, labels }, endpoints };
    await fake.create<KubeObject>(ENDPOINT_SLICES, slice);
    const body = { spec: { clusterIPs: ["10.1.0.1", "fd01::1"] } };
    return fake.patch(SERVICES, { namespace, name }, { type: "merge", body });
  };
  return new Proxy(fake, { get: (of, key) => (key === "create" ? create : Reflect.get(of, key)) });
}
