// SPDX-License-Identifier: Apache-2.0

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { parse } from "yaml";
import { ROOT } from "../build/npm.ts";
import { findCommand } from "../host/cache.ts";
import { run } from "../host/run.ts";
import { ALERT_CASES, type AlertCase } from "./alert-cases.ts";
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
const exported = exportedMetrics();
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
    for (const [name, labels] of exported) {
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

type Case = readonly [alert: string, AlertCase];

/** Cases that can be in one Prometheus, because they share no metric but with the very same values: each group costs promtool a database. */
function groups(): readonly (readonly Case[])[] {
  const made: { readonly cases: Case[]; readonly series: Map<string, string>; readonly metrics: Set<string> }[] = [];
  for (const one of Object.entries(ALERT_CASES)) {
    const series = Object.entries(one[1].series);
    const metricOf = (name: string): string => name.split("{", 1)[0] ?? "";
    const fits = made.find((group) =>
      series.every(([name, values]) => group.series.get(name) === values || !group.metrics.has(metricOf(name))),
    );
    const group: (typeof made)[number] = fits ?? { cases: [], series: new Map(), metrics: new Set() };
    if (fits === undefined) made.push(group);
    group.cases.push(one);
    for (const [name, values] of series) {
      group.series.set(name, values);
      group.metrics.add(metricOf(name));
    }
  }
  return made.map(({ cases }) => cases);
}

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
      tests: groups().map((cases) => ({
        interval: "1m",
        input_series: [...new Map(cases.flatMap(([, { series }]) => Object.entries(series)))].map(([name, values]) => ({
          series: name,
          values,
        })),
        promql_expr_test: cases.flatMap(([alert, { fires, quiet }]) => [
          ...quiet.map((minute) => ({ expr: firing(alert), eval_time: `${minute}m`, exp_samples: [] })),
          ...fires.map((minute) => ({
            expr: firing(alert),
            eval_time: `${minute}m`,
            exp_samples: [{ labels: "{}", value: 1 }],
          })),
        ]),
      })),
    }),
  );
  const tested = await run(promtool ?? "", ["test", "rules", file], { allowFailure: true });
  t.equal(tested.code, 0, tested.stderr + tested.stdout);
});

/** Values of labels that queries select by; other labels have one value. */
const VALUES: Readonly<Record<string, readonly string[]>> = {
  method: ["add", "transact"],
  db: ["ovn-nb"],
  code: ["0", "200", "503"],
  status_code: ["200", "500"],
  state: ["dirty", "refused"],
  level: ["WARN", "ERROR"],
  ready: ["true", "false"],
  component: ["ovn-northd"],
  status: ["up", "down"],
  verdict: ["allowed", "dropped"],
};

/** Series of a metric, all of one instance. A histogram's buckets grow as if all that it observes were small. */
function seriesOf(name: string, labels: ReadonlySet<string>, isHistogram: boolean): readonly string[] {
  let sets: readonly string[] = ['instance="a"'];
  for (const label of labels)
    sets = sets.flatMap((set) => (VALUES[label] ?? ["x"]).map((value) => `${set},${label}="${value}"`));
  return sets.flatMap((set) =>
    isHistogram
      ? [
          `${name}_count{${set}}`,
          `${name}_sum{${set}}`,
          ...["0.1", "+Inf"].map((le) => `${name}_bucket{${set},le="${le}"}`),
        ]
      : [`${name}{${set}}`],
  );
}

t.test(
  "every query of the dashboards and recording rules has a value where the code's metrics have one",
  { skip },
  async (t) => {
    const queries = [...dashboards()].flatMap(([path, text]) => {
      const { panels } = JSON.parse(text) as {
        readonly panels: readonly { readonly targets: readonly { expr: string }[] }[];
      };
      const filled = panels.flatMap(({ targets }) =>
        targets.map(({ expr }) => expr.replaceAll("$instance", ".*").replaceAll("$__rate_interval", "5m")),
      );
      return filled.map((expr) => [path, expr] as const);
    });
    const all = [
      ...queries,
      ...rules.flatMap(({ record, expr }) => (record === undefined ? [] : [[record, expr] as const])),
    ];
    t.ok(all.length > 60, `${all.length} queries`);
    const used = new Set(all.flatMap(([, expr]) => metricsIn(expr).map(({ name }) => name)));
    const series = [...exported].flatMap(([name, labels]) => {
      const isHistogram = used.has(`${name}_bucket`) || used.has(`${name}_count`);
      return seriesOf(name, labels, isHistogram);
    });
    const file = join(t.testdir({}), "tests.yaml");
    const test = (expr: string, exp_samples: readonly unknown[]): unknown => ({ expr, eval_time: "30m", exp_samples });
    writeFileSync(
      file,
      JSON.stringify({
        rule_files: [RULES],
        evaluation_interval: "1m",
        tests: [
          {
            interval: "1m",
            // Leading and connected is 1; all else grows.
            input_series: series.map((one) => ({
              series: one,
              values: /^weft_controller_(leading|northbound|southbound)/.test(one) ? "1x40" : "1+1x40",
            })),
            promql_expr_test: [
              ...all.map(([, expr]) => test(`count(${expr}) > bool 0`, [{ labels: "{}", value: 1 }])),
              test("count(no_such_metric) > bool 0", []),
            ],
          },
        ],
      }),
    );
    const tested = await run(promtool ?? "", ["test", "rules", file], { allowFailure: true });
    t.equal(tested.code, 0, tested.stderr + tested.stdout);
  },
);
