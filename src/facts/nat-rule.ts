// SPDX-License-Identifier: Apache-2.0

import { LABEL, NAT } from "../api/annotations.ts";
import { ipText } from "../net/address.ts";
import { type CustomObjectFact, customObjectFields, type ProjectedMeta } from "./meta.ts";

/** Common fields of facts of OvnFips, OvnSnatRules and OvnDnatRules. */
export interface EipRuleFact extends CustomObjectFact {
  /** Its resource version. */
  readonly version: string;
  /** Name of its OvnEip. */
  readonly eip: string;
  /** The external addresses in its labels. */
  readonly labels: { readonly v4: string | undefined; readonly v6: string | undefined };
  /** The OvnEip in its annotation; absent if there is none. */
  readonly shownEip?: string;
}

/** The target of a rule. */
export interface NatTargetFact {
  /** The kind of `ipName`. */
  readonly ipType: "ip" | "vip";
  /** "" if the addresses are used. */
  readonly ipName: string;
  readonly vpc: string;
  readonly v4: string;
  readonly v6: string;
}

/** The common fields of a rule. */
export function natRuleFields(metadata: ProjectedMeta, eip: string | undefined): EipRuleFact {
  const { labels = {}, annotations = {}, resourceVersion = "" } = metadata;
  const shown = annotations[NAT.eip];
  return {
    ...customObjectFields(metadata),
    version: resourceVersion,
    eip: eip ?? "",
    labels: { v4: labels[LABEL.eipV4], v6: labels[LABEL.eipV6] },
    ...(shown !== undefined && { shownEip: shown }),
  };
}

/** The target in the spec of an OvnFip or OvnDnatRule. */
export function natTargetOf(spec: {
  readonly ipType?: string;
  readonly ipName?: string;
  readonly vpc?: string;
  readonly v4Ip?: string;
  readonly v6Ip?: string;
}): NatTargetFact {
  return {
    ipType: spec.ipType === "vip" ? "vip" : "ip",
    ipName: spec.ipName ?? "",
    vpc: spec.vpc ?? "",
    v4: ipText(spec.v4Ip ?? "", 4),
    v6: ipText(spec.v6Ip ?? "", 6),
  };
}

/** The keys for an index of rules by target. */
export function natTargetKeys({ ipType, ipName, vpc, v4, v6 }: NatTargetFact): readonly string[] {
  if (ipName !== "") return [`${ipType}/${ipName}`];
  return addressKeys(vpc, v4, v6);
}

/** The keys of addresses or ranges in a VPC; "" for none. */
export function addressKeys(vpc: string, ...addresses: readonly string[]): readonly string[] {
  return addresses.filter((address) => address !== "").map((address) => `vpc/${vpc}/${address}`);
}

/** The rule that is applied of conflicting ones: the oldest. */
export function oldestRule<R extends EipRuleFact>(rules: readonly R[]): R | undefined {
  return rules
    .filter((rule) => !rule.deleting)
    .toSorted((a, b) => (`${a.created}/${a.name}` < `${b.created}/${b.name}` ? -1 : 1))[0];
}
