// SPDX-License-Identifier: Apache-2.0

import { NAMESPACE } from "../api/annotations.ts";
import { subnetsOfNamespace } from "../claims/namespace-subnets.ts";
import type { UnitKind } from "../desired/unit-kind.ts";
import type { NamespaceFact } from "../facts/namespace.ts";
import { joinDual } from "../facts/project-subnet.ts";
import type { FactReader } from "../facts/store.ts";
import type { SubnetFact } from "../facts/subnet.ts";
import { annotate, type WeftEffect } from "./effects.ts";
import { FragmentBuilder } from "./fragment-builder.ts";

interface NamespaceInput {
  readonly namespace: NamespaceFact;
  readonly subnets: readonly Pick<SubnetFact, "name" | "cidr" | "excludeIps">[];
  /** Names of the IPPools bound to it. */
  readonly pools: readonly string[];
}

/** A namespace: no rows, only the annotations from which Kube-OVN's tools and webhooks read its subnets. */
export const namespaceUnit: UnitKind<FactReader, NamespaceInput, WeftEffect> = {
  name: "namespace",
  priority: 4,

  read(reader, key) {
    const namespace = reader.get("namespaces", key);
    if (namespace === undefined) return undefined;
    const subnets = subnetsOfNamespace(reader, key).map(({ name, cidr, excludeIps }) => ({ name, cidr, excludeIps }));
    return { namespace, subnets, pools: reader.by("ipPools", "namespace", key).map((pool) => pool.name) };
  },

  compile({ namespace, subnets, pools }) {
    if (subnets.length === 0) return new FragmentBuilder().finish();
    const effects = annotate("namespaces", namespace, {
      [NAMESPACE.logicalSwitch]: subnets.map((subnet) => subnet.name).join(","),
      [NAMESPACE.cidr]: subnets.map((subnet) => joinDual(subnet.cidr)).join(";"),
      [NAMESPACE.ipPool]: pools.length === 0 ? undefined : pools.join(","),
      [NAMESPACE.excludeIps]: subnets.map((subnet) => subnet.excludeIps.join(",")).join(";"),
    });
    return new FragmentBuilder().finish(effects);
  },
};
