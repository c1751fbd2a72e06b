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

/**
 * Lanes that run in parallel, because they wait for most of their time. Pages that use the same names or addresses are in one lane. `weftctl status` of
 * look-inside.md requires that each subnet is ready, so it runs before pages of any lane have subnets that are not.
 */
const LANES = [
  ["policies.md", "security-groups.md", "vpcs.md"],
  ["services.md", "vpc-services.md", "node-networks.md", "ways-out.md"],
];
/** Pages for maintainers, whose examples are not run on a cluster, and the one that needs a lab with another network plugin. */
const NOT_ON_A_CLUSTER = ["conformance.md", "releasing.md", "non-primary.md", "stability.md"];
const first = ["look-inside.md"];
const known = [...LANES.flat(), ...NOT_ON_A_CLUSTER, ...first];
const others = readdirSync(DOCS).filter((name) => name.endsWith(".md") && !known.includes(name));
const lanes = [...LANES, [...first, ...others]];

if (!reason) await buildCli([hostPlatform()], createProgress());
t.jobs = lanes.length;
for (const pages of lanes) {
  t.test(`pages: ${pages.join(", ")}`, { skip: reason, buffered: true, timeout: 600_000 }, async (t) => {
    for (const file of pages) {
      await t.test(`every example of docs/${file} works as it stands`, { timeout: 300_000 }, (t) =>
        runExamples(t, lab, file),
      );
    }
  });
}
