// SPDX-License-Identifier: Apache-2.0

import { quoted } from "../../api/text.ts";
import { routesAsWritten } from "../../facts/project-vpc.ts";
import type { PeeringFact, PolicyRouteFact, StaticRouteFact, VpcFact } from "../../facts/vpc.ts";
import { canonicalMatch } from "../../policy/canonical-match.ts";
import type { PolicyProblem } from "../../policy/types.ts";
import { readUserMatch } from "../../policy/user-match.ts";
import { remembered as annotationOf, type Note } from "../effects.ts";

/** A VPC's active routes and policies, and the parts of its spec that are not accepted. */
export interface VpcRoutes {
  readonly staticRoutes: readonly StaticRouteFact[];
  /** No two have the same priority and match. */
  readonly policyRoutes: readonly PolicyRouteFact[];
  readonly problems: readonly PolicyProblem[];
  /** The accepted lists to record, for a later spec that is invalid; lists with entries left out are not recorded. */
  readonly remembered: VpcFact["former"];
}

/**
 * Decides which routes and policies of a VPC are active. A list with an invalid entry is not accepted, because the invalid entry may be the one that
 * drops traffic: the last accepted list stays active. If none is known, the valid entries are used.
 */
export function settleVpcRoutes(vpc: VpcFact): VpcRoutes {
  const read = readRules(vpc.policyRoutes);
  const found: PolicyProblem[] = [...vpc.problems, ...read.problems].filter(({ path }) =>
    /^spec\.(static|policy)Routes\[/.test(path),
  );
  const wrong = (list: string): boolean => found.some(({ path }) => path.startsWith(`spec.${list}[`));
  const { former } = vpc;
  const formerRules = former.policyRoutes && readRules(former.policyRoutes).rules;
  const staticRoutes = wrong("staticRoutes") ? (former.staticRoutes ?? vpc.staticRoutes) : vpc.staticRoutes;
  const policyRoutes = wrong("policyRoutes") ? (formerRules ?? read.rules) : read.rules;
  const problems = found.map((problem) => {
    const list = problem.path.startsWith("spec.policyRoutes[") ? "policyRoutes" : "staticRoutes";
    const rest = former[list] === undefined ? "the entry is ignored" : `the last accepted ${list} stay active`;
    return { ...problem, message: `${problem.message}; ${rest}` };
  });
  const merged = mergeRules(policyRoutes);
  const known = (list: "staticRoutes" | "policyRoutes"): boolean => former[list] !== undefined || !wrong(list);
  return {
    staticRoutes,
    policyRoutes: merged.rules,
    problems: [...problems, ...merged.problems],
    remembered: {
      ...(known("staticRoutes") && { staticRoutes }),
      ...(known("policyRoutes") && { policyRoutes: merged.rules }),
    },
  };
}

/** The only value of `ecmpMode` with a meaning. */
export const SYMMETRIC = "ecmp_symmetric_reply";

/** Options of static routes that have no effect. `nodeHops`: the next hops that are OvnEips of type `lsp`. */
export function routeNotes(
  routes: readonly StaticRouteFact[],
  sessions: readonly { readonly uuid: string; readonly address: string }[],
  nodeHops: readonly string[],
): readonly Note[] {
  const notes: Note[] = [];
  const note = (reason: string, path: string, field: string, message: string): void =>
    void notes.push({ reason, message: `${path || "staticRoutes"}.${field}: ${message}` });
  for (const { path, ecmpMode, bfdId, nextHopIp } of routes) {
    if (ecmpMode === SYMMETRIC)
      note(
        "NotSupported",
        path,
        "ecmpMode",
        "OVN returns replies by the path of the request on routers that are on one chassis only, which a VPC's is not; the routes share the traffic, and a reply takes any of them",
      );
    else if (ecmpMode !== "")
      note("NotSupported", path, "ecmpMode", `${quoted(ecmpMode)} has no effect; must be ${SYMMETRIC} or empty`);
    if (bfdId === "") continue;
    if (nodeHops.includes(nextHopIp)) {
      const why = `${nextHopIp} is an OvnEip of type lsp, which does not answer BFD; another node takes the address over when its node fails`;
      note("BfdUnused", path, "bfdId", `the BFD session is not used: ${why}`);
      continue;
    }
    const session = sessions.find(({ uuid }) => uuid === bfdId);
    if (session === undefined)
      note(
        "BfdNotFound",
        path,
        "bfdId",
        `the northbound database has no BFD session ${quoted(bfdId)}; the next hop is not monitored`,
      );
    else if (session.address !== nextHopIp)
      note(
        "BfdNotFound",
        path,
        "bfdId",
        `the BFD session is with ${session.address}, not with ${nextHopIp}; the next hop is not monitored`,
      );
  }
  return notes;
}

/** Policies whose match OVN accepts and that have no effect. */
export function matchNotes(rules: readonly PolicyRouteFact[]): readonly Note[] {
  return rules.flatMap(({ path, match }) => {
    const read = readUserMatch(match, "router");
    if (!("doubt" in read)) return [];
    return [{ reason: "MatchWithoutEffect", message: `${path || "policyRoutes"}.match: ${read.doubt}` }];
  });
}

/** The annotation in which a VPC records its accepted lists. */
export function rememberRoutes(
  vpc: VpcFact,
  { remembered }: VpcRoutes,
  vpcPeerings: readonly PeeringFact[],
): Readonly<Record<string, string>> {
  const fields = { ...remembered, ...(vpcPeerings.length > 0 && { vpcPeerings }) };
  const none = Object.values(fields).every((list) => list.length === 0);
  return none && vpc.accepted === "" ? {} : annotationOf(routesAsWritten(fields));
}

/** Reads the matches. */
function readRules(entries: readonly PolicyRouteFact[]): Pick<VpcRoutes, "problems"> & { rules: PolicyRouteFact[] } {
  const rules: PolicyRouteFact[] = [];
  const problems: PolicyProblem[] = [];
  for (const entry of entries) {
    const read = readUserMatch(entry.match, "router");
    if ("wrong" in read) problems.push({ path: `${entry.path}.match`, reason: "InvalidMatch", message: read.wrong });
    else rules.push({ ...entry, match: read.match });
  }
  return { rules, problems };
}

/** Smaller is stricter: of two contradicting policies the stricter one is used. */
const STRICTNESS: Readonly<Record<PolicyRouteFact["action"], number>> = { drop: 0, reroute: 1, allow: 2 };

/**
 * Merges policies with the same priority and match (in any spelling), because OVN does not define which one decides. Several `reroute` policies
 * become one with all their next hops; of different actions the strictest is used.
 */
function mergeRules(entries: readonly PolicyRouteFact[]): {
  readonly rules: readonly PolicyRouteFact[];
  readonly problems: readonly PolicyProblem[];
} {
  /** priority and match → the policy. */
  const rules = new Map<string, PolicyRouteFact>();
  const problems: PolicyProblem[] = [];
  for (const entry of entries) {
    const key = `${entry.priority} ${canonicalMatch(entry.match)}`;
    const other = rules.get(key);
    if (other === undefined) {
      rules.set(key, entry);
      continue;
    }
    const say = (reason: string, path: string, message: string): void => void problems.push({ path, reason, message });
    if (other.action !== entry.action) {
      const [stands, falls] = STRICTNESS[entry.action] < STRICTNESS[other.action] ? [entry, other] : [other, entry];
      rules.set(key, stands);
      const what = `${stands.path} has the same priority ${entry.priority} and match, with action ${stands.action}`;
      say("PriorityConflict", falls.path, `${what}, which is used; give one of them another priority`);
    } else if (entry.action === "reroute") {
      if (isV6(other) === isV6(entry)) {
        rules.set(key, { ...other, nextHops: [...new Set([...other.nextHops, ...entry.nextHops])] });
      } else {
        const what = `${other.path} has the same priority ${entry.priority} and match and a next hop of the other family`;
        say(
          "InvalidNextHop",
          entry.path,
          `${what}, which is used; restrict each match to its own family: ip4 && … and ip6 && …`,
        );
      }
    }
  }
  return { rules: [...rules.values()], problems };
}

function isV6({ nextHops }: PolicyRouteFact): boolean {
  return nextHops.some((hop) => hop.includes(":"));
}
