// SPDX-License-Identifier: Apache-2.0

import type { CustomObjectFact } from "./meta.ts";
import type { ProblemFact } from "./service.ts";
import type { RuleServiceFact } from "./vip-service.ts";

/** One SwitchLBRule. */
export interface SwitchLbRuleFact extends CustomObjectFact {
  /** Name and UID of the VpcDns that has created it; "" for none. */
  readonly dns: string;
  readonly dnsUid: string;
  /** One address of each family at most. */
  readonly vips: readonly string[];
  /** Its desired Service; absent if the spec is invalid. */
  readonly service?: RuleServiceFact & { readonly namespace: string };
  /** Addresses of the endpoints, sorted; empty if the Service selects pods. */
  readonly endpoints: readonly string[];
  /** `spec.selector` is set but ignored because of `spec.endpoints`. */
  readonly selectorUnused: boolean;
  /** The invalid parts of the spec. */
  readonly problems: readonly ProblemFact[];
}
