// SPDX-License-Identifier: Apache-2.0

import type { OvnSnatRuleSpec } from "../api/generated/ovnsnatrule.ts";
import type { WeftEffect } from "../compile/effects.ts";
import { FragmentBuilder } from "../compile/fragment-builder.ts";
import { decideUse, type NatUse, readUse } from "../compile/nat/nat-decision.ts";
import { type NatProblem, natProblem } from "../compile/nat/nat-problem.ts";
import { addWayOut, natEffects } from "../compile/nat/nat-rule.ts";
import { readTarget } from "../compile/nat/nat-target.ts";
import { olderSourceRule } from "../compile/nat/source-exclusion.ts";
import { routerId } from "../compile/owner-ids.ts";
import { externalIds } from "../compile/rows.ts";
import { connectedRanges } from "../compile/vpc/vpc-peerings.ts";
import type { Fragment } from "../desired/fragment.ts";
import type { UnitKind } from "../desired/unit-kind.ts";
import type { ProjectedMeta } from "../facts/meta.ts";
import { addressKeys, type EipRuleFact, natRuleFields } from "../facts/nat-rule.ts";
import type { FactReader } from "../facts/store.ts";
import { parseIp } from "../net/address.ts";
import { parseCidr } from "../net/cidr.ts";
import { NAT_COLUMNS, POLICY_COLUMNS } from "./columns.ts";
import type { Kind } from "./kind.ts";

/** One OvnSnatRule. */
export interface OvnSnatRuleFact extends EipRuleFact {
  /** Name of the subnet whose packets are translated; "" for none. */
  readonly subnet: string;
  /** Name of the IP whose packets are; "" for none. */
  readonly ipName: string;
  readonly vpc: string;
  /** CIDRs or addresses in canonical form, "" for none: they take precedence. */
  readonly v4: string;
  readonly v6: string;
}

declare module "../facts/types.ts" {
  interface FactTypes {
    readonly ovnSnatRules: OvnSnatRuleFact;
  }
  interface FactIndexes {
    readonly ovnSnatRules: "eip" | "source";
  }
}

/** What {@link projectOvnSnatRule} reads of an OvnSnatRule. */
export interface OvnSnatRuleObject {
  readonly metadata: ProjectedMeta;
  readonly spec?: OvnSnatRuleSpec;
}

/** The fact of an OvnSnatRule. */
export function projectOvnSnatRule({ metadata, spec = {} }: OvnSnatRuleObject): OvnSnatRuleFact {
  const [v4, v6] = [rangeText(spec.v4IpCidr, 4), rangeText(spec.v6IpCidr, 6)];
  const fixed = v4 !== "" || v6 !== "";
  const subnet = fixed ? "" : (spec.vpcSubnet ?? "");
  const ipName = fixed || subnet !== "" ? "" : (spec.ipName ?? "");
  return { ...natRuleFields(metadata, spec.ovnEip), subnet, ipName, vpc: spec.vpc ?? "", v4, v6 };
}

/** A CIDR or an address in canonical form; "" for what is neither. */
function rangeText(text = "", family: 4 | 6): string {
  const range = parseCidr(text) ?? parseIp(text);
  return range?.family === family ? range.text.replace(family === 4 ? /\/32$/ : /\/128$/, "") : "";
}

/** The packets that are translated. */
interface NatSource {
  readonly ok: true;
  readonly vpc: string;
  readonly v4: string;
  readonly v6: string;
  /** The keys under which rules with this source are found, independent of how they name it. */
  readonly keys: readonly string[];
}

interface SnatInput {
  readonly rule: OvnSnatRuleFact;
  readonly use: NatUse;
  readonly source: NatSource | NatProblem;
  /** Another rule that excludes this one. */
  readonly rival: NatProblem | undefined;
}

/** An OvnSnatRule: its NAT row for each family. */
const ovnSnatRuleUnit: UnitKind<FactReader, SnatInput, WeftEffect> = {
  name: "ovnsnatrule",
  priority: 4,

  read(reader, key) {
    const rule = reader.get("ovnSnatRules", key);
    if (rule === undefined) return undefined;
    const source = sourceOf(reader, rule);
    return {
      rule,
      use: readUse(reader, rule, source),
      source,
      rival: rivalOf(reader, rule, source.ok ? source.keys : sourceKeys(rule)),
    };
  },

  compile({ rule, use, source, rival }): Fragment<WeftEffect> {
    const build = new FragmentBuilder();
    const { vpc, v4, v6 } = source.ok ? source : { vpc: "", v4: "", v6: "" };
    const outcome = {
      eip: use.eip.ok ? use.eip : undefined,
      status: { vpc, v4IpCidr: v4, v6IpCidr: v6 },
      notes: [],
    };
    const decision = decideUse(use, rule, source, { rival });
    if (!decision.ok)
      return build.finish(natEffects("ovnSnatRules", rule, { ...outcome, problem: decision, message: "" }));
    const { pairs, link } = decision;
    for (const { family, external, logical } of pairs) {
      build.held("Logical_Router", routerId(vpc), "nat", "NAT", `snat/${rule.name}/${family}`, {
        type: "snat",
        external_ip: external,
        logical_ip: logical,
        external_mac: undefined,
        logical_port: undefined,
        options: {},
        external_ids: externalIds(),
      });
    }
    if (use.inDefaultVpc) addWayOut(build, `snat/${rule.name}`, vpc, pairs, link);
    const message = pairs.map(({ external, logical }) => `${logical} leaves as ${external}`).join(", ");
    return build.finish(natEffects("ovnSnatRules", rule, { ...outcome, message }));
  },
};

function sourceOf(reader: FactReader, rule: OvnSnatRuleFact): NatSource | NatProblem {
  const { subnet: name, ipName, vpc, v4, v6 } = rule;
  if (name !== "") {
    const subnet = reader.get("subnets", name);
    if (subnet === undefined || reader.get("verdicts", name)?.ok !== true) {
      const message = `subnet "${name}" (spec.vpcSubnet) does not exist or is not ready`;
      return natProblem("SubnetNotReady", message);
    }
    const { vpc, cidr } = subnet;
    const [v4 = "", v6 = ""] = [cidr.v4, cidr.v6];
    return { ok: true, vpc, v4, v6, keys: [...sourceKeys(rule), ...addressKeys(vpc, v4, v6)] };
  }
  if (ipName !== "") {
    return readTarget(reader, { ipType: "ip", ipName, vpc: "", v4: "", v6: "" });
  }
  if (v4 === "" && v6 === "")
    return natProblem("SourceMissing", "spec.vpcSubnet, spec.ipName, spec.v4IpCidr and spec.v6IpCidr are empty");
  if (reader.get("vpcs", vpc) === undefined) return natProblem("VpcNotFound", `VPC "${vpc}" (spec.vpc) does not exist`);
  const subnets = connectedRanges(reader, vpc).filter(({ cidr }) => cidr === v4 || cidr === v6);
  // A range that is not one address has no IP object.
  const inside = readTarget(reader, { ipType: "ip", ipName: "", vpc, v4, v6 });
  const keys = [...(inside.ok ? inside.keys : []), ...subnets.map(({ subnet }) => `subnet/${subnet}`)];
  return { ok: true, vpc, v4, v6, keys };
}

/** An older rule of the same source in the same external subnet. */
function rivalOf(reader: FactReader, rule: OvnSnatRuleFact, keys: readonly string[]): NatProblem | undefined {
  const older = olderSourceRule(reader, "OvnSnatRule", rule, keys);
  if (older === undefined) return undefined;
  const message = `${older}, which is older, has the same source: it leaves with one address in an external subnet`;
  return natProblem("SourceInUse", message);
}

function sourceKeys({ subnet, ipName, vpc, v4, v6 }: OvnSnatRuleFact): readonly string[] {
  if (subnet !== "") return [`subnet/${subnet}`];
  if (ipName !== "") return [`ip/${ipName}`];
  return addressKeys(vpc, v4, v6);
}

/** kubeovn.io/v1 OvnSnatRule. */
export const ovnSnatRuleKind: Kind<"ovnSnatRules"> = {
  facts: "ovnSnatRules",
  type: { group: "kubeovn.io", version: "v1", plural: "ovn-snat-rules", namespaced: false, kind: "OvnSnatRule" },
  project: projectOvnSnatRule,
  indexes: { eip: ({ eip }) => [eip], source: sourceKeys },
  unit: ovnSnatRuleUnit,
  rows: {
    Logical_Router: ["nat", "policies"],
    NAT: NAT_COLUMNS,
    Logical_Router_Policy: POLICY_COLUMNS,
  },
  status: "subresource",
  access: { verbs: ["patch"], why: "Watched; finalizers, labels and the annotation with the OvnEip are patched." },
};
