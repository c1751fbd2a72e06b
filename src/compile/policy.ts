// SPDX-License-Identifier: Apache-2.0

import { aclName, meterName } from "../api/names.ts";
import type { Fragment } from "../desired/fragment.ts";
import { rowUuid } from "../desired/identity.ts";
import type { UnitKind } from "../desired/unit-kind.ts";
import type { FactReader } from "../facts/store.ts";
import type { AclSpec } from "../policy/acl.ts";
import { compiledPolicyKey } from "../policy/compiled-policy.ts";
import type { PolicyKind } from "../policy/policy-kinds.ts";
import type { PolicyProblem } from "../policy/types.ts";
import { aclContent, holdAcl } from "./acl-row.ts";
import type { AdminPolicyResource, ConditionEffect, MakeResolverEffect, ReportEffect, WeftEffect } from "./effects.ts";
import { FragmentBuilder } from "./fragment-builder.ts";
import { domainProblems, wantedResolvers } from "./name-resolver.ts";
import { groupId } from "./owner-ids.ts";
import { problemText, report } from "./reports.ts";
import { externalIds } from "./rows.ts";
import { isSampling, sampleAcl } from "./sampling.ts";

interface PolicyInput {
  readonly id: string;
  readonly acls: readonly AclSpec[];
  readonly problems: readonly PolicyProblem[];
  /** The object, for Events about it. */
  readonly about: ReportEffect["about"];
  /** The object whose status reports whether it is enforced, and its generation. */
  readonly status?: { readonly resource: AdminPolicyResource; readonly generation: number };
  /** The DNSNameResolvers for its domain names. */
  readonly resolvers: readonly MakeResolverEffect[];
  /** New connections that its ACLs decide are sampled. */
  readonly sampled?: true;
}

/**
 * A policy of any kind: its ACLs, held by the Port_Groups of the pods to which it applies. It does not read pods, so
 * pods' events do not compile it. The id of an ACL is its content, so unchanged ACLs of a changed policy are not
 * written.
 */
export function policyUnit(name: string, kind: PolicyKind): UnitKind<FactReader, PolicyInput, WeftEffect> {
  return {
    name,
    priority: 1,
    atomic: true,

    read(reader, key) {
      const fact = reader.get(kind, key);
      const compiled = reader.get("compiledPolicies", compiledPolicyKey(kind, key));
      if (fact === undefined || compiled === undefined) return undefined;
      const { id, acls, domains } = compiled;
      const about = { resource: kind, namespace: fact.namespace, name: fact.name, uid: fact.uid };
      const problems = [...compiled.problems, ...domainProblems(reader, domains)];
      const sampled = isSampling(reader) ? ({ sampled: true } as const) : {};
      const input = { id, acls, problems, about, resolvers: [], ...sampled };
      if (kind === "networkPolicies" || !("kind" in fact)) return input;
      const status = { resource: kind, generation: fact.generation };
      return { ...input, status, resolvers: wantedResolvers(reader, fact) };
    },

    compile({ id, acls, problems, about, status, resolvers, sampled = false }): Fragment<WeftEffect> {
      const build = new FragmentBuilder();
      for (const acl of acls) addAcl(build, id, acl, sampled);
      if (status !== undefined) return build.finish([condition(about, status, problems), ...resolvers]);
      return build.finish(report(about, problems));
    },
  };
}

/** Adds an ACL to the Port_Group of its group. */
function addAcl(build: FragmentBuilder, policy: string, spec: AclSpec, sampled: boolean): void {
  const { holder, direction, tier, priority, match, action, rule } = spec;
  const content = aclContent([holder, direction, tier, priority, match, action], 12);
  const aclId = `${policy}/${rule}/${content}`;
  holdAcl(build, "Port_Group", groupId(holder), aclId, {
    name: aclName(policy, rule),
    // Egress is evaluated after load balancing (ovn-nb(5), ACL options).
    stage: direction === "ingress" ? "to-lport" : "from-lport-after-lb",
    tier,
    priority,
    match,
    action,
    log: spec.log !== undefined,
    severity: spec.log?.severity,
    meter: spec.log === undefined || spec.log.rate === 0 ? undefined : addMeter(build, policy, spec.log.rate),
    external_ids: externalIds({ policy, rule }),
  });
  if (sampled) sampleAcl(build, aclId);
}

/** A meter for a policy's log, in packets per second; returns its name (ovn-nb(5), Meter). */
function addMeter(build: FragmentBuilder, policy: string, rate: number): string {
  const name = meterName(policy, rate);
  if (build.has("Meter", name)) return name;
  const band = rowUuid("Meter_Band", name);
  // The schema requires `bands` to be non-empty at insertion, so it is a column of the row as well as an edge.
  build.row("Meter", name, { name, unit: "pktps", bands: [band], external_ids: externalIds({ policy }) });
  build.held("Meter", name, "bands", "Meter_Band", name, {
    action: "drop",
    rate,
    external_ids: externalIds({ policy }),
  });
  return name;
}

function condition(
  { name, uid }: ReportEffect["about"],
  { resource, generation }: NonNullable<PolicyInput["status"]>,
  problems: readonly PolicyProblem[],
): ConditionEffect {
  const ready = problems.length === 0;
  return {
    kind: "condition",
    key: `condition/${resource}/${name}`,
    resource,
    name,
    uid,
    generation,
    ready,
    reason: problems[0]?.reason ?? "Enforced",
    message: ready ? "" : problemText(problems),
  };
}
