// SPDX-License-Identifier: Apache-2.0

// Generated from crds/vlans.yaml by `npm run generate -- crds`. Do not edit.
import type { Condition } from "../conditions.ts";

/** Desired state of the VLAN. */
export interface VlanSpec {
  /** VLAN id of the frames outside, 0 for frames without a tag. Default 0. */
  readonly id?: number;
  /** Name of the network outside. */
  readonly provider?: string;
  /** Deprecated: use `id`, which takes precedence. */
  readonly vlanId?: number;
  /** Deprecated: use `provider`, which takes precedence. */
  readonly providerInterfaceName?: string;
}

/** Observed state. */
export interface VlanStatus {
  /** Names of the Subnets that use the VLAN. */
  readonly subnets?: readonly string[];
  /** Whether an older Vlan has the same `id` (other than 0) in the same network. */
  readonly conflict?: boolean;
  /** Conditions of the object. */
  readonly conditions?: readonly Condition[];
}
