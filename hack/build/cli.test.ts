// SPDX-License-Identifier: Apache-2.0

import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { chartFiles, PLATFORMS } from "./cli.ts";
import { lockedPackage, ROOT } from "./npm.ts";

t.test("weftctl carries all of the chart, the CRDs among it", async (t) => {
  const names = (folder: string): readonly string[] => globSync("**/*.*", { cwd: join(ROOT, folder) });
  const chart = names("charts/weft").filter((name) => !name.startsWith("files/"));
  const crds = names("crds").map((name) => `files/crds/${name}`);
  const files = chartFiles();
  t.strictSame(Object.keys(files), [...chart, ...crds].filter((name) => name !== "files/crds").sort());
  t.equal(files["files/crds/subnets.yaml"], readFileSync(join(ROOT, "crds/subnets.yaml"), "utf8"));
});

t.test("the lock file has a runtime of bun for each platform", async (t) => {
  for (const platform of PLATFORMS) {
    const [os = "", arch] = platform.split("-");
    const { integrity } = lockedPackage(`@oven/bun-${os}-${arch === "amd64" ? "x64" : "aarch64"}`);
    t.match(integrity, /^sha512-/, platform);
  }
});
