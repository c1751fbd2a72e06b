// SPDX-License-Identifier: Apache-2.0

import { switchLbRuleKind } from "../../src/kinds/switch-lb-rule.ts";
import { NAMESPACES, NETWORK_POLICIES, SERVICES } from "../../src/kube/resources.ts";
import type { FakeKube } from "../../src/kube/testing/fake.ts";
import { type Cluster, merge } from "./cluster.ts";
import type { TenantAction } from "./script.ts";

const TYPES = { services: SERVICES, networkpolicies: NETWORK_POLICIES, "switch-lb-rules": switchLbRuleKind.type };

/** Executes the actions of tenants. */
export class TenantUsers {
  readonly #kube: FakeKube;
  readonly #cluster: Cluster;

  constructor(kube: FakeKube, cluster: Cluster) {
    this.#kube = kube;
    this.#cluster = cluster;
  }

  act(action: TenantAction): void {
    const kube = this.#kube;
    const cluster = this.#cluster;
    if (action.do === "tenant-pod") {
      const { ns, name, labels, wishes } = action;
      const annotations = Object.fromEntries(
        Object.entries(wishes).map(([key, value]) => [`ovn.kubernetes.io/${key}`, value]),
      );
      if (kube.object(NAMESPACES, { name: ns }) !== undefined) cluster.createPod(ns, name, { annotations, labels });
      return;
    }
    const type = TYPES[action.type];
    const ref = action.ns === undefined ? { name: action.name } : { namespace: action.ns, name: action.name };
    const object = kube.object(type, ref);
    if (action.do === "tenant-delete") {
      if (object !== undefined) cluster.delete(type, object);
      return;
    }
    const { spec } = action;
    cluster.ignore(
      object === undefined ? kube.create(type, { metadata: ref, spec }) : kube.patch(type, ref, merge({ spec })),
    );
  }
}
