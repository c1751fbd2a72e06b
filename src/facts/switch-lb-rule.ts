// SPDX-License-Identifier: Apache-2.0

import type { CustomObjectFact } from "./meta.ts";
import type { ProblemFact } from "./service.ts";
import type { RuleServiceFact } from "./vip-service.ts";

/** One SwitchLBRule. */
export interface SwitchLbRuleFact extends CustomObjectFact {
  /** Name and UID of the VpcDns that has made it; "" for none. */
  readonly dns: string;
  readonly dnsUid: string;
  /** One address of each family at most. */
  readonly vips: readonly string[];
  /** What the Service is to be that it makes; absent while the spec has problems. */
  readonly service?: RuleServiceFact & { readonly namespace: string };
  /** Addresses of the endpoints, sorted; empty where the Service selects pods. */
  readonly endpoints: readonly string[];
  /** `spec.selector` is set beside `spec.endpoints` and so not used. */
  readonly selectorUnused: boolean;
  /** What of the spec is invalid. */
  readonly problems: readonly ProblemFact[];
}
