// SPDX-License-Identifier: Apache-2.0

import { NetlinkError } from "../netlink/error.ts";
import type { Rule } from "../netlink/rules.ts";
import { type Driver, driver, type Step } from "./driver.ts";
import type { NodeKernel } from "./kernel.ts";
import { NODE_OWNER, type Owner } from "./marks.ts";
import type { NodeState, RuleState } from "./state.ts";

type RuleStep = Step & { readonly do: "add" | "remove"; readonly rule: RuleState };

/** Rules of the routing policy, marked by their protocol. */
export function ruleDriver(kernel: NodeKernel, { protocol: own }: Owner = NODE_OWNER): Driver {
  return driver<readonly Rule[], RuleStep>({
    kind: "rules",
    list: ({ rules }) => rules && kernel.rules().filter(({ protocol }) => protocol === own),
    diff: diffRules,
    apply(step) {
      const rule = { ...step.rule, protocol: own };
      if (step.do === "remove") return kernel.deleteRule(rule) ? "done" : "absent";
      try {
        kernel.addRule(rule);
        return "done";
      } catch (error) {
        // The protocol is part of a rule's identity, so an identical rule is one of Weft's that was added meanwhile.
        if (error instanceof NetlinkError && error.code === "exists") return "absent";
        throw error;
      }
    },
  });
}

function diffRules(found: readonly Rule[], { rules = [] }: NodeState) {
  const wanted = new Map(rules.map((rule) => [textOf(rule), rule]));
  const has = new Map(found.map((rule) => [textOf(rule), rule]));
  const step = (what: "add" | "remove", text: string, rule: RuleState): RuleStep => ({
    do: what,
    rule,
    what: `rule ${text}${what === "add" ? "" : " (no longer wanted)"}`,
  });
  return {
    remove: [...has].filter(([text]) => !wanted.has(text)).map(([text, rule]) => step("remove", text, specOf(rule))),
    set: [...wanted].filter(([text]) => !has.has(text)).map(([text, rule]) => step("add", text, rule)),
  };
}

/** A rule as the kernel reports it, in a form that can be deleted. */
function specOf(rule: Rule): RuleState {
  const { family, priority, action, table, source, destination, mark, mask, inputInterface } = rule;
  const { outputInterface, ipProtocol, suppressPrefixLength, invert } = rule;
  return {
    family,
    priority,
    ...(action !== undefined && action !== "goto" && { action }),
    ...(action === "table" && { table }),
    ...(source !== undefined && { source }),
    ...(destination !== undefined && { destination }),
    ...(mark !== undefined && { mark }),
    ...(mask !== undefined && { mask }),
    ...(inputInterface !== undefined && { inputInterface }),
    ...(outputInterface !== undefined && { outputInterface }),
    ...(ipProtocol !== undefined && { ipProtocol }),
    ...(suppressPrefixLength !== undefined && { suppressPrefixLength }),
    ...(invert && { invert }),
  };
}

/** The same text for the same rule, as wanted and as the kernel reports it. */
function textOf(rule: RuleState | Rule): string {
  const { family, priority, action = "table", table, source, destination, mark, mask } = rule;
  const { inputInterface, outputInterface, ipProtocol, suppressPrefixLength, invert } = rule;
  const parts = {
    priority,
    not: invert === true ? "" : undefined,
    from: source,
    to: destination,
    // A mark without a mask has all bits, and the kernel does not report a mark of 0.
    fwmark: mark === undefined && mask === undefined ? undefined : `${mark ?? 0}/${mask ?? 0xffff_ffff}`,
    iif: inputInterface,
    oif: outputInterface,
    ipproto: ipProtocol,
    suppress_prefixlength: suppressPrefixLength,
    [action]: action === "table" ? table : "",
  };
  const texts = Object.entries(parts).flatMap(([key, value]) =>
    value === undefined ? [] : [`${key} ${value}`.trim()],
  );
  return `IPv${family} ${texts.join(" ")}`;
}
