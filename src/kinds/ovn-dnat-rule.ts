// SPDX-License-Identifier: Apache-2.0

import type { OvnDnatRuleSpec } from "../api/generated/ovndnatrule.ts";
import type { WeftEffect } from "../compile/effects.ts";
import { FragmentBuilder } from "../compile/fragment-builder.ts";
import { olderPortRule, portKey } from "../compile/nat/eip-exclusion.ts";
import { decideUse, type NatUse, readUse } from "../compile/nat/nat-decision.ts";
import { type NatProblem, natProblem } from "../compile/nat/nat-problem.ts";
import { addWayOut, natEffects } from "../compile/nat/nat-rule.ts";
import { type NatTarget, readTarget } from "../compile/nat/nat-target.ts";
import { routerId } from "../compile/owner-ids.ts";
import { externalIds } from "../compile/rows.ts";
import { HAIRPIN, podBalancerGroupId } from "../compile/service/load-balancer.ts";
import type { Fragment } from "../desired/fragment.ts";
import type { UnitKind } from "../desired/unit-kind.ts";
import type { ProjectedMeta } from "../facts/meta.ts";
import { type EipRuleFact, type NatTargetFact, natRuleFields, natTargetKeys, natTargetOf } from "../facts/nat-rule.ts";
import type { FactReader } from "../facts/store.ts";
import { POLICY_COLUMNS } from "./columns.ts";
import type { Kind } from "./kind.ts";

/** A protocol with ports. */
type Protocol = "tcp" | "udp" | "sctp";

/** One OvnDnatRule. */
export interface OvnDnatRuleFact extends EipRuleFact {
  readonly target: NatTargetFact;
  /** 0 for what is no port. */
  readonly externalPort: number;
  readonly internalPort: number;
  /** Absent where it is none of these. */
  readonly protocol?: Protocol;
}

declare module "../facts/types.ts" {
  interface FactTypes {
    readonly ovnDnatRules: OvnDnatRuleFact;
  }
  interface FactIndexes {
    readonly ovnDnatRules: "eip" | "port" | "target";
  }
}

/** What {@link projectOvnDnatRule} reads of an OvnDnatRule. */
export interface OvnDnatRuleObject {
  readonly metadata: ProjectedMeta;
  readonly spec?: OvnDnatRuleSpec;
}

/** The fact of an OvnDnatRule. */
export function projectOvnDnatRule({ metadata, spec = {} }: OvnDnatRuleObject): OvnDnatRuleFact {
  const protocol = (["tcp", "udp", "sctp"] as const).find((one) => one === spec.protocol?.toLowerCase());
  return {
    ...natRuleFields(metadata, spec.ovnEip),
    target: natTargetOf(spec),
    externalPort: readPort(spec.externalPort),
    internalPort: readPort(spec.internalPort),
    ...(protocol && { protocol }),
  };
}

function readPort(text = ""): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  return port <= 65_535 ? port : 0;
}

interface DnatInput {
  readonly rule: OvnDnatRuleFact;
  readonly use: NatUse;
  readonly target: NatTarget | NatProblem;
  /** Another rule that excludes this one. */
  readonly rival: NatProblem | undefined;
}

/** An OvnDnatRule: a load balancer of its VPC's router, as in Kube-OVN, and of the VPC's switches. */
const ovnDnatRuleUnit: UnitKind<FactReader, DnatInput, WeftEffect> = {
  name: "ovndnatrule",
  priority: 4,

  read(reader, key) {
    const rule = reader.get("ovnDnatRules", key);
    if (rule === undefined) return undefined;
    const target = readTarget(reader, rule.target);
    return {
      rule,
      use: readUse(reader, rule, target),
      target,
      rival: olderPortRule(reader, portOf(rule), `OvnDnatRule "${rule.name}"`),
    };
  },

  compile({ rule, use, target, rival }): Fragment<WeftEffect> {
    const build = new FragmentBuilder();
    const { name, externalPort, internalPort, protocol } = rule;
    const vpc = target.ok ? target.vpc : "";
    const outcome = {
      eip: use.eip.ok ? use.eip : undefined,
      status: {
        ...{ vpc, v4Ip: target.ok ? target.v4 : "", v6Ip: target.ok ? target.v6 : "", ipName: rule.target.ipName },
        ...{ externalPort: portText(externalPort), internalPort: portText(internalPort), protocol: protocol ?? "" },
      },
      notes: target.ok ? target.notes : [],
    };
    const decision = decideUse(use, rule, target, { invalid: invalidOf(rule), rival });
    if (!decision.ok)
      return build.finish(natEffects("ovnDnatRules", rule, { ...outcome, problem: decision, message: "" }));
    const { pairs, link } = decision;
    const vips = Object.fromEntries(
      pairs.map(({ external, logical }) => [endpoint(external, externalPort), endpoint(logical, internalPort)]),
    );
    const balancer = build.row("Load_Balancer", `dnat/${name}`, {
      name,
      protocol,
      vips,
      selection_fields: [],
      // Otherwise a UDP client that keeps sending would stay with a former target.
      options: { ...HAIRPIN, ...(protocol === "udp" && { ct_flush: "true" }) },
      external_ids: externalIds({ vpc }),
    });
    build.member("Logical_Router", routerId(vpc), "load_balancer", balancer.uuid);
    // For pods of the VPC. The router translates packets of those on the gateway chassis before they leave by the external port, but no reply that does not pass that port.
    build.member("Load_Balancer_Group", podBalancerGroupId(vpc, use.inDefaultVpc), "load_balancer", balancer.uuid);
    if (use.inDefaultVpc) addWayOut(build, `dnat/${name}`, vpc, pairs, link, ` && ${protocol}.src == ${internalPort}`);
    const message = Object.entries(vips)
      .map(([outside, inside]) => `${outside} leads to ${inside}`)
      .join(", ");
    return build.finish(natEffects("ovnDnatRules", rule, { ...outcome, message }));
  },
};

function portOf({ eip, protocol, externalPort: port }: OvnDnatRuleFact): Parameters<typeof portKey>[0] {
  return { eip, protocol: protocol ?? "", port };
}

function portText(port: number): string {
  return port === 0 ? "" : String(port);
}

function endpoint(address: string, port: number): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

/** Invalid parts of an object that is older than the rules of the CRD. */
function invalidOf({ externalPort, internalPort, protocol }: OvnDnatRuleFact): NatProblem | undefined {
  if (externalPort === 0 || internalPort === 0) {
    const field = externalPort === 0 ? "externalPort" : "internalPort";
    return natProblem("InvalidPort", `spec.${field} is not a port number between 1 and 65535`);
  }
  return protocol === undefined
    ? natProblem("InvalidProtocol", "spec.protocol must be one of: tcp, udp, sctp")
    : undefined;
}

/** kubeovn.io/v1 OvnDnatRule. */
export const ovnDnatRuleKind: Kind<"ovnDnatRules"> = {
  facts: "ovnDnatRules",
  type: { group: "kubeovn.io", version: "v1", plural: "ovn-dnat-rules", namespaced: false, kind: "OvnDnatRule" },
  project: projectOvnDnatRule,
  indexes: {
    eip: ({ eip }) => [eip],
    port: (rule) => [portKey(portOf(rule))],
    target: ({ target }) => natTargetKeys(target),
  },
  unit: ovnDnatRuleUnit,
  rows: {
    Logical_Router: ["load_balancer", "policies"],
    Load_Balancer: ["name", "protocol", "vips", "selection_fields", "options", "external_ids"],
    Load_Balancer_Group: ["load_balancer"],
    Logical_Router_Policy: POLICY_COLUMNS,
  },
  status: "subresource",
  access: { verbs: ["patch"], why: "Watched; finalizers, labels and the annotation with the OvnEip are patched." },
};
