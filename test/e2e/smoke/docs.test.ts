import { readdirSync } from "node:fs";
import t from "tap";
import { openLab } from "../../../hack/lab/lab.ts";
import { DOCS, runExamples } from "../examples.ts";

const lab = openLab();
t.setTimeout(600_000);
const reason = lab.nodes.length === 0 ? "no lab is up: npm run lab -- up" : false;

for (const file of readdirSync(DOCS).filter((name) => name.endsWith(".md"))) {
  t.test(`every example of docs/${file} works as it stands`, { skip: reason, timeout: 300_000 }, (t) =>
    runExamples(t, lab, file),
  );
}
