// SPDX-License-Identifier: Apache-2.0

import { NETWORK_POLICY, OVN_PROVIDER, ovnAttachmentProvider } from "../api/annotations.ts";
import { commaList } from "../collections/comma-list.ts";
import type { NetworkPolicyFact, NetworkPolicyPeerFact, NetworkPolicyPortFact } from "../facts/network-policy.ts";
import { cidrContainsCidr, parseCidr } from "../net/cidr.ts";
import { clearPart, selectorProblem } from "./labels.ts";
import { DEFAULT_LOG_RATE, readLogRate } from "./log-rate.ts";
import type { Direction, Peer, Policy, PolicyProblem, PolicyRule, PortMatch, Protocol, RuleLog } from "./types.ts";

/**
 * The priorities of a NetworkPolicy's ACLs, as in Kube-OVN: allow before drop. They apply to ingress as they are; `placed` in `acl.ts` moves the
 * rules for egress to other tiers.
 */
const ALLOW = 2001;
const DROP = 2000;

/**
 * Translates a NetworkPolicy (networking.k8s.io/v1). Invalid parts allow nothing and are reported in `problems`: an invalid peer or port matches
 * nothing; if the pod selector is invalid, all pods that it may select are isolated, and it allows them nothing.
 */
export function translateNetworkPolicy(fact: NetworkPolicyFact): Policy {
  const { namespace, annotations, spec } = fact;
  const problems: PolicyProblem[] = [];
  const report = (path: string, reason: string, message: string): void => void problems.push({ path, reason, message });
  const policy = { id: `np/${fact.key}`, label: `NetworkPolicy ${fact.key}`, tier: 2 as const, problems };
  const providers = interfacesOf(annotations, report);
  if (providers?.length === 0) return { ...policy, subjects: [], rules: [], isolation: [] };

  const { podSelector = {} } = spec;
  const unclear = selectorProblem(podSelector);
  if (unclear !== undefined)
    report("spec.podSelector", "InvalidSelector", `${unclear}; every pod that it might select is isolated`);
  const logOf = logging(annotations, report);
  const mode = enforcement(annotations, report);
  const rules: PolicyRule[] = [];
  for (const direction of unclear === undefined ? directions(fact, report) : []) {
    const entries = direction === "ingress" ? spec.ingress : spec.egress;
    const log = logOf("allow");
    for (const [i, entry] of (entries ?? []).entries()) {
      const path = `spec.${direction}[${i}]`;
      const peers = direction === "ingress" ? "from" in entry && entry.from : "to" in entry && entry.to;
      rules.push({
        direction,
        priority: ALLOW,
        action: "allow-related",
        peers: ofInterfaces(
          translatePeers(peers || [], namespace, `${path}.${direction === "ingress" ? "from" : "to"}`, report),
          providers,
        ),
        ports: translatePorts(entry.ports ?? [], `${path}.ports`, report),
        name: `${direction}/${i}`,
        ...(log && { log }),
      });
    }
  }
  const log = logOf("drop");
  const isolation = directions(fact, () => undefined).map((direction) => ({
    direction,
    priority: DROP,
    mode,
    ...(log && { log }),
  }));
  const subject = { namespace, podSelector: clearPart(podSelector), ...(providers && { providers }) };
  return { ...policy, subjects: [subject], rules, isolation };
}

type Report = (path: string, reason: string, message: string) => void;

/**
 * The providers of the interfaces that a policy applies to, for subjects and peers: `ovn` for pods' own interfaces, `namespace/name` for those on a
 * network, separated by commas (Kube-OVN's `parsePolicyFor`). Undefined if the policy does not say; none if nothing of it is valid.
 */
function interfacesOf(annotations: Readonly<Record<string, string>>, report: Report): readonly string[] | undefined {
  const text = annotations[NETWORK_POLICY.policyFor]?.trim() ?? "";
  if (text === "") return undefined;
  const found = new Set<string>();
  for (const entry of commaList(text)) {
    const [, namespace, name] = /^([a-z0-9][-a-z0-9]*)\/([a-z0-9][-a-z0-9.]*)$/.exec(entry) ?? [];
    if (entry.toLowerCase() === OVN_PROVIDER) found.add(OVN_PROVIDER);
    else if (namespace !== undefined && name !== undefined) found.add(ovnAttachmentProvider(name, namespace));
    else {
      const path = `metadata.annotations[${NETWORK_POLICY.policyFor}]`;
      report(
        path,
        "InvalidNetwork",
        `${JSON.stringify(entry)} is neither ovn nor namespace/name of a network; it is left out`,
      );
    }
  }
  return [...found].sort();
}

/** Peers that are pods, limited to these interfaces. */
function ofInterfaces(peers: PolicyRule["peers"], providers: readonly string[] | undefined): PolicyRule["peers"] {
  if (peers === "any" || providers === undefined) return peers;
  return peers.map((peer) =>
    peer.kind === "pods" ? { kind: "pods", selector: { ...peer.selector, providers } } : peer,
  );
}

/** The effective `policyTypes`: unless given, ingress always, and egress if there is an egress rule. */
function directions({ spec }: NetworkPolicyFact, report: Report): readonly Direction[] {
  const types = spec.policyTypes ?? [];
  if (types.length === 0) return (spec.egress ?? []).length > 0 ? ["ingress", "egress"] : ["ingress"];
  const found = new Set<Direction>();
  for (const [i, type] of types.entries()) {
    if (type === "Ingress") found.add("ingress");
    else if (type === "Egress") found.add("egress");
    else
      report(
        `spec.policyTypes[${i}]`,
        "InvalidPolicyType",
        `${JSON.stringify(type)} is neither Ingress nor Egress; it is left out`,
      );
  }
  return [...found];
}

function translatePeers(
  peers: readonly NetworkPolicyPeerFact[],
  namespace: string,
  path: string,
  report: Report,
): PolicyRule["peers"] {
  if (peers.length === 0) return "any";
  return peers.flatMap((peer, i) => translatePeer(peer, namespace, `${path}[${i}]`, report) ?? []);
}

function translatePeer(peer: NetworkPolicyPeerFact, namespace: string, path: string, report: Report): Peer | undefined {
  const { ipBlock, podSelector, namespaceSelector } = peer;
  if (ipBlock !== undefined) {
    if (podSelector === undefined && namespaceSelector === undefined)
      return translateBlock(ipBlock, `${path}.ipBlock`, report);
    report(path, "InvalidPeer", "has an ipBlock and a selector, which exclude each other; the peer matches nothing");
    return undefined;
  }
  if (podSelector === undefined && namespaceSelector === undefined) {
    report(path, "InvalidPeer", "must have podSelector, namespaceSelector or ipBlock; the peer matches nothing");
    return undefined;
  }
  for (const [field, selector] of Object.entries({ podSelector, namespaceSelector })) {
    const unclear = selector === undefined ? undefined : selectorProblem(selector);
    if (unclear === undefined) continue;
    report(`${path}.${field}`, "InvalidSelector", `${unclear}; the peer matches nothing`);
    return undefined;
  }
  const selector =
    namespaceSelector === undefined
      ? { namespace, podSelector: podSelector ?? {} }
      : { namespaceSelector, podSelector: podSelector ?? {} };
  return { kind: "pods", selector };
}

/** An ipBlock, with those of its exceptions that are in it; `peerMatches` in acl-match.ts makes the match of an ACL from it. */
function translateBlock(
  { cidr: text, except = [] }: NonNullable<NetworkPolicyPeerFact["ipBlock"]>,
  path: string,
  report: Report,
): Peer | undefined {
  const cidr = parseCidr(text);
  if (cidr === undefined) {
    report(
      `${path}.cidr`,
      "InvalidCIDR",
      `${JSON.stringify(text)} is not a valid CIDR such as 10.0.0.0/8 or fd00::/64; the peer matches nothing`,
    );
    return undefined;
  }
  const holes: string[] = [];
  for (const [i, inner] of except.entries()) {
    const hole = parseCidr(inner);
    if (hole === undefined) {
      const message = `${JSON.stringify(inner)} is not a valid CIDR to exclude from ${cidr.text}; the peer matches nothing`;
      report(`${path}.except[${i}]`, "InvalidCIDR", message);
      return undefined;
    }
    if (cidrContainsCidr(cidr, hole)) holes.push(hole.text);
    else
      report(
        `${path}.except[${i}]`,
        "ExceptOutside",
        `${hole.text} is not inside ${cidr.text}; the exception has no effect`,
      );
  }
  return { kind: "cidr", cidr: cidr.text, except: [...new Set(holes)].sort() };
}

function translatePorts(ports: readonly NetworkPolicyPortFact[], path: string, report: Report): PolicyRule["ports"] {
  if (ports.length === 0) return "any";
  return ports.flatMap((port, i) => translatePort(port, `${path}[${i}]`, report) ?? []);
}

function translatePort(
  { protocol = "TCP", port, endPort }: NetworkPolicyPortFact,
  path: string,
  report: Report,
): PortMatch | undefined {
  if (!isProtocol(protocol)) {
    report(
      `${path}.protocol`,
      "InvalidProtocol",
      `${JSON.stringify(protocol)} must be one of: TCP, UDP, SCTP; this port matches nothing`,
    );
    return undefined;
  }
  if (port === undefined) {
    if (endPort === undefined) return { kind: "any", protocol };
    report(`${path}.endPort`, "InvalidPort", `${endPort} requires port; the port matches nothing`);
    return undefined;
  }
  if (typeof port === "string") {
    if (endPort === undefined) return { kind: "named", protocol, name: port };
    report(
      `${path}.endPort`,
      "InvalidPort",
      `${endPort} needs a number to begin at, not the name ${port}; this port matches nothing`,
    );
    return undefined;
  }
  const last = endPort ?? port;
  if (!isPort(port) || !isPort(last) || last < port) {
    const text =
      endPort === undefined ? `${port} is not a valid port` : `${port} to ${endPort} is not a valid port range`;
    report(`${path}.port`, "InvalidPort", `${text}; ports are 1 to 65535; the port matches nothing`);
    return undefined;
  }
  return { kind: "range", protocol, first: port, last };
}

function isProtocol(text: string): text is Protocol {
  return text === "TCP" || text === "UDP" || text === "SCTP";
}

function isPort(number: number): boolean {
  return Number.isInteger(number) && number >= 1 && number <= 65535;
}

function enforcement(annotations: Readonly<Record<string, string>>, report: Report): "standard" | "lax" {
  const mode = annotations[NETWORK_POLICY.enforcement] ?? "standard";
  if (mode === "standard" || mode === "lax") return mode;
  const path = `metadata.annotations[${NETWORK_POLICY.enforcement}]`;
  report(path, "InvalidEnforcement", `${JSON.stringify(mode)} must be one of: standard, lax; standard is used`);
  return "standard";
}

/** The logging that Kube-OVN's annotations request; of drops, unless they list actions. */
function logging(
  annotations: Readonly<Record<string, string>>,
  report: Report,
): (action: "allow" | "drop") => RuleLog | undefined {
  if (annotations[NETWORK_POLICY.enableLog] !== "true") return () => undefined;
  const actions = commaList(annotations[NETWORK_POLICY.logActions] ?? "drop");
  const text = annotations[NETWORK_POLICY.logRate] ?? "0";
  const rate = readLogRate(text);
  if (rate === undefined) {
    const path = `metadata.annotations[${NETWORK_POLICY.logRate}]`;
    report(
      path,
      "InvalidLogRate",
      `${JSON.stringify(text)} is not a valid number of packets per second; ${DEFAULT_LOG_RATE} is used`,
    );
  }
  const log: RuleLog = { severity: "warning", rate: rate ?? DEFAULT_LOG_RATE };
  return (action) => (actions.includes(action) ? log : undefined);
}
