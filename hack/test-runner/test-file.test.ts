// SPDX-License-Identifier: Apache-2.0

import { writeFileSync } from "node:fs";
import { getPriority } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import t from "tap";
import { bundledTap } from "./tap-bundle.ts";
import { runTestFile } from "./test-file.ts";

const TAP = pathToFileURL(join(import.meta.dirname, "../../node_modules/tap/dist/esm/index.js"));
const folder = t.testdir();
const LIMIT_MS = 60_000;

function testFile(name: string, code: string): string {
  const path = join(folder, `${name}.test.ts`);
  writeFileSync(path, `import t from "${TAP}";\n${code}`);
  return path;
}

t.test("assertions are counted, and a failed one is shown with what was found and where", async (t) => {
  const code = `
    t.test("outer", async (t) => {
      await t.test("inner", async (t) => { t.equal(1, 2, "one is two"); t.ok(true); });
      t.test("later", { skip: "no need" }, async () => {});
    });
    t.test("other", async (t) => { t.ok(true); });`;
  const { passed, failed, skipped, failedTests, report } = await runTestFile(testFile("fails", code), LIMIT_MS);
  t.same({ passed, failed, skipped, failedTests }, { passed: 2, failed: 1, skipped: 1, failedTests: ["outer"] });
  t.match(report, "outer > inner > one is two");
  t.match(report, /lineNumber: 4/);
});

t.test("with tap in one file a test file gives the same", async (t) => {
  const path = join(folder, "bundled.test.ts");
  const code = `import t from "tap";
    t.match(import.meta.resolve("tap"), /tap-[0-9a-f]{16}\\.mjs$/);
    t.ok(t.testdir({ file: "x" }));
    t.equal(1, 2, "one is two");
    await t.rejects(Promise.reject(new Error("expected")), /expected/);`;
  writeFileSync(path, code);
  const result = await runTestFile(path, LIMIT_MS, { nodeArguments: [await bundledTap()] });
  t.match(result, { passed: 3, failed: 1, skipped: 0 });
  t.match(result.report, /one is two/);
  t.match(result.report, /lineNumber: 4/);
});

t.test("a file that passes has nothing to report", async (t) => {
  const result = await runTestFile(testFile("passes", "t.ok(true); console.error('a warning');"), LIMIT_MS);
  t.match(result, { passed: 1, failed: 0, skipped: 0, failedTests: [], report: "" });
});

t.test(
  "a file leaves the processors to others where that is asked for, and so do the processes that it starts",
  async (t) => {
    const code = `
    import { execFileSync } from "node:child_process";
    t.equal(execFileSync("nice", { encoding: "utf8" }).trim(), String(process.env.EXPECTED));`;
    const path = testFile("nice", code);
    const own = getPriority();
    const [usual, nicer] = await Promise.all([
      runTestFile(path, LIMIT_MS, { env: { EXPECTED: String(own) } }),
      runTestFile(path, LIMIT_MS, { env: { EXPECTED: "19" }, niceness: 19 }),
    ]);
    t.match(usual, { passed: 1, failed: 0 });
    t.match(nicer, { passed: 1, failed: 0 });
  },
);

const BROKEN = {
  "that cannot be loaded": ['import "./missing.ts"; t.ok(true);', /ERR_MODULE_NOT_FOUND/],
  "that ends in the middle": ['t.test("cut off", async (t) => { t.ok(true); process.exit(0); });', /cut off/],
  "without a test": ["", /no test ran/],
  "that is killed": ['t.ok(true); process.kill(process.pid, "SIGKILL");', /SIGKILL/],
  "with a rejected promise that is not handled": ['t.ok(true); Promise.reject(new Error("lost"));', /lost/],
} as const;
for (const [what, [code, report]] of Object.entries(BROKEN)) {
  t.test(`a file ${what} has failed`, async (t) => {
    const result = await runTestFile(testFile(what.replaceAll(" ", "-"), code), LIMIT_MS);
    t.ok(result.failed > 0);
    t.match(result.report, report);
  });
}

t.test("a file that does not end is ended, and has failed", async (t) => {
  const result = await runTestFile(
    testFile("hangs", 't.test("waits", () => new Promise(() => {})); setInterval(() => {}, 1e6);'),
    1_500,
  );
  t.ok(result.failed > 0);
  // A slow machine may not even have begun it.
  t.match(result.report, /no end within 1.5 s|waits/);
});
