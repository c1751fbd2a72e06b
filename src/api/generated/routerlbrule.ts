// SPDX-License-Identifier: Apache-2.0

// Generated from crds/router-lb-rules.yaml by `npm run generate -- crds`. Do not edit.
import type { Condition } from "../conditions.ts";

/** Desired state of the load balancer. */
export interface RouterLBRuleSpec {
  /** Name of the OvnEip with the addresses of the load balancer. Its type is `nat` or `lrp`. */
  readonly ovnEip?: string;
  /** Name of the VPC of the endpoints. It has a port in the external subnet of the OvnEip. */
  readonly vpc?: string;
  /** Namespace of the Service and of the pods that `selector` selects. Default `default`. */
  readonly namespace?: string;
  /** Labels of the pods that are the endpoints, each as `name: value` in one string. Not used if `endpoints` is set. */
  readonly selector?: readonly string[];
  /** IP addresses of the endpoints. */
  readonly endpoints?: readonly string[];
  /** `ClientIP`: a client keeps its endpoint. Default `None`. */
  readonly sessionAffinity?: string;
  /** Ports of the load balancer. */
  readonly ports?: readonly RouterLBRulePort[];
}

/** One port. */
export interface RouterLBRulePort {
  /** Name of the port. Required if there are several. */
  readonly name?: string;
  /** Port at the addresses of the OvnEip. */
  readonly port?: number;
  /** Port of the endpoints. Default (also for 0) `port`. */
  readonly targetPort?: number;
  /** `TCP`, `UDP` or `SCTP`. Default `TCP`. */
  readonly protocol?: string;
}

/** Observed state. */
export interface RouterLBRuleStatus {
  /** The ports of the load balancer, for example `80/TCP,53/UDP`. */
  readonly ports?: string;
  /** The Service, as `namespace/name`. */
  readonly service?: string;
  /** Conditions of the object. */
  readonly conditions?: readonly Condition[];
}
