// SPDX-License-Identifier: Apache-2.0

import type { AdminPeerFact, AdminPolicyKind } from "../facts/admin-policy.ts";
import { parseCidr } from "../net/cidr.ts";
import { selectorProblem } from "./labels.ts";
import type { Direction, Peer, PolicyRuleAction } from "./types.ts";

/** Receives a {@link PolicyProblem}. */
export type ReportProblem = (path: string, reason: string, message: string) => void;

/** The peers of a rule. */
export interface TranslatedPeers {
  /** Pods: they may have names for ports. */
  readonly named: readonly Peer[];
  /** Networks, nodes and domain names. */
  readonly others: readonly Peer[];
  /** Whether all peers are valid. */
  readonly clear: boolean;
}

interface Context {
  readonly direction: Direction;
  readonly action: PolicyRuleAction;
  /** Of the list. */
  readonly path: string;
  readonly kind: AdminPolicyKind;
}

/** The API's own pattern, with a length that a name may have (RFC 1035 §2.3.4). */
const DOMAIN = /^(\*\.)?([a-z0-9]([-a-z0-9_]*[a-z0-9])?\.)+[a-z0-9]([-a-z0-9_]*[a-z0-9])?\.?$/i;
const DOMAIN_LENGTH = 254;

/** Translates the peers of a rule. Invalid ones are left out and reported. */
export function translatePeers(
  peers: readonly AdminPeerFact[],
  context: Context,
  report: ReportProblem,
): TranslatedPeers {
  const named: Peer[] = [];
  const others: Peer[] = [];
  let clear = true;
  const closed = context.action === "allow-related" ? "the peer matches nothing" : "the rule denies all traffic";
  const unclear = (path: string, reason: string, message: string): void => {
    clear = false;
    report(path, reason, `${message}; ${closed}`);
  };
  if (peers.length === 0) unclear(context.path, "InvalidPeer", "must have at least one peer");
  for (const [i, peer] of peers.entries()) {
    const path = `${context.path}[${i}]`;
    const allowed = context.direction === "ingress" ? INGRESS_FIELDS : EGRESS_FIELDS;
    const fields = FIELDS.filter((field) => peer[field] !== undefined);
    const [field] = fields;
    if (field === undefined || fields.length > 1 || !allowed.includes(field)) {
      const found = fields.length === 0 ? "no known field" : fields.join(" and ");
      unclear(path, "InvalidPeer", `has ${found}; it must have exactly one of: ${allowed.join(", ")}`);
      continue;
    }
    const { namespaces, pods, nodes, networks = [], domainNames = [] } = peer;
    const namespaceSelector = namespaces ?? pods?.namespaceSelector ?? {};
    const podSelector = pods?.podSelector ?? {};
    for (const [key, selector] of Object.entries(
      nodes === undefined ? { namespaceSelector, podSelector } : { nodes },
    )) {
      const problem = selectorProblem(selector);
      const at = field === "pods" ? `${path}.pods.${key}` : `${path}.${field}`;
      if (problem !== undefined) unclear(at, "InvalidSelector", problem);
      else if (nodes !== undefined) others.push({ kind: "nodes", selector: nodes });
    }
    const bad = [namespaceSelector, podSelector].some((selector) => selectorProblem(selector) !== undefined);
    if ((field === "namespaces" || field === "pods") && !bad)
      named.push({ kind: "pods", selector: { namespaceSelector, podSelector } });
    for (const [j, text] of networks.entries()) {
      const cidr = parseCidr(text);
      if (cidr === undefined || !text.includes("/")) {
        const message = `${JSON.stringify(text)} is not a valid CIDR such as 10.0.0.0/8 or fd00::/64`;
        unclear(`${path}.networks[${j}]`, "InvalidCIDR", message);
      } else others.push({ kind: "cidr", cidr: cidr.text, except: [] });
    }
    for (const [j, domain] of domainNames.entries()) {
      if (DOMAIN.test(domain) && domain.length <= DOMAIN_LENGTH) others.push({ kind: "domain", domain });
      else {
        const message = `${JSON.stringify(domain)} is not a valid domain name such as example.com or *.example.com`;
        unclear(`${path}.domainNames[${j}]`, "InvalidDomainName", message);
      }
    }
    if (field === "domainNames" && context.action !== "allow-related") {
      const word = context.kind === "cnp" ? "Accept" : "Allow";
      const message = `the API allows domain names in ${word} rules only; here they match only the addresses that are known now`;
      report(`${path}.domainNames`, "DomainNotAllowed", message);
    }
  }
  return { named, others, clear };
}

const FIELDS = ["namespaces", "pods", "nodes", "networks", "domainNames"] as const;
const INGRESS_FIELDS: readonly string[] = ["namespaces", "pods"];
const EGRESS_FIELDS: readonly string[] = FIELDS;
