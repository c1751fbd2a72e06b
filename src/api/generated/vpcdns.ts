// SPDX-License-Identifier: Apache-2.0

// Generated from crds/vpc-dnses.yaml by `npm run generate -- crds`. Do not edit.
import type { Condition } from "../conditions.ts";

/** Desired state of the DNS. */
export interface VpcDnsSpec {
  /** Number of CoreDNS pods, 1 to 3. Default (also for 0) 2. */
  readonly replicas?: number;
  /** Name of the Vpc. Immutable. */
  readonly vpc?: string;
  /** Name of the Subnet of the CoreDNS pods, which is in the VPC. Immutable. */
  readonly subnet?: string;
  /** Name of the ConfigMap in `kube-system` that has CoreDNS' configuration as `Corefile`. */
  readonly corefile?: string;
}

/** Observed state. */
export interface VpcDnsStatus {
  /** Whether the Deployment and the SwitchLBRule are up to date. */
  readonly active?: boolean;
  /** Conditions of the object. */
  readonly conditions?: readonly Condition[];
}
