// SPDX-License-Identifier: Apache-2.0

import { join } from "node:path";
import t from "tap";
import { TestBed } from "../testing/bench.ts";
import { parseJunit, parseTap } from "./formats.ts";
import { duplicates } from "./no-duplicates.ts";
import { inventoryDifferences } from "./no-leaks.ts";
import { unready } from "./pods-ready.ts";

t.test("a changed inventory shows what was left behind and what is missing", async (t) => {
  t.same(inventoryDifferences({ ports: ["a", "b", "b"], veth: ["x"] }, { ports: ["b", "c", "c"], netns: ["y"] }), [
    "netns: y was left behind",
    "ports: c was left behind",
    "ports: c was left behind",
    "ports: a is missing",
    "ports: b is missing",
    "veth: x is missing",
  ]);
  t.same(inventoryDifferences({ ports: ["a"], none: [] }, { ports: ["a"] }), []);
});

const pod = (name: string, ips: readonly string[], more: object = {}) => ({
  metadata: { name, namespace: "n" },
  status: { phase: "Running", podIPs: ips.map((ip) => ({ ip })), conditions: [{ type: "Ready", status: "True" }] },
  ...more,
});

t.test("two running pods of one VPC must not have the same address", async (t) => {
  t.same(duplicates([pod("a", ["10.0.0.1", "fd00::1"]), pod("b", ["10.0.0.2", "fd00::1"])]), [
    "n/a and n/b both have fd00::1",
  ]);
  const elsewhere = {
    metadata: { name: "b", namespace: "n", annotations: { "ovn.kubernetes.io/logical_router": "v" } },
  };
  t.same(duplicates([pod("a", ["10.0.0.1"]), pod("b", ["10.0.0.1"], elsewhere)]), [], "another VPC");
  t.same(duplicates([pod("a", ["10.0.0.1"]), pod("b", ["10.0.0.1"], { spec: { hostNetwork: true } })]), []);
  const ended = { status: { phase: "Succeeded", podIPs: [{ ip: "10.0.0.1" }] } };
  t.same(duplicates([pod("a", ["10.0.0.1"]), pod("b", [], ended)]), []);
});

t.test("pods that are not Ready are named", async (t) => {
  t.same(unready([pod("a", []), pod("b", [], { status: { conditions: [{ type: "Ready", status: "False" }] } })]), [
    "n/b is not Ready",
  ]);
  t.same(unready([pod("b", [], { status: { phase: "Succeeded" } })]), []);
});

t.test("TAP gives a case for each assertion, also of subtests", async (t) => {
  const text =
    "TAP version 14\n# Subtest: s\n    ok 1 - a\n    not ok 2 - b\n    1..2\nnot ok 1 - s\nok 2 - c # SKIP no\n1..2\n";
  t.same(
    parseTap(text).map(({ title, ok, detail }) => `${title}: ${ok} ${detail}`),
    ["s > a: true ok", "s > b: false not ok", "s: false not ok", "c: true skipped"],
  );
  t.same(parseTap("hello\n"), []);
  t.match(parseTap("TAP version 14\nok 1 - a\n1..3\n").at(-1), { title: "plan", ok: false });
  t.match(parseTap("TAP version 14\nok 1 - a\nBail out! tired\n").at(-1), { title: "bail out", ok: false });
});

t.test("JUnit XML gives a case for each testcase", async (t) => {
  const text = `<testsuites><testsuite name="s"><testcase classname="c" name="a"/><testcase name="b"><failure message="no"/></testcase>
    <testcase name="d"><error/></testcase><testcase name="e"><skipped/></testcase></testsuite></testsuites>`;
  t.same(
    parseJunit(text).map(({ title, ok, detail }) => `${title}: ${ok} ${detail}`),
    ["c > a: true ok", "b: false no", "d: false error", "e: true skipped"],
  );
  t.same(parseJunit("<testsuites><testcase>"), [], "what is not well-formed has none");
  t.same(parseJunit(""), []);
});

/** A task with an external verifier that is a shell script. */
function withVerifier(script: string, format = "tap"): string {
  const command = JSON.stringify(["bash", "-c", script]);
  return `title: test
runs:
  - name: one
    load: [{ scenario: { work: }, runner: { serial: { times: 2 } } }]
    verify: { external: { name: suite, format: ${format}, command: ${command} } }
`;
}

t.test("an external verifier's cases are verdicts; one without output breaks the run", async (t) => {
  const passed = await new TestBed(t).run(
    withVerifier("echo TAP version 14; echo ok 1 - on $STABILITY_TARGET; echo 1..1"),
  );
  t.match(passed, { outcome: "passed", runs: [{ repeats: [{ verdicts: [{ name: "suite: on fake" }] }] }] });
  const failed = await new TestBed(t).run(
    withVerifier("echo '<a><testcase name=\"x\"><failure/></testcase></a>'; exit 1", "junit"),
  );
  t.equal(failed.outcome, "failed");
  const wrong = await new TestBed(t).run(withVerifier("echo TAP version 14; echo ok 1 - a; echo 1..1; exit 7"));
  t.equal(wrong.outcome, "failed", "an exit code is not overlooked");
  const silent = await new TestBed(t).run(withVerifier("exit 3"));
  t.match(silent, { outcome: "broken", runs: [{ repeats: [{ problems: [{ code: "verify" }] }] }] });
  const missing = await new TestBed(t).run(
    withVerifier("").replace(/command: \[.*\]/, `command: [${join(t.testdirName, "none")}]`),
  );
  t.match(missing, { outcome: "broken", runs: [{ repeats: [{ problems: [{ code: "verify" }] }] }] });
});
