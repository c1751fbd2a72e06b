import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { openLab } from "../../../hack/lab/lab.ts";
import { run } from "../../../hack/machine/run.ts";

/** A fenced block that is to be run: manifests to apply, or commands. */
interface Example {
  readonly line: number;
  readonly kind: "yaml apply" | "sh run";
  readonly text: string;
}

const ROOT = join(import.meta.dirname, "../../..");
const lab = openLab();
t.setTimeout(600_000);
const reason = lab.nodes.length === 0 ? "no lab is up: npm run lab -- up" : false;

/** The blocks of a page that say how they are run, in order. */
function examplesOf(page: string): readonly Example[] {
  const found: Example[] = [];
  for (const match of page.matchAll(/^```(yaml apply|sh run)\n([\s\S]*?)^```$/gm)) {
    const line = page.slice(0, match.index).split("\n").length;
    found.push({ line, kind: match[1] as Example["kind"], text: match[2] ?? "" });
  }
  return found;
}

for (const file of readdirSync(join(ROOT, "docs")).filter((name) => name.endsWith(".md"))) {
  t.test(`every example of docs/${file} works as it stands`, { skip: reason, timeout: 300_000 }, async (t) => {
    const examples = examplesOf(readFileSync(join(ROOT, "docs", file), "utf8"));
    t.ok(examples.length > 0, "the page has examples");
    const env = { KUBECONFIG: lab.paths.kubeconfig, PATH: `${lab.paths.bin}:${process.env["PATH"]}` };
    for (const { line, kind, text } of examples) {
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
  });
}
