// SPDX-License-Identifier: Apache-2.0

/** Makes the pictures of the web page in docs/, from the fixtures of its tests: `hack/with-deps node hack/demo/page-pictures.ts`. Needs Chromium. */

import { join } from "node:path";
import { startBrowser } from "../../src/ui/testing/browser.ts";
import { FixtureCluster, NOW } from "../../src/ui/testing/cluster.ts";
import { fixtureServer, TOKEN } from "../../src/ui/testing/server.ts";
import { build, PAGE } from "../build/build.ts";
import { ROOT } from "../build/npm.ts";
import { architecture } from "../host/cache.ts";
import { createProgress } from "../host/progress.ts";

const LARGE = { vpcs: 6, subnets: 50, nodes: 30, pods: 5_000 };
const SMALL = { vpcs: 3, subnets: 6, nodes: 4, pods: 240 };

/** docs/page-NAME.png → what it shows. */
const PICTURES = {
  overview: { hash: "#/overview", size: LARGE, locale: "en-GB", theme: "light" },
  topology: { hash: "#/topology/vpc%2Fovn-cluster", size: SMALL, locale: "zh-CN", theme: "dark" },
  reach: {
    hash: "#/reach?from=shop%2Fweb-0&to=payments%2Fcart-1&protocol=tcp&port=80",
    size: SMALL,
    locale: "en-GB",
    theme: "light",
  },
  flows: { hash: "#/flows", size: SMALL, locale: "en-GB", theme: "dark" },
} as const;

await build([architecture()], createProgress());
const browser = await startBrowser();
try {
  for (const [name, { hash, size, locale, theme }] of Object.entries(PICTURES)) {
    await using server = await fixtureServer(PAGE, new FixtureCluster({ ...size, problems: true }));
    const viewport = { width: 1360, height: 850 };
    await using context = await browser.newContext({ locale, colorScheme: theme, viewport });
    const page = await context.newPage();
    await page.clock.setFixedTime(NOW + 60_000);
    await page.goto(`${server.url}${hash}`);
    await page.locator("#token").fill(TOKEN);
    await page.keyboard.press("Enter");
    await page.getByText(locale === "zh-CN" ? "实时" : "Live", { exact: true }).waitFor();
    await page.locator("main .card").first().waitFor();
    await page.locator("body:not(:has([aria-busy=true]))").waitFor();
    await page.screenshot({ path: join(ROOT, `docs/page-${name}.png`) });
  }
} finally {
  await browser.close();
}
