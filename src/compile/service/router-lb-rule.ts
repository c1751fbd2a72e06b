// SPDX-License-Identifier: Apache-2.0

import { routerBalancerName, routerRuleKey } from "../../api/names.ts";
import type { Fragment } from "../../desired/fragment.ts";
import type { UnitKind } from "../../desired/unit-kind.ts";
import { serviceFamilyOf } from "../../facts/project-switch-lb-rule.ts";
import { type RouterLbRuleFact, routerRuleAnnotations } from "../../facts/router-lb-rule.ts";
import type { EndpointSliceFact, ServiceFact } from "../../facts/service.ts";
import type { FactReader } from "../../facts/store.ts";
import { type ConditionEffect, fill, type Note, type WeftEffect } from "../effects.ts";
import { FragmentBuilder } from "../fragment-builder.ts";
import { olderPortRule } from "../nat/eip-exclusion.ts";
import { type NatUse, readUse } from "../nat/nat-decision.ts";
import { type NatProblem, natProblem } from "../nat/nat-problem.ts";
import { dropObject } from "../owned-object.ts";
import { malformedNotes, missingNamespaces } from "../references.ts";
import { problemText, withNotes } from "../reports.ts";
import { addRouterBalancers } from "./external-balancer.ts";
import { slicesOnOvn } from "./secondary-endpoints.ts";
import { slicesInVpc } from "./service-vpc.ts";
import { ROUTER_RULES, ruleService, ruleSlices, type WantedService, wantedService } from "./switch-lb-rule-objects.ts";

interface RuleInput {
  /** Absent if the rule is gone, or going, and only its objects still exist. */
  readonly rule: RouterLbRuleFact | undefined;
  /** Its Service; absent if the spec is invalid or the OvnEip cannot be used. */
  readonly wanted: WantedService | undefined;
  /** The present Service of that name. */
  readonly service: ServiceFact | undefined;
  /** The objects that it created, and those of former rules of its name. */
  readonly services: readonly ServiceFact[];
  readonly slices: readonly EndpointSliceFact[];
  /** The EndpointSlices of its Service in its VPC. */
  readonly endpoints: readonly EndpointSliceFact[];
  readonly use: NatUse | undefined;
  readonly problem: NatProblem | undefined;
}

const GONE = { wanted: undefined, service: undefined, endpoints: [], use: undefined, problem: undefined } as const;

/** A RouterLBRule: the load balancers of its VPC's router at the addresses of its OvnEip, and its Service, by which its endpoints are found. */
export const routerLbRuleUnit: UnitKind<FactReader, RuleInput, WeftEffect> = {
  name: "routerlbrule",
  priority: 4,

  read(reader, key) {
    const rule = reader.get("routerLbRules", key);
    const services = reader.by("services", "rule", routerRuleKey(key));
    const slices = reader.by("endpointSlices", "rule", routerRuleKey(key));
    if (rule === undefined || rule.deleting) {
      if (rule === undefined && services.length + slices.length === 0) return undefined;
      return { rule, services, slices, ...GONE };
    }
    const inside =
      reader.get("vpcs", rule.vpc) === undefined
        ? natProblem("VpcNotFound", `VPC "${rule.vpc}" (spec.vpc) does not exist`)
        : ({ ok: true, vpc: rule.vpc, v4: "", v6: "" } as const);
    const use = readUse(reader, rule, inside);
    const { eip, link } = use;
    const cidr = reader.get("cluster", "cluster")?.serviceCidr ?? {};
    const addresses = eip.ok ? [eip.v4, eip.v6].filter((address) => address !== "") : [];
    const families = addresses.map(serviceFamilyOf);
    const asked = rule.balanced && {
      ...rule,
      service: { ...rule.balanced, annotations: routerRuleAnnotations(rule.vpc, addresses), families },
    };
    const wanted = asked && eip.ok ? wantedService(ROUTER_RULES, asked, cidr) : undefined;
    const service = wanted === undefined ? services[0] : reader.get("services", wanted.key);
    const missing = wanted === undefined ? [] : missingNamespaces(reader, [wanted.namespace], "spec.namespace");
    const found = service === undefined ? [] : reader.by("endpointSlices", "service", service.key);
    const problem = [
      rule.problems.length > 0 && natProblem(rule.problems[0]?.reason ?? "", problemText(rule.problems)),
      eip,
      inside,
      link,
      rivalOf(reader, rule),
      missing[0] && natProblem(missing[0].reason, missing[0].message),
      wanted?.families.length === 0 &&
        natProblem("InvalidFamily", `Services of this cluster have no ${families.join(" or ")} addresses`),
      service !== undefined &&
        service.ruleUid !== rule.uid &&
        natProblem(
          "ServiceExists",
          `Service ${service.key} exists and was not created for this rule; delete it or give the rule another name`,
        ),
    ].find((one) => one !== false && one !== undefined && !one.ok);
    return {
      rule,
      wanted,
      service,
      services,
      slices,
      endpoints: service === undefined ? [] : slicesInVpc(reader, service, slicesOnOvn(reader, found), rule.vpc),
      use,
      problem,
    };
  },

  compile({ rule, wanted, service, services, slices, endpoints, use, problem }): Fragment<WeftEffect> {
    const build = new FragmentBuilder();
    if (rule === undefined || rule.deleting) {
      return build.finish([
        ...services.map((one) => dropObject("services", one)),
        ...slices.map((one) => dropObject("endpointSlices", one)),
        ...(rule === undefined ? [] : fill("routerLbRules", rule, { finalizer: false })),
      ]);
    }
    const isOwn = service !== undefined && service.ruleUid === rule.uid;
    const applied = problem === undefined && use?.eip.ok === true && use.link?.ok === true;
    if (applied && use.eip.ok && use.link?.ok === true && isOwn) {
      const { v4, v6 } = use.eip;
      const { ports, affinity } = service;
      const at = { vpc: rule.vpc, link: use.link, inDefaultVpc: use.inDefaultVpc };
      addRouterBalancers(build, { ports, affinity, v4, v6 }, at, endpoints, (protocol) => ({
        id: `rlr/${rule.name}/${protocol}`,
        name: routerBalancerName(rule.name, protocol),
        ids: { rule: rule.name },
      }));
    }
    const objects: WeftEffect[] = [];
    // With a problem, existing objects stay as they are.
    if (applied && wanted !== undefined) {
      const own = isOwn
        ? ruleSlices(ROUTER_RULES, { ...rule, service: wanted }, wanted, slices)
        : { keys: [], effects: [] };
      objects.push(
        ...services
          .filter(({ key, ruleUid }) => ruleUid !== rule.uid || key !== wanted.key)
          .map((one) => dropObject("services", one)),
        ...slices
          .filter(({ key, ruleUid }) => ruleUid !== rule.uid || !own.keys.includes(key))
          .map((one) => dropObject("endpointSlices", one)),
        ...ruleService(ROUTER_RULES, { ...rule, service: wanted }, wanted, service),
        ...own.effects,
      );
    }
    const condition = conditionOf(rule, { problem, wanted, service: isOwn ? service : undefined, endpoints });
    // Its finalizer is what the OvnEip's deletion waits for.
    const finalizer = applied || rule.finalizers.length > 0;
    return build.finish([...objects, ...fill("routerLbRules", rule, { finalizer }, condition)]);
  },
};

function rivalOf(reader: FactReader, { eip, name, balanced }: RouterLbRuleFact): NatProblem | undefined {
  for (const { protocol, port } of balanced?.ports ?? []) {
    const older = olderPortRule(reader, { eip, protocol, port }, `RouterLBRule "${name}"`);
    if (older !== undefined) return older;
  }
  return undefined;
}

function conditionOf(
  rule: RouterLbRuleFact,
  { problem, wanted, service, endpoints }: Pick<RuleInput, "problem" | "wanted" | "service" | "endpoints">,
): ConditionEffect | undefined {
  const { name, uid, generation } = rule;
  const about = { key: `condition/routerLbRules/${name}`, resource: "routerLbRules", name, uid, generation } as const;
  const ports = (rule.balanced?.ports ?? []).map(({ port, protocol }) => `${port}/${protocol}`).join(",");
  // A client takes the name for the sign that there is such a Service.
  const status = { ports, service: service?.key ?? "" };
  const unused = { reason: "SelectorNotUsed", message: "spec.selector is not used, because spec.endpoints is set" };
  const say = (ready: boolean, reason: string, message: string, notes: readonly Note[] = []): ConditionEffect =>
    withNotes({ kind: "condition", ...about, ready, reason, message, status }, [
      ...notes,
      ...(rule.selectorUnused ? [unused] : []),
      ...malformedNotes(rule),
    ]);
  if (problem !== undefined) return say(false, problem.reason, problem.message);
  // It is about to be created.
  if (service === undefined || wanted === undefined) return undefined;
  const found = endpoints.some((slice) => slice.endpoints.length > 0);
  const none = { reason: "NoEndpoints", message: `Service ${service.key} has no endpoints: connections are refused` };
  const addresses = wanted.annotations["ovn.kubernetes.io/router_lb_vip"]?.split(",").join(" and ");
  return say(true, "Ready", `${addresses} in VPC "${rule.vpc}"`, found ? [] : [none]);
}
