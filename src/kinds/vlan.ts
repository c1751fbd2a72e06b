// SPDX-License-Identifier: Apache-2.0

import type { VlanSpec } from "../api/generated/vlan.ts";
import { type ConditionEffect, fill, type WeftEffect } from "../compile/effects.ts";
import { FragmentBuilder } from "../compile/fragment-builder.ts";
import { malformedNotes } from "../compile/references.ts";
import { withNotes } from "../compile/reports.ts";
import { ownerOfVlanId, vlanTag } from "../compile/subnet/vlan-conflict.ts";
import type { Fragment } from "../desired/fragment.ts";
import type { UnitKind } from "../desired/unit-kind.ts";
import { type CustomObjectFact, customObjectFields, type ProjectedMeta } from "../facts/meta.ts";
import type { FactReader } from "../facts/store.ts";
import type { Kind } from "./kind.ts";

/** One Vlan. */
export interface VlanFact extends CustomObjectFact {
  /** The id in frames; 0 for frames without a tag. */
  readonly id: number;
  /** The network outside, "" for none. */
  readonly network: string;
}

declare module "../facts/types.ts" {
  interface FactTypes {
    readonly vlans: VlanFact;
  }
  interface FactIndexes {
    readonly vlans: "tag" | "network";
  }
}

/** What {@link projectVlan} reads of a Vlan. */
export interface VlanObject {
  readonly metadata: ProjectedMeta;
  readonly spec?: VlanSpec;
}

/** The fact of a Vlan. */
export function projectVlan({ metadata, spec = {} }: VlanObject): VlanFact {
  const id = spec.id || spec.vlanId || 0;
  const network = spec.provider || spec.providerInterfaceName || "";
  return { ...customObjectFields(metadata), id: Number.isInteger(id) && id >= 0 && id <= 4095 ? id : 0, network };
}

interface VlanInput {
  readonly vlan: VlanFact;
  readonly subnets: readonly string[];
  /** An older Vlan of the same id in the same network. */
  readonly older: string | undefined;
}

/** A Vlan: its finalizer and its condition. The subnets that name it have the rows. */
const vlanUnit: UnitKind<FactReader, VlanInput, WeftEffect> = {
  name: "vlan",
  priority: 4,

  read(reader, key) {
    const vlan = reader.get("vlans", key);
    if (vlan === undefined) return undefined;
    return {
      vlan,
      subnets: reader.by("subnets", "vlan", key).map(({ name }) => name),
      older: ownerOfVlanId(reader, vlan),
    };
  },

  compile({ vlan, subnets, older }): Fragment<WeftEffect> {
    const { name, uid, generation, deleting } = vlan;
    const build = new FragmentBuilder();
    const wanted = !deleting || subnets.length > 0;
    const about = { key: `condition/vlans/${name}`, resource: "vlans", name, uid, generation } as const;
    const state = stateOf(vlan, subnets, older);
    const condition: ConditionEffect = {
      kind: "condition",
      ...about,
      ...state,
      status: { subnets, conflict: older !== undefined },
    };
    if (!wanted) return build.finish(fill("vlans", vlan, { finalizer: false }));
    return build.finish(fill("vlans", vlan, { finalizer: true }, withNotes(condition, malformedNotes(vlan))));
  },
};

function stateOf(
  { deleting, network, id }: VlanFact,
  subnets: readonly string[],
  older: string | undefined,
): Pick<ConditionEffect, "ready" | "reason" | "message"> {
  if (deleting) {
    const message = `waiting for subnets that use the Vlan to be deleted: ${subnets.slice(0, 5).join(", ")}`;
    return { ready: false, reason: "InUse", message };
  }
  if (network === "")
    return { ready: false, reason: "ProviderMissing", message: "spec.provider names no network, for example external" };
  if (older === undefined) return { ready: true, reason: "Ready", message: "" };
  const message = `Vlan "${older}" has id ${id} in network "${network}": new subnets of this Vlan are not accepted; give each Vlan its own id`;
  return { ready: true, reason: "VlanConflict", message };
}

/** kubeovn.io/v1 Vlan. */
export const vlanKind: Kind<"vlans"> = {
  facts: "vlans",
  type: { group: "kubeovn.io", version: "v1", plural: "vlans", namespaced: false, kind: "Vlan" },
  project: projectVlan,
  indexes: {
    tag: (vlan) => (vlan.id === 0 ? [] : [vlanTag(vlan)]),
    network: ({ network }) => (network === "" ? [] : [network]),
  },
  unit: vlanUnit,
  status: "subresource",
  access: { verbs: ["patch"], why: "Watched; finalizers are patched." },
};
