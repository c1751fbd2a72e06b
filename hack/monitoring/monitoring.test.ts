// SPDX-License-Identifier: Apache-2.0

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { parse } from "yaml";
import { ROOT } from "../build/npm.ts";
import { findCommand } from "../host/cache.ts";
import { run } from "../host/run.ts";
import { ALERT_CASES } from "./alert-cases.ts";
import { dashboards } from "./dashboards.ts";
import { exportedMetrics } from "./testing/exported.ts";
import { metricsIn } from "./testing/promql.ts";

const RULES = join(ROOT, "charts/weft/monitoring/rules.yaml");
interface Rule {
  readonly record?: string;
  readonly alert?: string;
  readonly expr: string;
  readonly annotations?: Readonly<Record<string, string>>;
}
const rules = (
  parse(readFileSync(RULES, "utf8")) as { readonly groups: readonly { readonly rules: readonly Rule[] }[] }
).groups.flatMap((group) => group.rules);
const alerts = rules.flatMap(({ alert }) => alert ?? []);
const recorded = new Set(rules.flatMap(({ record }) => record ?? []));
const page = readFileSync(join(ROOT, "docs/monitoring.md"), "utf8");
const promtool = findCommand("promtool");
const skip =
  promtool === undefined ? "there is no promtool here; the lab's packages have it (Debian: prometheus)" : false;
/** What Prometheus adds to each series. */
const TARGET_LABELS = new Set(["instance", "job", "le"]);

t.test("queries are read: metrics with the labels of their selectors", async (t) => {
  t.same(
    metricsIn('max by (a, b) (x_total{c=~"1|by",d!="2"} and on (instance) y == 1) / rate(z_bucket[5m]) > bool 0'),
    [
      { name: "x_total", labels: ["c", "d"] },
      { name: "y", labels: [] },
      { name: "z_bucket", labels: [] },
    ],
  );
});

/** What of a query the code does not export. */
function unknownIn(query: string): readonly string[] {
  const exported = exportedMetrics();
  return metricsIn(query).flatMap(({ name, labels }) => {
    if (recorded.has(name)) return [];
    const known = exported.get(name) ?? exported.get(name.replace(/_(bucket|count|sum)$/, ""));
    if (known === undefined) return [name];
    return labels.filter((label) => !known.has(label) && !TARGET_LABELS.has(label)).map((label) => `${name}{${label}}`);
  });
}

t.test("every query of the rules and dashboards reads metrics and labels that the code exports", async (t) => {
  t.same(unknownIn('no_such{a="b"} + weft_daemon_ready{pod="x"}'), ["no_such", "weft_daemon_ready{pod}"]);
  for (const { record, alert, expr } of rules) t.same(unknownIn(expr), [], record ?? alert ?? "");
  for (const [path, text] of dashboards()) {
    t.equal(readFileSync(join(ROOT, path), "utf8"), text, `${path} is as generated (npm run generate -- dashboards)`);
    const { panels } = JSON.parse(text) as {
      readonly panels: readonly { readonly targets: readonly { expr: string }[] }[];
    };
    for (const { expr } of panels.flatMap((panel) => panel.targets)) t.same(unknownIn(expr), [], `${path}: ${expr}`);
  }
});

t.test(
  "each metric is in docs/monitoring.md, and no label has the name of a pod, an address or a URL with names",
  async (t) => {
    for (const [name, labels] of exportedMetrics()) {
      const family = name.replace(/^kube_ovn_cluster_.*/, "kube_ovn_cluster_*");
      t.ok(page.includes(`\`${family}\``), `docs/monitoring.md has ${family}`);
      for (const label of ["pod", "pod_name", "namespace", "interface", "port"])
        t.notOk(labels.has(label), `${name}{${label}}`);
    }
  },
);

t.test("each alert has a section in docs/monitoring.md and cases in which it fires and does not fire", async (t) => {
  for (const alert of alerts) {
    t.match(page, new RegExp(`^### ${alert}$`, "m"));
    t.ok(Object.hasOwn(ALERT_CASES, alert), alert);
  }
  t.same(
    Object.keys(ALERT_CASES).filter((alert) => !alerts.includes(alert)),
    [],
  );
  for (const [, alert = ""] of page.matchAll(/^### (Weft\w+)$/gm)) t.ok(alerts.includes(alert), alert);
  for (const { alert, annotations } of rules) if (alert !== undefined) t.ok(annotations?.["summary"], alert);
});

t.test("promtool accepts the rules, and each alert fires in its case and not before", { skip }, async (t) => {
  const check = await run(promtool ?? "", ["check", "rules", RULES], { allowFailure: true });
  t.equal(check.code, 0, check.stderr + check.stdout);
  const folder = t.testdir({});
  const file = join(folder, "tests.yaml");
  const firing = (alert: string): string => `count(ALERTS{alertname="${alert}",alertstate="firing"})`;
  writeFileSync(
    file,
    JSON.stringify({
      rule_files: [RULES],
      evaluation_interval: "1m",
      tests: Object.entries(ALERT_CASES).map(([alert, { series, fires, quiet }]) => ({
        interval: "1m",
        input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
        promql_expr_test: [
          ...quiet.map((minute) => ({ expr: firing(alert), eval_time: `${minute}m`, exp_samples: [] })),
          ...fires.map((minute) => ({
            expr: firing(alert),
            eval_time: `${minute}m`,
            exp_samples: [{ labels: "{}", value: 1 }],
          })),
        ],
      })),
    }),
  );
  const tested = await run(promtool ?? "", ["test", "rules", file], { allowFailure: true });
  t.equal(tested.code, 0, tested.stderr + tested.stdout);
});
