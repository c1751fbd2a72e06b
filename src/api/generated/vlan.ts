// SPDX-License-Identifier: Apache-2.0

// Generated from crds/vlans.yaml by `npm run generate -- crds`. Do not edit.
import type { Condition } from "../conditions.ts";

/** Desired state of the VLAN. */
export interface VlanSpec {
  /** VLAN ID of frames in the physical network; 0 for untagged frames. Default 0. */
  readonly id?: number;
  /** Name of the ProviderNetwork. */
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
