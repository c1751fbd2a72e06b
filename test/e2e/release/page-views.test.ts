// SPDX-License-Identifier: Apache-2.0

/** The web page in Chromium, with a server of fixtures: every view, by keyboard, in both languages and themes, and when things go wrong. Needs no lab. */

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import type { AxeResults } from "axe-core";
import type { Page } from "playwright-core";
import t from "tap";
import { build, PAGE } from "../../../hack/build/build.ts";
import { architecture } from "../../../hack/host/cache.ts";
import { createProgress } from "../../../hack/host/progress.ts";
import { startBrowser } from "../../../src/ui/testing/browser.ts";
import { FixtureCluster, HOSTILE } from "../../../src/ui/testing/cluster.ts";
import { type FixtureServer, fixtureServer, TOKEN } from "../../../src/ui/testing/server.ts";

const SMALL = { vpcs: 3, subnets: 6, nodes: 4, pods: 240 } as const;
const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Each view with something chosen in it. */
const VIEWS: Readonly<Record<string, string>> = {
  overview: "#/overview",
  topology: "#/topology",
  vpc: "#/topology/vpc%2Fovn-cluster",
  subnets: "#/subnets",
  subnet: "#/subnets/apps-1",
  "IPv6 map": "#/subnets/apps-1?prefix=fd00%3A10%3A17%3A%3A%2F64",
  pods: "#/pods",
  pod: "#/pods/shop/web-0",
  policies: "#/policies/NetworkPolicy/shop/web-from-frontend",
  nodes: "#/nodes/node-2",
  gateways: "#/gateways",
  reach: "#/reach?from=shop%2Fweb-0&to=payments%2Fcart-1&protocol=tcp&port=80",
  plan: "#/plan",
  flows: "#/flows",
  "what is gone": "#/pods/shop/gone",
};

await build([architecture()], createProgress());
const browser = await startBrowser();
t.setTimeout(600_000);
t.teardown(() => browser.close());

interface Visit {
  readonly page: Page;
  readonly server: FixtureServer;
  /** What the browser complained about: scripts that failed, and what the Content-Security-Policy blocked. */
  readonly complaints: string[];
}

async function visit(
  {
    locale = "en-GB",
    theme = "light",
    width = 1280,
    size = SMALL,
  }: {
    locale?: string;
    theme?: "light" | "dark";
    width?: number;
    size?: ConstructorParameters<typeof FixtureCluster>[0];
  },
  use: (visit: Visit) => Promise<void>,
): Promise<void> {
  await using server = await fixtureServer(PAGE, new FixtureCluster(size));
  await using context = await browser.newContext({ locale, colorScheme: theme, viewport: { width, height: 800 } });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("pageerror", ({ message }) => complaints.push(message));
  page.on("console", (message) => {
    if (/Content Security Policy|TypeError/.test(message.text())) complaints.push(message.text());
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(server.url)) complaints.push(`a request leaves the cluster: ${request.url()}`);
  });
  await page.goto(server.url);
  await page.locator("#token").fill(TOKEN);
  await page.keyboard.press("Enter");
  await page.locator(".tiles").waitFor();
  await use({ page, server, complaints });
}

async function show(page: Page, hash: string): Promise<void> {
  // A string: this program has no types of a browser.
  await page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
  await page.locator("main h1").first().waitFor();
  await page.locator("body:not(:has([aria-busy=true]))").waitFor();
}

async function violations(page: Page): Promise<readonly string[]> {
  await page.evaluate(AXE);
  const { violations: found } = await page.evaluate<AxeResults>("axe.run()");
  return found.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(" ")}`);
}

for (const [locale, theme, width] of [
  ["en-GB", "light", 1280],
  ["zh-CN", "dark", 1280],
  ["zh-CN", "light", 360],
  ["en-GB", "dark", 360],
] as const) {
  t.test(
    `${locale}, ${theme}, ${width} px: axe finds nothing in any view, and no view is wider than the screen`,
    async (t) => {
      await visit({ locale, theme, width }, async ({ page, complaints }) => {
        t.equal(await page.evaluate(`document.documentElement.lang`), locale === "zh-CN" ? "zh-CN" : "en");
        for (const [name, hash] of Object.entries(VIEWS)) {
          await show(page, hash);
          t.strictSame(await violations(page), [], name);
          const wider = await page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth",
          );
          t.ok(Number(wider) <= 0, `${name} fits`);
          if (name !== "vpc" || width < 1280) continue;
          const cut = await page.evaluate(
            "(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth)(document.querySelector('.graph-frame'))",
          );
          t.equal(cut, 0, "three columns of the graph fit");
        }
        t.strictSame(complaints, []);
      });
    },
  );
}

t.test("a token that is refused is a sentence, and none is kept by the page", async (t) => {
  await using server = await fixtureServer(PAGE, new FixtureCluster(SMALL));
  await using context = await browser.newContext({ locale: "en-GB" });
  const page = await context.newPage();
  await page.goto(server.url);
  await page.locator("#token").fill("another-token");
  await page.keyboard.press("Enter");
  t.match(await page.locator("[role=alert]").textContent(), /does not accept this token/);
  t.strictSame(await violations(page), []);
  await page.locator("#token").fill(TOKEN);
  await page.keyboard.press("Enter");
  await page.locator(".tiles").waitFor();
  t.notMatch(JSON.stringify(await context.storageState()), TOKEN, "neither in storage nor in a cookie");
});

t.test("by keyboard: search, a table, its details and back; the map; the graph and the tree", async (t) => {
  await visit({}, async ({ page, complaints }) => {
    const focused = (): Promise<string> => page.evaluate(`document.activeElement?.textContent ?? ""`);
    const label = (): Promise<string | null> =>
      page.evaluate(`document.activeElement?.getAttribute("aria-label") ?? null`);
    await page.keyboard.press("/");
    t.equal(await label(), "Find by name or address");
    await page.keyboard.type("cart-1");
    await page.locator("#find-0").waitFor();
    await page.keyboard.press("Enter");
    await page.locator("h2:focus").waitFor();
    t.match(await focused(), /\/cart-1/, "the details of what was found have the focus");
    await page.keyboard.press("Escape");
    await page.locator(".pane").waitFor({ state: "detached" });

    await show(page, "#/subnets/apps-1");
    await page.locator("[role=gridcell][tabindex='0']").focus();
    t.match(await label(), /^10\.17\.1\.1: /);
    await page.keyboard.press("ArrowDown");
    await page.locator('[aria-label^="10.17.1.17: "]:focus').waitFor();
    t.match(await label(), /^10\.17\.1\.17: /);

    await show(page, "#/topology");
    await page.locator("g.node[tabindex='0']").focus();
    await page.keyboard.press("Enter");
    await page.waitForURL(/topology\/vpc/);
    // The address changes before the graph is drawn, and a key on the former one would be lost.
    await page.locator('g.node[aria-label*="apps-1"]').waitFor();
    await page.locator("g.node:focus").waitFor();
    await page.keyboard.press("ArrowRight");
    await page.locator('[aria-label*="pod"]:focus').waitFor();
    await page.keyboard.press("Backspace");
    await page.waitForURL(/topology$/);
    await page.locator("[role=treeitem][tabindex='0']").focus();
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowDown");
    await page.locator("[aria-level='2']:focus").waitFor();
    t.match(await focused(), /apps-1/);
    t.strictSame(complaints, []);
  });
});

t.test("names and messages that look like markup are text", async (t) => {
  await visit({ size: { ...SMALL, hostile: true } }, async ({ page, complaints }) => {
    const paths = [
      "#/overview",
      "#/topology/vpc%2Fovn-cluster",
      "#/subnets",
      `#/subnets/${encodeURIComponent(HOSTILE)}`,
      `#/pods/shop/${encodeURIComponent(HOSTILE)}`,
      `#/reach?${new URLSearchParams({ from: `shop/${HOSTILE}`, to: "payments/cart-1", protocol: "tcp", port: "80" })}`,
    ];
    for (const hash of paths) {
      await show(page, hash);
      t.match(await page.locator("main").textContent(), HOSTILE, `${hash} shows it`);
      t.equal(await page.locator("main img").count(), 0, `${hash} has no element of it`);
    }
    t.notMatch(await page.title(), /taken/);
    t.strictSame(complaints, []);
  });
});

t.test("a change of the cluster is shown, and only what is on the screen is requested again", async (t) => {
  await visit({}, async ({ page, server }) => {
    await page.getByText("Needs attention").waitFor();
    server.cluster = new FixtureCluster({ ...SMALL, problems: false });
    server.asked.length = 0;
    server.send({ type: "change", kinds: ["nodes"], objects: [], more: false });
    await page.getByText("Nothing needs attention").waitFor();
    t.strictSame([...new Set(server.asked)], ["api/v1/overview"]);
  });
});

t.test("a lost connection says since when its data is old, and is made again", async (t) => {
  await visit({}, async ({ page, server }) => {
    await page.getByText("Live", { exact: true }).waitFor();
    server.up = false;
    server.cut();
    await page.getByText(/^Connection lost, data as of \d\d:\d\d:\d\d/).waitFor();
    t.match(await page.locator("main").textContent(), /Fullest subnets/, "what was shown stays");
    t.strictSame(await violations(page), []);
    server.up = true;
    await page.getByText("Live", { exact: true }).waitFor();
    t.equal(await page.getByText(/^Connection lost/).count(), 0);
  });
});

t.test("a tenant sees what the server gives, and what it may not see is a sentence", async (t) => {
  await using server = await fixtureServer(PAGE, new FixtureCluster(SMALL));
  server.me = (me) => ({
    ...me,
    clusterWide: false,
    sees: { allNamespaces: false, nodes: false, networks: false },
    namespaces: ["shop"],
    actions: { plan: true, flows: false },
  });
  await using context = await browser.newContext({ locale: "en-GB" });
  const page = await context.newPage();
  await page.goto(server.url);
  await page.locator("#token").fill(TOKEN);
  await page.keyboard.press("Enter");
  await page.getByText("You see what your account may see: shop.").waitFor();
  await show(page, "#/nodes");
  await page.getByText("Your account does not see nodes").waitFor();
  await show(page, "#/flows");
  await page.getByText("Connections are not sampled").waitFor();
  t.notMatch(server.asked.join("\n"), /nodes|flows/, "what it may not see is not requested");
  t.strictSame(await violations(page), []);
});

t.test("a plan says who loses reach, what applies it, and when the text has changed since", async (t) => {
  await visit({}, async ({ page, server }) => {
    await show(page, "#/policies/NetworkPolicy/shop/web-from-frontend");
    await page.getByText("Edit and plan").click();
    await page.getByRole("button", { name: "Plan", exact: true }).click();
    await page.getByText("loses everything").waitFor();
    t.match(await page.locator("pre.code").textContent(), /^kubectl apply -n shop -f - <<'EOF'\napiVersion/);
    t.notMatch(server.asked.join("\n"), /apply/);
    await page.locator("textarea").press("End");
    await page.keyboard.type("# more");
    await page.getByText("The text has changed since this plan").waitFor();
    await show(page, "#/policies/NetworkPolicy/shop/web-from-frontend");
    await page.getByText("Plan its deletion").click();
    await page.getByRole("button", { name: "Plan", exact: true }).click();
    await page.locator("pre.code", { hasText: "kubectl delete" }).waitFor();
    t.match(server.asked.join("\n"), /plan\?.*remove=true/);
    t.strictSame(await violations(page), []);
  });
});
