// SPDX-License-Identifier: Apache-2.0

/** The fields of a Service that a SwitchLBRule writes, also read from the Service. */
export interface RuleServiceFact {
  /** Annotations of {@link RULE_ANNOTATIONS}. */
  readonly annotations: Readonly<Record<string, string>>;
  readonly selector: Readonly<Record<string, string>>;
  readonly ports: readonly RulePortFact[];
  /** `ClientIP` or `None`. */
  readonly sessionAffinity: string;
  readonly families: readonly string[];
}

/** One port of a rule. */
export interface RulePortFact {
  readonly name: string;
  readonly protocol: "TCP" | "UDP" | "SCTP";
  readonly port: number;
  readonly targetPort: number;
}

/** The object that a SwitchLBRule or a RouterLBRule has created, by its owner reference. */
export interface RuleOwnedFact {
  /** Name (of a RouterLBRule: `routerRuleKey`) and UID of the rule; "" if the object has no such owner. */
  readonly rule: string;
  readonly ruleUid: string;
}

/** Fields of a Service that has a VIP, or may belong to a rule by its name. */
export interface VipServiceFact extends RuleOwnedFact {
  /** Addresses in its annotation `switch_lb_vip`, which OVN balances although they are not cluster addresses. */
  readonly vips: readonly string[];
  /** Whether OVN checks the endpoints of the VIPs. */
  readonly healthCheck: boolean;
  /** The current values of the fields that a rule writes; absent for Services without a rule. */
  readonly written?: RuleServiceFact & {
    /** Whether it is headless. */
    readonly headless: boolean;
  };
}
