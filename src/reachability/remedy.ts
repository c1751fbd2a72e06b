// SPDX-License-Identifier: Apache-2.0

import type { Endpoint } from "./endpoint.ts";
import type { ExplainedStep } from "./explain.ts";

/** What to change so that a packet is allowed: a message, and rules to add to a policy as YAML. */
export interface Remedy {
  readonly message: string;
  readonly yaml?: string;
}

/** How to allow what a step denies. `port`: `TCP 80` or `ICMP`. Pure. */
export function remedyFor(
  step: ExplainedStep,
  { from, to }: { readonly from: Endpoint; readonly to: Endpoint },
  port: string,
): Remedy {
  const { what, because, acl, policies, nearest } = step;
  if (what === "route") return { message: `change what the message names: ${because}` };
  const group = policies.find((label) => label.startsWith("SecurityGroup "));
  if (group !== undefined && /no rule of SecurityGroup/.test(because))
    return {
      message: `add a rule to ${what}Rules of ${group} that allows ${port} ${what === "egress" ? "to" : "from"} ${(what === "egress" ? to : from).label}`,
    };
  const near = nearest[0];
  const policy = policies.find((label) => label.startsWith("NetworkPolicy "));
  if (policy !== undefined && /^isolated by/.test(because)) {
    const other = what === "egress" ? to : from;
    const named = near === undefined ? policy : near.policy;
    const how =
      near === undefined
        ? `add a rule to spec.${what} of ${named}`
        : near.misses === "port"
          ? `add the port to ${near.rule} of ${named}, or a rule to spec.${what}`
          : `add the peer to ${near.rule} of ${named}, or a rule to spec.${what}`;
    return { message: how, yaml: ruleYaml(what, other, port) };
  }
  if (acl?.policy?.startsWith("Subnet "))
    return {
      message: `${acl.policy} ${acl.rule === undefined ? "is private: add the other end's range to spec.allowSubnets" : `has the rule ${acl.rule}: change it, or add one of a higher priority that allows this`}`,
    };
  const owner = acl?.policy ?? "the policy";
  const where = acl?.rule === undefined ? "" : ` (${acl.rule})`;
  return { message: `change the rule of ${owner}${where}, or add a rule before it that allows this` };
}

/** A remedy as lines of text. */
export function formatRemedy({ message, yaml }: Remedy): string {
  return yaml === undefined ? message : `${message}, such as:\n${yaml}`;
}

function ruleYaml(direction: "ingress" | "egress", other: Endpoint, port: string): string {
  const [protocol = "", number] = port.split(" ");
  const lines = [`- ${direction === "ingress" ? "from" : "to"}:`, ...peerYaml(other).map((line) => `    ${line}`)];
  // A NetworkPolicy cannot name ICMP; a rule without ports allows all of them.
  if (number !== undefined) lines.push("  ports:", `    - { protocol: ${protocol}, port: ${number} }`);
  return lines.join("\n");
}

function peerYaml({ pod, destination, source, kind }: Endpoint): readonly string[] {
  if (pod === undefined) {
    const addresses = Object.values(kind === "node" ? source : destination).flatMap((ip) => ip?.text ?? []);
    return addresses.map(
      (text) => `- ipBlock: { cidr: ${JSON.stringify(`${text}/${text.includes(":") ? 128 : 32}`)} }`,
    );
  }
  const labels = Object.entries(pod.labels).filter(([key]) => !GENERATED.has(key));
  const selector = labels.map(([key, value]) => `${JSON.stringify(key)}: ${JSON.stringify(value)}`).join(", ");
  return [
    `- namespaceSelector: { matchLabels: { kubernetes.io/metadata.name: ${pod.namespace} } }`,
    `  podSelector: { matchLabels: { ${selector} } }`.replace("{  }", "{}"),
  ];
}

/** Labels that differ between pods of the same workload. */
const GENERATED = new Set([
  "pod-template-hash",
  "controller-revision-hash",
  "statefulset.kubernetes.io/pod-name",
  "apps.kubernetes.io/pod-index",
  "pod-template-generation",
]);
