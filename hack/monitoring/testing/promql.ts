// SPDX-License-Identifier: Apache-2.0

/** A metric in a query, with the labels of its selector. */
export interface UsedMetric {
  readonly name: string;
  readonly labels: readonly string[];
}

const KEYWORDS = new Set([
  "and",
  "or",
  "unless",
  "by",
  "without",
  "on",
  "ignoring",
  "group_left",
  "group_right",
  "bool",
]);

/** The metrics that a query of Prometheus reads. It knows as much of the language as our own rules and dashboards use. */
export function metricsIn(query: string): readonly UsedMetric[] {
  const selectors = new Map<string, readonly string[]>();
  const plain = query
    .replaceAll(/([a-zA-Z_:][\w:]*)\{([^}]*)\}/g, (_, name: string, matchers: string) => {
      const labels = [...matchers.matchAll(/(\w+)\s*(?:=~|!~|!=|=)\s*"[^"]*"/g)].map(([, label = ""]) => label);
      selectors.set(name, [...(selectors.get(name) ?? []), ...labels]);
      return name;
    })
    .replaceAll(/\[[^\]]*\]/g, "")
    // Lists of labels.
    .replaceAll(/\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)/g, "");
  const names = [...plain.matchAll(/[a-zA-Z_:][\w:]*(?!\w*\s*\()/g)].map(([name]) => name);
  return [...new Set(names)]
    .filter((name) => !KEYWORDS.has(name))
    .map((name) => ({ name, labels: selectors.get(name) ?? [] }));
}
