// SPDX-License-Identifier: Apache-2.0

import type { Family } from "../net/address.ts";
import { absentAs } from "./absent.ts";
import {
  decodeRule,
  encodeRuleDelete,
  encodeRuleDump,
  encodeRuleNew,
  RTM_NEWRULE,
  type Rule,
  type RuleSpec,
} from "./rule-codec.ts";
import type { NetlinkSocket } from "./socket.ts";

export type { Rule, RuleAction, RuleSpec } from "./rule-codec.ts";

/** The rules of both families or one, in the order of evaluation. */
export function listRules(socket: NetlinkSocket, filter: { readonly family?: Family } = {}): readonly Rule[] {
  const families: readonly Family[] = filter.family === undefined ? [4, 6] : [filter.family];
  return families.flatMap((family) =>
    socket
      .dump(encodeRuleDump(family))
      .filter((message) => message.type === RTM_NEWRULE)
      .map((message) => decodeRule(message.payload))
      .filter((rule) => rule !== undefined),
  );
}

/** Adds a rule. Throws `exists` if an identical one exists. */
export function addRule(socket: NetlinkSocket, spec: RuleSpec): void {
  socket.request(encodeRuleNew(spec));
}

/** Deletes the first rule that matches all fields. `false` if there is none. */
export function deleteRule(socket: NetlinkSocket, spec: RuleSpec): boolean {
  return absentAs(false, () => {
    socket.request(encodeRuleDelete(spec));
    return true;
  });
}
