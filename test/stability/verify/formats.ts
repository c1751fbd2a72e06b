// SPDX-License-Identifier: Apache-2.0

import { SaxesParser } from "saxes";
import { Parser } from "tap-parser";

/** One case of an external verifier. */
export interface CaseResult {
  readonly title: string;
  readonly ok: boolean;
  readonly detail: string;
}

/** Maximum number of cases of one command. */
const MAX_CASES = 10_000;

/** The cases of TAP, subtests by their own names; a plan that is not met, and a bail-out, are failed cases. */
export function parseTap(text: string): readonly CaseResult[] {
  const cases: CaseResult[] = [];
  const listen = (parser: Parser, prefix: string): void => {
    parser.on("child", (child) => listen(child, `${prefix}${child.name} > `));
    parser.on("assert", ({ ok, name, skip, todo }) => {
      if (cases.length < MAX_CASES)
        cases.push({
          title: `${prefix}${name}`,
          ok: ok || todo !== false,
          detail: skip !== false ? "skipped" : ok ? "ok" : "not ok",
        });
    });
  };
  const parser = new Parser();
  listen(parser, "");
  parser.end(text);
  const { results } = parser;
  if (results?.bailout) cases.push({ title: "bail out", ok: false, detail: String(results.bailout) });
  else if (cases.length > 0 && results?.ok === false && cases.every(({ ok }) => ok))
    cases.push({ title: "plan", ok: false, detail: "the plan was not kept" });
  return cases;
}

/** The `testcase` elements of JUnit XML; none if it is not well-formed. */
export function parseJunit(text: string): readonly CaseResult[] {
  const cases: CaseResult[] = [];
  let current: { title: string; ok: boolean; detail: string } | undefined;
  const parser = new SaxesParser();
  let broken = false;
  parser.on("error", () => {
    broken = true;
  });
  parser.on("opentag", ({ name, attributes }) => {
    const of = (key: string): string => String(attributes[key] ?? "");
    if (name === "testcase") {
      const title = of("classname") === "" ? of("name") : `${of("classname")} > ${of("name")}`;
      current = { title, ok: true, detail: "ok" };
    } else if (current !== undefined && (name === "failure" || name === "error")) {
      current.ok = false;
      current.detail = of("message") === "" ? name : of("message");
    } else if (current !== undefined && name === "skipped") current.detail = "skipped";
  });
  parser.on("closetag", ({ name }) => {
    if (name !== "testcase" || current === undefined) return;
    if (cases.length < MAX_CASES) cases.push(current);
    current = undefined;
  });
  parser.write(text).close();
  return broken ? [] : cases;
}
