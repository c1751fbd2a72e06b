// SPDX-License-Identifier: Apache-2.0

import { KubeError } from "../errors.ts";
import type { ListSelection } from "../kube.ts";
import type { KubeObject } from "../object.ts";

/** Whether an object is part of a list or watch. */
export type Selector = (object: KubeObject) => boolean;

/** Field and label selectors as the API server evaluates them. Throws `invalid` for those that it would refuse. */
export function selectorOf(selection: ListSelection): Selector {
  const parts = [...fieldTerms(selection.fieldSelector ?? ""), ...labelTerms(selection.labelSelector ?? "")];
  const { namespace } = selection;
  if (namespace !== undefined && namespace !== "") parts.push((object) => object.metadata.namespace === namespace);
  return (object) => parts.every((matches) => matches(object));
}

function fieldTerms(text: string): Selector[] {
  if (text === "") return [];
  return text.split(",").map((term) => {
    const match = /^([\w.]+)(==|!=|=)(.*)$/.exec(term.trim());
    if (match === null) throw new KubeError("invalid", `unable to parse the field selector ${JSON.stringify(text)}`);
    const [, path = "", operator = "", wanted = ""] = match;
    const steps = path.split(".");
    return (object) => {
      let value: unknown = object;
      for (const step of steps) value = (value as Record<string, unknown> | undefined)?.[step];
      // The API server compares fields as text; an unset field is the empty string, or "false".
      const unset = wanted === "false" ? "false" : "";
      const actual = typeof value === "string" ? value : value === undefined ? unset : JSON.stringify(value);
      return operator === "!=" ? actual !== wanted : actual === wanted;
    };
  });
}

function labelTerms(text: string): Selector[] {
  // Commas separate terms, except within the parentheses of a set.
  const terms = text.match(/[^,(]+(\([^)]*\))?/g) ?? [];
  return terms.map((raw) => {
    const term = raw.trim();
    const set = /^([\w./-]+)\s+(in|notin)\s+\(([^)]*)\)$/.exec(term);
    if (set !== null) {
      const [, key = "", operator, list = ""] = set;
      const values = new Set(list.split(",").map((value) => value.trim()));
      return (object) => {
        const value = object.metadata.labels?.[key];
        return operator === "in" ? value !== undefined && values.has(value) : value === undefined || !values.has(value);
      };
    }
    const equality = /^([\w./-]+)\s*(==|!=|=)\s*([\w.-]*)$/.exec(term);
    if (equality !== null) {
      const [, key = "", operator, wanted] = equality;
      return (object) => (object.metadata.labels?.[key] === wanted) === (operator !== "!=");
    }
    const existence = /^(!?)\s*([\w./-]+)$/.exec(term);
    if (existence === null)
      throw new KubeError("invalid", `unable to parse the label selector ${JSON.stringify(text)}`);
    const [, not, key = ""] = existence;
    return (object) => (object.metadata.labels?.[key] === undefined) === (not === "!");
  });
}
