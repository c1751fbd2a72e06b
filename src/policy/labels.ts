// SPDX-License-Identifier: Apache-2.0

import type { LabelSelector } from "../api/label-selector.ts";
import { quoted } from "../api/text.ts";

/** Whether a label selector (meta/v1 LabelSelector) matches; an empty one matches all, an unknown operator nothing. */
export function matchesLabels(selector: LabelSelector, labels: Readonly<Record<string, string>>): boolean {
  for (const [key, value] of Object.entries(selector.matchLabels ?? {})) if (labels[key] !== value) return false;
  return (selector.matchExpressions ?? []).every(({ key, operator, values = [] }) => {
    const value = labels[key];
    switch (operator) {
      case "In":
        return value !== undefined && values.includes(value);
      case "NotIn":
        return value === undefined || !values.includes(value);
      case "Exists":
        return value !== undefined;
      case "DoesNotExist":
        return value === undefined;
      default:
        return false;
    }
  });
}

/** The key of a label: a name with an optional prefix (Kubernetes, "Labels and Selectors", "Syntax and character set"). */
const LABEL_KEY = /^(?:[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?\/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const LABEL_VALUE = /^(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;

function labelProblem(key: string, values: readonly string[]): string | undefined {
  if (!LABEL_KEY.test(key)) return `${quoted(key)} is not a valid label name`;
  const wrong = values.find((value) => !LABEL_VALUE.test(value));
  return wrong === undefined ? undefined : `label ${key} cannot have the value ${quoted(wrong)}`;
}

/** The first invalid requirement of a selector, as a message; undefined if all are valid. */
export function selectorProblem(selector: LabelSelector): string | undefined {
  for (const [key, value] of Object.entries(selector.matchLabels ?? {})) {
    const problem = labelProblem(key, [value]);
    if (problem !== undefined) return problem;
  }
  for (const { key, operator, values = [] } of selector.matchExpressions ?? []) {
    const problem = labelProblem(key, values);
    if (problem !== undefined) return problem;
    const listed = operator === "In" || operator === "NotIn";
    if (!listed && operator !== "Exists" && operator !== "DoesNotExist") {
      return `operator ${JSON.stringify(operator)} for label ${key} is not known; In, NotIn, Exists and DoesNotExist are`;
    }
    if (listed && values.length === 0) return `operator ${operator} for label ${key} needs at least one value`;
    if (!listed && values.length > 0)
      return `operator ${operator} for label ${key} takes no values, but has ${values.join(", ")}`;
  }
  return undefined;
}

/** The valid requirements of a selector: without the others it selects more, never less. */
export function clearPart(selector: LabelSelector): LabelSelector {
  if (selectorProblem(selector) === undefined) return selector;
  const { matchLabels = {}, matchExpressions = [] } = selector;
  const equal = Object.entries(matchLabels).filter(([key, value]) => labelProblem(key, [value]) === undefined);
  const clear = matchExpressions.filter((one) => selectorProblem({ matchExpressions: [one] }) === undefined);
  return { matchLabels: Object.fromEntries(equal), matchExpressions: clear };
}

/**
 * The same selector in its one canonical form: equalities in `matchLabels` by name, the rest sorted and without repetition.
 * Selectors that differ only in how they are written become equal.
 */
export function canonicalSelector(selector: LabelSelector): LabelSelector {
  const equal = new Map<string, string>(Object.entries(selector.matchLabels ?? {}));
  const others = new Map<string, NonNullable<LabelSelector["matchExpressions"]>[number]>();
  for (const { key, operator, values = [] } of selector.matchExpressions ?? []) {
    const sorted = [...new Set(values)].sort();
    const [only] = sorted;
    const plain = operator === "In" && sorted.length === 1 && only !== undefined;
    // A second, different equality for the same label stays an expression: together they match nothing, as written.
    if (plain && (equal.get(key) ?? only) === only) equal.set(key, only);
    else
      others.set(`${key}\0${operator}\0${sorted.join("\0")}`, {
        key,
        operator,
        ...(sorted.length > 0 && { values: sorted }),
      });
  }
  const matchExpressions = [...others].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, requirement]) => requirement);
  return {
    ...(equal.size > 0 && { matchLabels: Object.fromEntries([...equal].sort(([a], [b]) => (a < b ? -1 : 1))) }),
    ...(matchExpressions.length > 0 && { matchExpressions }),
  };
}

/** A selector on one line, in the syntax of `kubectl -l`: `app=web,tier in (a,b),!old`. Empty if it matches all. */
export function selectorText(selector: LabelSelector): string {
  const equal = Object.entries(selector.matchLabels ?? {}).map(([key, value]) => `${key}=${value}`);
  const others = (selector.matchExpressions ?? []).map(({ key, operator, values = [] }) => {
    if (operator === "Exists") return key;
    if (operator === "DoesNotExist") return `!${key}`;
    return `${key} ${operator === "NotIn" ? "notin" : operator === "In" ? "in" : operator} (${values.join(",")})`;
  });
  return [...equal, ...others].join(",");
}
