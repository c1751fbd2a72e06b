// SPDX-License-Identifier: Apache-2.0

// Generated from crds/switch-lb-rules.yaml by `npm run generate -- crds`. Do not edit.
import type { Condition } from "../conditions.ts";

/** Desired state of the load balancer. */
export interface SwitchLBRuleSpec {
  /**
   * Address of the load balancer, or one IPv4 and one IPv6 address separated by a comma. An address in the range of a
   * Subnet must be reserved by a Vip with `type: switch_lb_vip`.
   */
  readonly vip?: string;
  /** Namespace of the Service and of the pods that `selector` selects. Default `default`. */
  readonly namespace?: string;
  /** Labels of the pods that are the endpoints, each as `name: value` in one string. Not used if `endpoints` is set. */
  readonly selector?: readonly string[];
  /** IP addresses of the endpoints. */
  readonly endpoints?: readonly string[];
  /** `ClientIP`: a client keeps its endpoint. Default `None`. */
  readonly sessionAffinity?: string;
  /** Ports of the load balancer. */
  readonly ports?: readonly SwitchLBRulePort[];
}

/** One port. */
export interface SwitchLBRulePort {
  /** Name of the port. Required if there are several. */
  readonly name?: string;
  /** Port of the VIP. */
  readonly port?: number;
  /** Port of the endpoints. Default (also for 0) `port`. */
  readonly targetPort?: number;
  /** `TCP`, `UDP` or `SCTP`. Default `TCP`. */
  readonly protocol?: string;
}

/** Observed state. */
export interface SwitchLBRuleStatus {
  /** The ports of the load balancer, for example `80/TCP,53/UDP`. */
  readonly ports?: string;
  /** The Service, as `namespace/name`. */
  readonly service?: string;
  /** Conditions of the object. */
  readonly conditions?: readonly Condition[];
}
