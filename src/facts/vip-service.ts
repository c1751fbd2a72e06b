// SPDX-License-Identifier: Apache-2.0

/** What a SwitchLBRule writes into a Service; also read back from there. */
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

/** The object that a SwitchLBRule has made, by its owner reference. */
export interface RuleOwnedFact {
  /** Name and UID of the rule; "" where the object has no such owner. */
  readonly rule: string;
  readonly ruleUid: string;
}

/** What is known of a Service because it has a VIP, or may be a rule's by its name. */
export interface VipServiceFact extends RuleOwnedFact {
  /** Addresses in its annotation `switch_lb_vip`, which OVN balances although they are not cluster addresses. */
  readonly vips: readonly string[];
  /** Whether OVN checks the endpoints of the VIPs. */
  readonly healthCheck: boolean;
  /** What the API server has of what a rule writes; absent for Services that are no rule's. */
  readonly written?: RuleServiceFact & {
    /** Whether it has no cluster address. */
    readonly headless: boolean;
  };
}
