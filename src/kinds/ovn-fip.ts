// SPDX-License-Identifier: Apache-2.0

import type { OvnFipSpec } from "../api/generated/ovnfip.ts";
import type { Note, WeftEffect } from "../compile/effects.ts";
import { FragmentBuilder } from "../compile/fragment-builder.ts";
import { olderFip } from "../compile/nat/eip-exclusion.ts";
import { decideUse, type NatUse, readUse } from "../compile/nat/nat-decision.ts";
import { type NatProblem, natProblem } from "../compile/nat/nat-problem.ts";
import { addWayOut, natEffects } from "../compile/nat/nat-rule.ts";
import { type NatTarget, readTarget } from "../compile/nat/nat-target.ts";
import { balancerAtRouter } from "../compile/nat/router-endpoints.ts";
import { olderSourceRule } from "../compile/nat/source-exclusion.ts";
import { translatingPort } from "../compile/nat/translating-port.ts";
import { routerId } from "../compile/owner-ids.ts";
import { externalIds } from "../compile/rows.ts";
import type { Fragment } from "../desired/fragment.ts";
import type { UnitKind } from "../desired/unit-kind.ts";
import type { ProjectedMeta } from "../facts/meta.ts";
import { type EipRuleFact, type NatTargetFact, natRuleFields, natTargetKeys, natTargetOf } from "../facts/nat-rule.ts";
import type { FactReader } from "../facts/store.ts";
import { NAT_COLUMNS, POLICY_COLUMNS } from "./columns.ts";
import type { Kind } from "./kind.ts";

/** One OvnFip. */
export interface OvnFipFact extends EipRuleFact {
  readonly target: NatTargetFact;
  /** "" for the default. */
  readonly type: "" | "distributed" | "centralized";
}

declare module "../facts/types.ts" {
  interface FactTypes {
    readonly ovnFips: OvnFipFact;
  }
  interface FactIndexes {
    readonly ovnFips: "eip" | "target";
  }
}

/** What {@link projectOvnFip} reads of an OvnFip. */
export interface OvnFipObject {
  readonly metadata: ProjectedMeta;
  readonly spec?: OvnFipSpec;
}

/** The fact of an OvnFip. */
export function projectOvnFip({ metadata, spec = {} }: OvnFipObject): OvnFipFact {
  const type = spec.type === "distributed" || spec.type === "centralized" ? spec.type : "";
  return { ...natRuleFields(metadata, spec.ovnEip), target: natTargetOf(spec), type };
}

interface FipInput {
  readonly fip: OvnFipFact;
  readonly use: NatUse;
  readonly target: NatTarget | NatProblem;
  /** Another floating IP that excludes this one. */
  readonly rival: NatProblem | undefined;
  /** What balances connections to its target at the router. */
  readonly balancer: string | undefined;
}

/** An OvnFip: its NAT row for each family. */
const ovnFipUnit: UnitKind<FactReader, FipInput, WeftEffect> = {
  name: "ovnfip",
  priority: 4,

  read(reader, key) {
    const fip = reader.get("ovnFips", key);
    if (fip === undefined) return undefined;
    const target = readTarget(reader, fip.target);
    const distributed = fip.type === "distributed" && target.ok && target.port !== undefined;
    return {
      fip,
      use: readUse(reader, fip, target),
      target,
      rival: rivalOf(reader, fip, target.ok ? target.keys : natTargetKeys(fip.target)),
      balancer: distributed ? balancerAtRouter(reader, target.keys) : undefined,
    };
  },

  compile({ fip, use, target, rival, balancer }): Fragment<WeftEffect> {
    const build = new FragmentBuilder();
    const vpc = target.ok ? target.vpc : "";
    const inside = target.ok ? { v4Ip: target.v4, v6Ip: target.v6 } : { v4Ip: "", v6Ip: "" };
    const port = target.ok ? target.port : undefined;
    const mac = fip.type === "distributed" ? (port?.mac ?? "") : "";
    const outcome = {
      eip: use.eip.ok ? use.eip : undefined,
      status: { vpc, ...inside, macAddress: mac },
      notes: target.ok ? [...target.notes, ...centralizedNotes(balancer)] : [],
    };
    const decision = decideUse(use, fip, target, { rival });
    if (!decision.ok) return build.finish(natEffects("ovnFips", fip, { ...outcome, problem: decision, message: "" }));
    const { pairs, link } = decision;
    const distributed = fip.type === "distributed";
    for (const { family, external, logical } of pairs) {
      build.held("Logical_Router", routerId(vpc), "nat", "NAT", `fip/${fip.name}/${family}`, {
        type: "dnat_and_snat",
        external_ip: external,
        logical_ip: logical,
        ...translatingPort(distributed ? port : undefined, link, balancer),
        options: { stateless: String(distributed) },
        external_ids: externalIds(),
      });
    }
    if (use.inDefaultVpc) addWayOut(build, `fip/${fip.name}`, vpc, pairs, link);
    const message = pairs.map(({ external, logical }) => `${external} is ${logical}`).join(", ");
    return build.finish(natEffects("ovnFips", fip, { ...outcome, message }));
  },
};

function centralizedNotes(balancer: string | undefined): readonly Note[] {
  if (balancer === undefined) return [];
  const message = `the gateway node translates, because ${balancer} forwards connections to the same address`;
  return [{ reason: "Centralized", message }];
}

/** An older floating IP of the same OvnEip, or rule of the same target in the same external subnet. */
function rivalOf(reader: FactReader, fip: OvnFipFact, keys: readonly string[]): NatProblem | undefined {
  const sameEip = olderFip(reader, fip);
  if (sameEip !== undefined) return sameEip;
  const older = olderSourceRule(reader, "OvnFip", fip, keys);
  if (older === undefined) return undefined;
  const message = `${older}, which is older, translates the same address: it leaves with one address in an external subnet`;
  return natProblem("TargetInUse", message);
}

/** kubeovn.io/v1 OvnFip. */
export const ovnFipKind: Kind<"ovnFips"> = {
  facts: "ovnFips",
  type: { group: "kubeovn.io", version: "v1", plural: "ovn-fips", namespaced: false, kind: "OvnFip" },
  project: projectOvnFip,
  indexes: { eip: ({ eip }) => [eip], target: ({ target }) => natTargetKeys(target) },
  unit: ovnFipUnit,
  rows: {
    Logical_Router: ["nat", "policies"],
    NAT: NAT_COLUMNS,
    Logical_Router_Policy: POLICY_COLUMNS,
  },
  status: "subresource",
  access: { verbs: ["patch"], why: "Watched; finalizers, labels and the annotation with the OvnEip are patched." },
};
