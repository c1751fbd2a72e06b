// SPDX-License-Identifier: Apache-2.0

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import t from "tap";
import { z } from "zod";
import type { Context } from "./contexts/context.ts";
import { type Plugin, plugin } from "./plugin.ts";
import { BUILT_IN_PLUGINS } from "./plugins.ts";
import type { Scenario } from "./scenarios/scenario.ts";
import { loadTask } from "./task/load.ts";
import { TestBed } from "./testing/bench.ts";

const PAGE = readFileSync(join(import.meta.dirname, "../../docs/stability.md"), "utf8");

function block(language: string, begin: string): string {
  for (const [, text = ""] of PAGE.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, "gm")))
    if (text.startsWith(begin)) return text;
  throw new Error(`docs/stability.md has no block of ${language} that begins with ${begin}`);
}

/** Contexts that set up names alone: the fake target runs no pods. */
function pretended(): readonly Plugin<Context>[] {
  const names = ["pods", "service"];
  const context = (name: string): Plugin<Context> =>
    plugin({
      name,
      summary: name,
      options: z.strictObject({}),
      bind: () => ({
        order: 1,
        needs: [],
        requires: [],
        async setUp(stage) {
          const of = (node: string) => ({ namespace: "n", name: node, uid: node, node, addresses: ["10.0.0.1"] });
          stage.made = { pods: stage.target.nodes.map(of), service: { name: "s", addresses: ["10.1.0.1"], port: 80 } };
        },
      }),
    });
  return names.map(context);
}

t.test("the task of docs/stability.md is valid", async (t) => {
  const { runs } = loadTask("docs/stability.md", block("yaml", "title:"), {}, BUILT_IN_PLUGINS);
  t.same(
    runs.map(({ name, repeat }) => [name, repeat]),
    [
      ["ovn-controller is killed", 3],
      ["daemon is killed", 3],
    ],
  );
});

t.test("the plugin of docs/stability.md runs unchanged", async (t) => {
  const here = pathToFileURL(`${import.meta.dirname}/`).href;
  const text = block("ts", "// test/stability/scenarios/connect.ts").replaceAll('from "../', `from "${here}`);
  // In the checkout, where imports of packages are resolved.
  const file = join(t.testdir({ "connect.ts": text }), "connect.ts");
  const module: unknown = await import(pathToFileURL(file).href);
  const { CONNECT } = module as { readonly CONNECT: Plugin<Scenario> };
  const bench = new TestBed(t);
  let asked = 0;
  bench.target.answers = ({ kind }) => kind === "http" && ++asked !== 3;
  const source = `title: docs
runs:
  - name: one
    context: { nothing: }
    load: [{ scenario: { connect: { timeout: 2 } }, runner: { serial: { times: 5 } }, sla: { failures: { max: 1 } } }]
`;
  const [pods, service] = pretended();
  const ours = { scenarios: [CONNECT] };
  await t.rejects(bench.run(source.replace("nothing: ", "namespace: "), ours), {
    message: /connect needs the context "pods"/,
  });
  // The real contexts of these names wait for pods; fake ones replace them.
  const contexts = [pods, service].filter((one) => one !== undefined);
  const result = await bench.run(source.replace("nothing: ", "pods: , service: "), ours, { contexts });
  t.match(result, { outcome: "passed", runs: [{ repeats: [{ loads: [{ iterations: 5, failed: 1 }] }] }] });
  t.equal(bench.target.done.filter((what) => what === "prober stopped").length, 2);
});
