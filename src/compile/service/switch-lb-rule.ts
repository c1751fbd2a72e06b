// SPDX-License-Identifier: Apache-2.0

import { ruleServiceName } from "../../api/names.ts";
import type { Fragment } from "../../desired/fragment.ts";
import type { UnitKind } from "../../desired/unit-kind.ts";
import type { EndpointSliceFact, ServiceFact } from "../../facts/service.ts";
import type { FactReader } from "../../facts/store.ts";
import type { SwitchLbRuleFact } from "../../facts/switch-lb-rule.ts";
import type { ConditionEffect, Note, WeftEffect } from "../effects.ts";
import { FragmentBuilder } from "../fragment-builder.ts";
import { dropObject } from "../owned-object.ts";
import { malformedNotes, missingNamespaces } from "../references.ts";
import { problemText, withNotes } from "../reports.ts";
import { vpcOfService } from "./service-vpc.ts";
import { ruleService, ruleSlices, SWITCH_RULES, type WantedService, wantedService } from "./switch-lb-rule-objects.ts";
import { isPlaced, type ServiceVips, unreservedVips, vipsOfService } from "./switch-lb-vip-check.ts";

interface RuleInput {
  /** Absent if the rule is gone and only its objects still exist. */
  readonly rule: SwitchLbRuleFact | undefined;
  /** The wanted Service; absent if the rule's spec is invalid. */
  readonly wanted: WantedService | undefined;
  /** The present Service with its name. */
  readonly service: ServiceFact | undefined;
  /** The objects that it created, and those of former rules of its name. */
  readonly services: readonly ServiceFact[];
  readonly slices: readonly EndpointSliceFact[];
  /** The VPC in which the Service is balanced. */
  readonly place: { readonly vpc: string; readonly exists: boolean; readonly vips: ServiceVips } | undefined;
  readonly notes: readonly Note[];
  readonly namespaceMissing: readonly Note[];
}

/** A SwitchLBRule: its condition, and its Service, whose unit has the load balancer. */
export const switchLbRuleUnit: UnitKind<FactReader, RuleInput, WeftEffect> = {
  name: "switchlbrule",
  priority: 4,

  read(reader, key) {
    const rule = reader.get("switchLbRules", key);
    const services = reader.by("services", "rule", key);
    const slices = reader.by("endpointSlices", "rule", key);
    if (rule === undefined || rule.deleting) {
      if (rule === undefined && services.length + slices.length === 0) return undefined;
      return {
        rule: undefined,
        wanted: undefined,
        service: undefined,
        services,
        slices,
        place: undefined,
        notes: [],
        namespaceMissing: [],
      };
    }
    const cluster = reader.get("cluster", "cluster");
    const wanted = wantedService(SWITCH_RULES, rule, cluster?.serviceCidr ?? {});
    const known =
      wanted === undefined ? services[0] : reader.get("services", `${wanted.namespace}/${ruleServiceName(key)}`);
    const place = known && placeOf(reader, known, cluster?.router ?? "");
    return {
      rule,
      wanted,
      service: known,
      services,
      slices,
      place,
      notes: place === undefined ? [] : unreservedVips(reader, place.vips.addresses, place.vpc),
      namespaceMissing: wanted === undefined ? [] : missingNamespaces(reader, [wanted.namespace], "spec.namespace"),
    };
  },

  compile(input): Fragment<WeftEffect> {
    const { rule, wanted, service, services, slices, namespaceMissing } = input;
    const build = new FragmentBuilder();
    if (rule === undefined) {
      return build.finish([
        ...services.map((one) => dropObject("services", one)),
        ...slices.map((one) => dropObject("endpointSlices", one)),
      ]);
    }
    const condition = conditionOf(input, rule);
    const said = condition === undefined ? [] : [condition];
    // With an invalid spec, existing objects stay as they are.
    if (wanted === undefined) return build.finish(said);
    const own = service !== undefined && isOwn(rule, service);
    const wantedSlices = own ? ruleSlices(SWITCH_RULES, rule, wanted, slices) : { keys: [], effects: [] };
    return build.finish([
      ...services
        .filter(({ key, ruleUid }) => ruleUid !== rule.uid || key !== wanted.key)
        .map((one) => dropObject("services", one)),
      ...slices
        .filter(({ key, ruleUid }) => ruleUid !== rule.uid || !wantedSlices.keys.includes(key))
        .map((one) => dropObject("endpointSlices", one)),
      ...(namespaceMissing.length > 0 || (service !== undefined && !own)
        ? []
        : ruleService(SWITCH_RULES, rule, wanted, service)),
      ...wantedSlices.effects,
      ...said,
    ]);
  },
};

function placeOf(reader: FactReader, service: ServiceFact, defaultVpc: string): RuleInput["place"] {
  const slices = reader.by("endpointSlices", "service", service.key);
  if (!isPlaced(service, slices)) return undefined;
  const vpc = vpcOfService(reader, service, slices, defaultVpc);
  const exists = reader.get("vpcs", vpc) !== undefined;
  return { vpc, exists, vips: vipsOfService(reader, service, slices, vpc, defaultVpc) };
}

/** Whether the Service belongs to the rule: by its owner reference or, for one of Kube-OVN's, by its annotation. */
function isOwn(rule: SwitchLbRuleFact, service: ServiceFact): boolean {
  if (service.rule !== "") return service.ruleUid === rule.uid;
  return service.vips.length > 0 && service.written?.headless === true;
}

/** Undefined until there is a result. */
function conditionOf(
  { wanted, service, place, notes, namespaceMissing }: RuleInput,
  rule: SwitchLbRuleFact,
): ConditionEffect | undefined {
  const { name, uid, generation, problems } = rule;
  const about = { key: `condition/switchLbRules/${name}`, resource: "switchLbRules", name, uid, generation } as const;
  // A client takes the name for the sign that there is such a Service.
  const status = { ports: portsText(rule), service: service !== undefined && isOwn(rule, service) ? service.key : "" };
  const [problem] = problems;
  const refused = problem && { reason: problem.reason, message: problemText(problems) };
  const unused = { reason: "SelectorNotUsed", message: "spec.selector is not used, because spec.endpoints is set" };
  const say = (ready: boolean, reason: string, message: string): ConditionEffect =>
    withNotes({ kind: "condition", ...about, ready, reason, message, status, ...(refused && service && { refused }) }, [
      ...(ready ? notes : []),
      ...(rule.selectorUnused ? [unused] : []),
      ...malformedNotes(rule),
    ]);
  if (refused !== undefined && service === undefined) return say(false, refused.reason, refused.message);
  const [missing] = namespaceMissing;
  if (missing !== undefined) return say(false, missing.reason, missing.message);
  if (service === undefined) {
    if (wanted?.families.length !== 0) return undefined;
    return say(
      false,
      "InvalidFamily",
      `spec.vip: Services of this cluster have no ${rule.vips.map((vip) => (vip.includes(":") ? "IPv6" : "IPv4")).join(" or ")} addresses`,
    );
  }
  if (!isOwn(rule, service)) {
    const message = `Service ${service.key} exists and was not created for this rule; delete it or give the rule another name`;
    return service.rule === name ? undefined : say(false, "ServiceExists", message);
  }
  // It is about to be taken over.
  if (service.rule === "") return undefined;
  if (place === undefined) {
    const message = `Service ${service.key} has no endpoints; its VPC is that of its first endpoint`;
    return say(false, "NoEndpoints", message);
  }
  const { vpc, exists, vips } = place;
  if (!exists) return say(false, "VpcNotFound", `VPC "${vpc}" does not exist`);
  const refusals = vips.problems.map(({ reason, message }) => ({ reason, message }));
  const [first] = refusals;
  if (first !== undefined && vips.addresses.length === 0)
    return say(false, first.reason, refusals.map(({ message }) => message).join("; "));
  const ready = say(true, "Ready", `${vips.addresses.join(" and ")} in VPC "${vpc}"`);
  return refusals.length === 0 ? ready : withNotes(ready, refusals);
}

function portsText({ service }: SwitchLbRuleFact): string {
  return (service?.ports ?? []).map(({ port, protocol }) => `${port}/${protocol}`).join(",");
}
