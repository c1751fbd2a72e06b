// SPDX-License-Identifier: Apache-2.0

import { readdirSync } from "node:fs";
import t from "tap";
import { buildCli, hostPlatform } from "../../../hack/build/cli.ts";
import { createProgress } from "../../../hack/host/progress.ts";
import { openLab } from "../../../hack/lab/lab.ts";
import { DOCS, runExamples } from "../testing/examples.ts";

const lab = openLab();
t.setTimeout(600_000);
const reason = lab.nodes.length === 0 ? "no lab is up: npm run lab -- up" : false;

/** Pages that use the same names or addresses: they come one after the other, beside all others, for most of their time is waiting. */
const TOGETHER = ["policies.md", "security-groups.md", "subnets-and-vpcs.md"];
/** Pages for maintainers: nothing in them is run on a cluster. */
const NOT_ON_A_CLUSTER = ["releasing.md"];
const others = readdirSync(DOCS).filter(
  (name) => name.endsWith(".md") && ![...TOGETHER, ...NOT_ON_A_CLUSTER].includes(name),
);

if (!reason) await buildCli([hostPlatform()], createProgress());
t.jobs = 2;
for (const pages of [TOGETHER, others]) {
  t.test(`pages: ${pages.join(", ")}`, { skip: reason, buffered: true, timeout: 600_000 }, async (t) => {
    for (const file of pages) {
      await t.test(`every example of docs/${file} works as it stands`, { timeout: 300_000 }, (t) =>
        runExamples(t, lab, file),
      );
    }
  });
}
