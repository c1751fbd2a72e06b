// SPDX-License-Identifier: Apache-2.0

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Test } from "tap";
import { CLI_FOLDER } from "../../../hack/build/cli.ts";
import { run } from "../../../hack/host/run.ts";
import type { Lab } from "../../../hack/lab/lab.ts";

/** A fenced block that is run: manifests to apply, or commands; `sh multus` if Multus is installed. */
interface Example {
  readonly line: number;
  readonly kind: "yaml apply" | "sh run" | "sh multus";
  readonly text: string;
}

/** The folder of the pages. */
export const DOCS = join(import.meta.dirname, "../../../docs");

/** The blocks of a page that say how they are run, in order. */
function examplesOf(page: string): readonly Example[] {
  const found: Example[] = [];
  for (const match of page.matchAll(/^```(yaml apply|sh run|sh multus)\n([\s\S]*?)^```$/gm)) {
    const line = page.slice(0, match.index).split("\n").length;
    found.push({ line, kind: match[1] as Example["kind"], text: match[2] ?? "" });
  }
  return found;
}

/** Runs the examples of a page of docs/ in their order; each must succeed. kubectl, helm and `weftctl` are on their PATH; `weftctl` must have been built. */
export async function runExamples(t: Test, lab: Lab, file: string, multus = false): Promise<void> {
  const examples = examplesOf(readFileSync(join(DOCS, file), "utf8"));
  t.ok(examples.length > 0, "the page has examples");
  const env = { KUBECONFIG: lab.paths.kubeconfig, PATH: `${lab.paths.bin}:${CLI_FOLDER}:${process.env["PATH"]}` };
  for (const { line, kind, text } of examples) {
    if (kind === "sh multus" && !multus) continue;
    const command = kind === "yaml apply" ? ["kubectl", "apply", "-f", "-"] : ["bash", "-euo", "pipefail", "-s"];
    const { code, stdout, stderr } = await run(command[0] ?? "", command.slice(1), {
      env,
      input: text,
      allowFailure: true,
      timeoutMs: 180_000,
    });
    const output = `${stdout}\n${stderr}`.trim().slice(-1500);
    t.same(code === 0 ? "" : `exit code ${code}: ${output}`, "", `docs/${file}:${line}`);
  }
}
