// SPDX-License-Identifier: Apache-2.0

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SaxesParser } from "saxes";
import t from "tap";
import { BUILT_IN_PLUGINS } from "../plugins.ts";
import { aLoad, aRepeat, aResult } from "../testing/results.ts";
import { parseJunit } from "../verify/formats.ts";
import { HTML_REPORT } from "./html.ts";
import { JUNIT_REPORT } from "./junit.ts";
import { readStore, storeResult } from "./store.ts";
import { seriesOf } from "./summarise.ts";
import { summaryText, tableOf } from "./table.ts";
import { trendsOf, trendsText } from "./trends.ts";

const sla = (outcome: "passed" | "failed") => ({ name: "failures", outcome, text: "failures 1, allowed <0>" });

t.test("an HTML report is self-contained, well-formed, and shades the fault", async (t) => {
  const result = aResult([aRepeat(aLoad({ failures: 1, longest_gap: 0.1 }, { slas: [sla("failed")] }))]);
  const html = HTML_REPORT.render(result);
  t.match(html, /yellow the time of the fault/, "the charts are explained");
  t.notMatch(html, /\b(?:src|href)=/, "nothing is loaded");
  t.notMatch(html, "<script");
  const errors: string[] = [];
  const parser = new SaxesParser();
  parser.on("error", ({ message }) => void errors.push(message));
  parser
    .write(html.replace("<!doctype html>\n", "").replace('<meta charset="utf-8">', "").replaceAll("<br>", ""))
    .close();
  t.same(errors, []);
  t.match(html, "daemon on &lt;n1&gt;");
  t.match(html, /<rect x="\d+\.\d" y="0" width="\d+\.\d" height="140" fill="#f4c542"/);
  t.match(html, "<polyline");
  t.match(html, "1 failed</title>");
});

t.test("JUnit has a case for each verdict, and errors are not failures", async (t) => {
  const failed = aRepeat(aLoad({}, { slas: [sla("passed"), sla("failed")] }), {
    verdicts: [{ name: "no_leaks", outcome: "passed", text: "holds" }],
  });
  const broken = aRepeat(aLoad({}), {
    outcome: "broken",
    problems: [{ code: "trigger", text: 'never "fired"\u0001' }],
  });
  const xml = JUNIT_REPORT.render(aResult([failed, broken]));
  t.match(xml, '<testsuite name="daemon is killed (1)" tests="3" failures="1" errors="0"');
  t.match(xml, '<testsuite name="daemon is killed (2)" tests="1" failures="0" errors="1"');
  t.same(
    parseJunit(xml).map(({ title, ok, detail }) => [title, ok, detail]),
    [
      ["daemon is killed (1) > ping: failures", true, "ok"],
      ["daemon is killed (1) > ping: failures", false, "failures 1, allowed <0>"],
      ["daemon is killed (1) > no_leaks", true, "ok"],
      ["daemon is killed (2) > trigger", false, 'never "fired"\uFFFD'],
    ],
  );
});

t.test("JUnit has an error for a run that was not begun", async (t) => {
  const xml = JUNIT_REPORT.render(aResult([], { outcome: "interrupted" }));
  t.same(
    parseJunit(xml).map(({ title, ok, detail }) => [title, ok, detail]),
    [
      [
        "daemon is killed > interrupted",
        false,
        "the run was not begun, because the task was interrupted or broken before",
      ],
    ],
  );
});

t.test("the table has a cell for each load and fault, with intervals over repeats", async (t) => {
  const repeats = [0.1, 0.2, 0.3].map((gap) => aRepeat(aLoad({ longest_gap: gap })));
  const { columns, rows } = tableOf(aResult(repeats));
  t.same(columns, ["kill daemon"]);
  t.equal(rows[0]?.load, "ping");
  const gap = rows[0]?.cells[0]?.measures["longest_gap"];
  t.match(gap, { count: 3 });
  t.ok(Math.abs((gap?.mean ?? 0) - 0.2) < 1e-9 && (gap?.high ?? 0) > 0.4);
  t.equal(gap?.low, 0, "no time is less than nothing");
  t.match(summaryText(aResult(repeats)), /ping: longest_gap 0\.2 \(0 to 0\.448\)/);
  const busy = aResult([aRepeat(aLoad({}), { loadAverage: 23.456_7 })]);
  t.match(summaryText(busy), "daemon is killed: passed (load average 23.457)");
  t.match(HTML_REPORT.render(busy), "Repeat 1 of 1: passed (load average 23.457)");
  const stalled = aResult([aRepeat(aLoad({}), { stalls: [{ node: "n1", at: 16_500, ms: 2_294, computedMs: 1 }] })]);
  const text = "ovs-vswitchd on n1 did not run for 2.294 s until 16.5 s (it computed for 0.001 s)";
  t.match(summaryText(stalled), text);
  t.match(HTML_REPORT.render(stalled), text);
});

t.test("runs with the same fault are in one column, unless they have a load in common", async (t) => {
  const of = (name: string, ...loads: string[]) => ({
    name,
    faults: ["kill daemon"],
    repeats: loads.map((load) => aRepeat(aLoad({}, { name: load }))),
  });
  const apart = tableOf(aResult([], { runs: [of("traffic", "ping"), of("pods", "pod_churn")] }));
  t.same(apart.columns, ["kill daemon"]);
  t.same(
    apart.rows.map(({ load, cells }) => [load, cells.map(({ outcome }) => outcome)]),
    [
      ["ping", ["passed"]],
      ["pod_churn", ["passed"]],
    ],
  );
  const { columns, rows } = tableOf(aResult([], { runs: [of("one", "ping"), of("two", "ping", "http")] }));
  t.same(columns, ["one", "two"]);
  t.same(
    rows[1]?.cells.map(({ outcome }) => outcome),
    ["none", "passed"],
  );
});

t.test("a store returns the stored results, and skips other files", async (t) => {
  const folder = t.testdir({ other: { "result.json": "{}" } });
  const older = aResult([aRepeat(aLoad({ failures: 1 }))]);
  const newer = aResult([aRepeat(aLoad({ failures: 2 }))], { started: "2025-02-01T00:00:00Z" });
  storeResult(folder, newer, BUILT_IN_PLUGINS.reports);
  const paths = storeResult(folder, older, BUILT_IN_PLUGINS.reports);
  t.same(
    paths.map((path) => path.split("/").slice(-2).join("/")),
    [
      "20250101T000000Z-tests-trials/result.json",
      "20250101T000000Z-tests-trials/result.html",
      "20250101T000000Z-tests-trials/result.xml",
    ],
  );
  t.match(readFileSync(paths[1] ?? "", "utf8"), "<!doctype html>");
  const unreadable: string[] = [];
  t.strictSame(
    readStore(folder, (message) => unreadable.push(message)),
    [older, newer],
  );
  t.match(unreadable, [/other\/result\.json is not a result/]);
  t.same(
    readStore(join(folder, "none"), () => {}),
    [],
  );
  writeFileSync(join(folder, "other", "result.json"), "{");
  t.equal(readStore(folder, () => {}).length, 2);
});

t.test("trends compare a result with the one before it", async (t) => {
  const of = (started: string, ...gaps: number[]) =>
    aResult(
      gaps.map((gap) => aRepeat(aLoad({ longest_gap: gap }))),
      { started },
    );
  const results = [
    of("2025-03-01T00:00:00Z", 5, 5.1, 4.9),
    of("2025-01-01T00:00:00Z", 1),
    of("2025-02-01T00:00:00Z", 1, 1.1, 0.9),
  ];
  const trends = trendsOf(results, ["longest_gap", "failures"]);
  t.match(trends, [{ run: "daemon is killed", load: "ping", measure: "longest_gap", change: "higher" }]);
  t.equal(trends.length, 1, "what was never measured has no trend");
  t.match(trendsText(trends, 2), /longest_gap +1 \(0\.752 to 1\.248\) +5 \(4\.752 to 5\.248\) +higher\n/);
  const other = aResult([aRepeat(aLoad({ longest_gap: 7 }))], { title: "Another task" });
  t.strictSame(
    trendsText(trendsOf([...results, other], ["longest_gap"]), 5)
      .split("\n")
      .map((line) => line.split(/ {3,}/)),
    [
      ["Another task"],
      ["RUN", "LOAD", "MEASURE", "2025-01-01 00:00", "CHANGE"],
      ["daemon is killed", "ping", "longest_gap", "7", "unknown"],
      [""],
      ["Tests & trials"],
      ["RUN", "LOAD", "MEASURE", "2025-01-01 00:00", "2025-02-01 00:00", "2025-03-01 00:00", "CHANGE"],
      ["daemon is killed", "ping", "longest_gap", "1", "1 (0.752 to 1.248)", "5 (4.752 to 5.248)", "higher"],
      [""],
    ],
    "a run of another task with the same name is another run",
  );
  const none = aResult([aRepeat(aLoad({ failures: 0, longest_gap: 1 }))]);
  t.match(
    trendsText(trendsOf([none], ["failures", "longest_gap"]), 5),
    /longest_gap .*\n1 other measures were 0 each time\.\n$/,
  );
  t.equal(trendsOf(results.slice(0, 2), ["longest_gap"])[0]?.change, "unknown", "one repeat has no interval");
  t.equal(trendsOf([results[2] ?? of(""), results[2] ?? of("")], ["longest_gap"])[0]?.change, "same");
});

t.test("a series is bounded however long a load was", async (t) => {
  const samples = Array.from({ length: 20_000 }, (_, n) => ({
    at: 1_000 + n * 10,
    ms: n % 7,
    ok: n % 100 !== 0,
    actions: [],
  }));
  const series = seriesOf(samples, 1_000);
  t.ok(series.length <= 241);
  t.equal(
    series.reduce((sum, { count }) => sum + count, 0),
    20_000,
  );
  t.equal(
    series.reduce((sum, { failed }) => sum + failed, 0),
    200,
  );
  t.same(seriesOf([], 0), []);
});
