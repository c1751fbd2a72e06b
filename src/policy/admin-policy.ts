// SPDX-License-Identifier: Apache-2.0

import { NETWORK_POLICY } from "../api/annotations.ts";
import { quoted } from "../api/text.ts";
import { commaList } from "../collections/comma-list.ts";
import type { AdminPeerFact, AdminPolicyFact, AdminRuleFact } from "../facts/admin-policy.ts";
import { type ReportProblem, translatePeers } from "./admin-peers.ts";
import { translatePorts } from "./admin-ports.ts";
import { ADMIN_PRIORITIES, adminSlots, assignPriorities, type UnplacedRule } from "./admin-priorities.ts";
import { clearPart, selectorProblem } from "./labels.ts";
import { DEFAULT_LOG_RATE, readLogRate } from "./log-rate.ts";
import type { Direction, PodSelector, Policy, PolicyProblem, PolicyRule, PolicyRuleAction, RuleLog } from "./types.ts";

/** The names of the kinds. */
export const ADMIN_KINDS = {
  anp: "AdminNetworkPolicy",
  banp: "BaselineAdminNetworkPolicy",
  cnp: "ClusterNetworkPolicy",
} as const;

/**
 * Translates an AdminNetworkPolicy, BaselineAdminNetworkPolicy or ClusterNetworkPolicy (policy.networking.k8s.io). Invalid parts fail closed, as the
 * API requires: an invalid part of an Allow matches nothing; a Deny or Pass with an invalid peer denies everything. Of a policy whose subject or
 * priority is invalid only the Denies apply.
 *
 * The priorities are those of the policy alone; see `settleTies` for policies with equal priorities.
 */
export function translateAdminPolicy(fact: AdminPolicyFact): Policy {
  const { kind, name } = fact;
  const problems: PolicyProblem[] = [];
  const report: ReportProblem = (path, reason, message) => void problems.push({ path, reason, message });
  const slots = adminSlots(fact);
  const policy = { id: `${kind}/${name}`, label: `${ADMIN_KINDS[kind]} ${name}`, tier: slots.tier, isolation: [] };
  if (kind === "banp" && name !== "default") {
    report("metadata.name", "InvalidName", "only the BaselineAdminNetworkPolicy named default is enforced");
    return { ...policy, subjects: [], rules: [], problems };
  }
  const logRate = fact.annotations[NETWORK_POLICY.logRate] ?? "0";
  if (readLogRate(logRate) === undefined) {
    const message = `${quoted(logRate)} is not a valid number of packets per second; ${DEFAULT_LOG_RATE} is used`;
    report(`metadata.annotations[${NETWORK_POLICY.logRate}]`, "InvalidLogRate", message);
  }
  const { subject, rules: unplaced } = understand(fact, report);
  const rules: PolicyRule[] = [];
  for (const direction of ["ingress", "egress"] as const) {
    const placed = assignPriorities(unplaced[direction], slots);
    rules.push(...placed.rules);
    if (placed.closed > 0) {
      const message = `this priority can have ${slots.count} rules; of the last ${placed.closed}, Allow rules are ignored and Pass rules deny`;
      report(`spec.${direction}`, "TooManyRules", message);
    }
  }
  return { ...policy, subjects: [subject], rules, problems };
}

/** The rules of one direction in their order, before priorities are assigned. */
export function unplacedRules(fact: AdminPolicyFact, direction: Direction): readonly UnplacedRule[] {
  return understand(fact, () => undefined).rules[direction];
}

interface Understood {
  readonly subject: PodSelector;
  readonly rules: Readonly<Record<Direction, readonly UnplacedRule[]>>;
}

function understand(fact: AdminPolicyFact, report: ReportProblem): Understood {
  const placed = checkPlace(fact, report);
  const subject = translateSubject(fact.subject, report);
  const rulesOf = (direction: Direction): readonly UnplacedRule[] => {
    const all = fact[direction].flatMap((rule, i) => translateRule(fact, direction, rule, i, report));
    return placed && subject.clear ? all : all.filter(({ action }) => action === "drop");
  };
  return { subject: subject.selector, rules: { ingress: rulesOf("ingress"), egress: rulesOf("egress") } };
}

/** Whether the policy's place among others is valid. */
function checkPlace({ kind, tier, priority }: AdminPolicyFact, report: ReportProblem): boolean {
  const { first, last } = ADMIN_PRIORITIES;
  const known = kind !== "cnp" || tier === "Admin" || tier === "Baseline";
  const only = "only its Deny rules are enforced";
  if (!known) report("spec.tier", "InvalidTier", `${JSON.stringify(tier)} must be one of: Admin, Baseline; ${only}`);
  if (kind === "banp") return known;
  if (priority !== undefined && Number.isInteger(priority) && priority >= first && priority <= last) return known;
  const text = priority === undefined ? "is missing" : `${priority} is not a whole number from ${first} to ${last}`;
  report("spec.priority", "InvalidPriority", `${text}; ${only}, at the nearest priority`);
  return false;
}

function translateSubject(
  subject: AdminPeerFact,
  report: ReportProblem,
): { readonly selector: PodSelector; readonly clear: boolean } {
  const { namespaces, pods } = subject;
  const namespaceSelector = namespaces ?? pods?.namespaceSelector ?? {};
  const podSelector = pods?.podSelector ?? {};
  const only = "its Deny rules apply to all pods that it might select, its other rules to none";
  let clear = true;
  const unclear = (path: string, reason: string, message: string): void => {
    clear = false;
    report(path, reason, `${message}; ${only}`);
  };
  if ((namespaces === undefined) === (pods === undefined)) {
    unclear("spec.subject", "InvalidSubject", "must have one of: namespaces, pods");
    return { selector: { podSelector: {} }, clear };
  }
  const base = namespaces === undefined ? "spec.subject.pods" : "spec.subject";
  for (const [field, selector] of Object.entries(
    namespaces === undefined ? { namespaceSelector, podSelector } : { namespaces },
  )) {
    const problem = selectorProblem(selector);
    if (problem !== undefined) unclear(`${base}.${field}`, "InvalidSelector", problem);
  }
  return { selector: { namespaceSelector: clearPart(namespaceSelector), podSelector: clearPart(podSelector) }, clear };
}

/** None if the rule matches nothing; two if some of its peers cannot have named ports. */
function translateRule(
  fact: AdminPolicyFact,
  direction: Direction,
  rule: AdminRuleFact,
  index: number,
  report: ReportProblem,
): readonly UnplacedRule[] {
  const path = `spec.${direction}[${index}]`;
  const name = `${direction}/${index}${rule.name === undefined ? "" : `/${rule.name}`}`;
  const action = actionOf(fact, rule.action);
  const common = (action: PolicyRuleAction): Pick<UnplacedRule, "direction" | "action" | "name" | "log" | "place"> => {
    const log = logOf(fact.annotations, action);
    return { direction, action, name, place: index, ...(log && { log }) };
  };
  const denyAll: UnplacedRule = { ...common("drop"), peers: EVERYBODY, ports: "any" };
  if (action === undefined) {
    const accepted = fact.kind === "banp" ? "Allow, Deny" : `${fact.kind === "cnp" ? "Accept" : "Allow"}, Deny, Pass`;
    report(
      `${path}.action`,
      "InvalidAction",
      `${JSON.stringify(rule.action)} must be one of: ${accepted}; it denies everything`,
    );
    return [denyAll];
  }
  const peersPath = `${path}.${direction === "ingress" ? "from" : "to"}`;
  const { named, others, clear } = translatePeers(
    rule.peers,
    { direction, action, path: peersPath, kind: fact.kind },
    report,
  );
  if (!clear && action !== "allow-related") return [denyAll];
  const portsPath = `${path}.${fact.kind === "cnp" ? "protocols" : "ports"}`;
  const ports = translatePorts(rule.ports, { action, path: portsPath }, report);
  // A Pass with invalid ports must not pass anything.
  const made = ports.clear || action !== "pass" ? action : "drop";
  const rules: UnplacedRule[] = [];
  const add = (peers: PolicyRule["peers"], match: PolicyRule["ports"]): void => {
    if (peers !== "any" && peers.length === 0) return;
    if (match !== "any" && match.length === 0) return;
    rules.push({ ...common(made), peers, ports: match });
  };
  if (ports.names === 0 || others.length === 0) {
    add([...named, ...others], ports.match);
    return rules;
  }
  add(named, ports.match);
  const closed = action === "allow-related";
  report(
    peersPath,
    "InvalidPeer",
    `named ports cannot be combined with networks, nodes and domainNames; for them ${closed ? "the named ports match nothing" : "all ports are denied"}`,
  );
  if (closed) add(others, ports.unnamed);
  else rules.push({ ...common("drop"), peers: others, ports: "any" });
  return rules;
}

/** All IP traffic, without ARP. */
const EVERYBODY: PolicyRule["peers"] = [
  { kind: "cidr", cidr: "0.0.0.0/0", except: [] },
  { kind: "cidr", cidr: "::/0", except: [] },
];

function actionOf({ kind }: AdminPolicyFact, text: string): PolicyRuleAction | undefined {
  if (text === "Deny") return "drop";
  if (text === (kind === "cnp" ? "Accept" : "Allow")) return "allow-related";
  return text === "Pass" && kind !== "banp" ? "pass" : undefined;
}

/** Kube-OVN's annotation: the actions, in OVN's terms, whose traffic is logged. */
function logOf(annotations: Readonly<Record<string, string>>, action: PolicyRuleAction): RuleLog | undefined {
  const actions = commaList(annotations[NETWORK_POLICY.logActions] ?? "");
  if (!actions.includes(action) && !(action === "allow-related" && actions.includes("allow"))) return undefined;
  const rate = readLogRate(annotations[NETWORK_POLICY.logRate] ?? "0") ?? DEFAULT_LOG_RATE;
  return { severity: action === "drop" ? "warning" : "info", rate };
}
