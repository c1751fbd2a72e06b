// SPDX-License-Identifier: Apache-2.0

/** The web page in Chromium, with the controller of a lab behind `weftctl ui`: an administrator's way from what needs attention to the flow that a policy dropped, and the same way of a tenant. */

import { mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { AxeResults } from "axe-core";
import type { Page } from "playwright-core";
import t, { type Test } from "tap";
import { deploy } from "../../../hack/deploy/deploy.ts";
import { createProgress } from "../../../hack/host/progress.ts";
import { until } from "../../../hack/lab/wait.ts";
import { http, urlHost } from "../../../hack/traffic/probe.ts";
import { NETWORK_POLICIES } from "../../../src/kube/resources.ts";
import { startBrowser } from "../../../src/ui/testing/browser.ts";
import { addressesOf, idlePod, inPod, run, useNamespace, webPod } from "../testing/pods.ts";
import { weftctlUi } from "../testing/weftctl-ui.ts";
import { openWorld, whyNoLab } from "../testing/world.ts";

const [SHOP, OFFICE] = ["weft-page-shop", "weft-page-office"];
const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
/** Where pictures are written, to be looked at. */
const PICTURES = process.env["WEFT_PICTURES"];

/** A visit of the page, as one account. */
interface Visit {
  readonly page: Page;
  /** Shows a view, and checks it: axe finds nothing, and it is not wider than the screen. */
  show(name: string, hash: string): Promise<void>;
  /** What the browser complained about, and requests that left the page's server. */
  readonly complaints: readonly string[];
}

async function visit(t: Test, url: URL, as: string, theme: "light" | "dark"): Promise<Visit> {
  const browser = await startBrowser();
  t.teardown(() => browser.close());
  const context = await browser.newContext({
    ...{ locale: "en-GB", colorScheme: theme, viewport: { width: 1280, height: 800 } },
  });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("pageerror", ({ message }) => complaints.push(message));
  page.on("console", (message) => {
    if (/Content Security Policy|TypeError/.test(message.text())) complaints.push(message.text());
  });
  page.on("request", (request) => {
    if (new URL(request.url()).host !== url.host) complaints.push(`a request leaves the page: ${request.url()}`);
  });
  await page.goto(url.href);
  const show = async (name: string, hash: string): Promise<void> => {
    // A string: this program has no types of a browser.
    await page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
    await page.locator("main h1").first().waitFor();
    await page.locator("body:not(:has([aria-busy=true]))").waitFor();
    if (PICTURES !== undefined) {
      await mkdir(PICTURES, { recursive: true });
      await page.screenshot({ path: join(PICTURES, `${as}-${theme}-${name}.png`) });
    }
    await page.evaluate(AXE);
    const { violations } = await page.evaluate<AxeResults>("axe.run()");
    t.strictSame(
      violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(" ")}`),
      [],
      `${as}, ${theme}: ${name}`,
    );
    const wider = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth");
    t.ok(Number(wider) <= 0, `${name} fits`);
  };
  return { page, show, complaints };
}

t.test(
  "an administrator and a tenant walk from the overview to the flow that a policy dropped, in both themes",
  { skip: whyNoLab(), timeout: 1_500_000 },
  async (t) => {
    const world = await openWorld(t);
    await deploy(world.lab, createProgress(), { set: ["page.enabled=true", "flows.enabled=true"] });
    t.teardown(() => deploy(world.lab, createProgress()));
    const shop = await useNamespace(t, world, SHOP);
    const office = await useNamespace(t, world, OFFICE);
    const [[server, friend], [stranger]] = await Promise.all([
      run(world, [webPod(shop, "server", "weft-2"), idlePod(shop, "friend", "weft-1")]),
      run(world, [idlePod(office, "stranger", "weft-1")]),
    ]);
    if (server === undefined || friend === undefined || stranger === undefined) throw new Error("a pod is missing");
    await world.kube.create(NETWORK_POLICIES, {
      metadata: { namespace: shop, name: "guard" },
      spec: {
        podSelector: { matchLabels: { app: "server" } },
        policyTypes: ["Ingress"],
        ingress: [{ from: [{ podSelector: { matchLabels: { app: "friend" } } }], ports: [{ port: 8080 }] }],
      },
    });
    const [address] = addressesOf(server);
    const ask = (pod: typeof server): ReturnType<typeof http> =>
      http(inPod(pod), `http://${urlHost(address)}:8080/hostname`);
    await until("the friend reaches the server", 60_000, async () => (await ask(friend)).ok);
    await until("the stranger does not", 60_000, async () => !(await ask(stranger)).ok);
    const kubectl = (...args: readonly string[]) => world.lab.kubectl(["-n", shop, ...args]);
    await kubectl("create", "serviceaccount", "viewer");
    const binding = ["create", "rolebinding", "viewer", `--serviceaccount=${shop}:viewer`];
    await kubectl(...binding, "--clusterrole=weft-page-reader");

    for (const [as, theme, args] of [
      ["administrator", "light", []],
      ["administrator", "dark", []],
      ["tenant", "light", ["--account", `${shop}/viewer`]],
      ["tenant", "dark", ["--account", `${shop}/viewer`]],
    ] as const) {
      await t.test(`${as}, ${theme}`, async (t) => {
        const isTenant = as === "tenant";
        const { page, show, complaints } = await visit(t, await weftctlUi(t, world, ...args), as, theme);
        await page.locator(".tiles").waitFor();
        await show("overview", "#/overview");
        const parts = await page.getByText("kube-ovn-controller").count();
        t.equal(parts > 0, !isTenant, "the parts of Weft are for those who see nodes");
        await show("topology", "#/topology/vpc%2Fovn-cluster");
        await show("pods", "#/pods");
        t.equal(await page.getByRole("link", { name: "stranger" }).count(), isTenant ? 0 : 1);
        await show("pod", `#/pods/${shop}/server`);
        await page.getByText(`${shop}/guard`).first().waitFor();
        const question = `to=${shop}%2Fserver&protocol=tcp&port=8080`;
        await show("reach-allowed", `#/reach?from=${shop}%2Ffriend&${question}`);
        await page.getByText(`${shop}/friend may talk to`).first().waitFor();
        if (isTenant) {
          await show("reach-hidden", `#/reach?from=${office}%2Fstranger&${question}`);
          await page.getByText("your account may not see it").first().waitFor();
        } else {
          await show("reach-denied", `#/reach?from=${office}%2Fstranger&${question}`);
          await page.getByText(`${office}/stranger may not talk to`).first().waitFor();
        }
        await show("plan", "#/plan");
        await page.locator("#plan-namespace").selectOption(shop);
        await page.locator("#plan-manifest").fill(
          JSON.stringify({
            ...{ apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata: { name: "closed" } },
            spec: { podSelector: { matchLabels: { app: "server" } }, policyTypes: ["Ingress"] },
          }),
        );
        await page.getByRole("button", { name: "Plan", exact: true }).click();
        await page.locator("pre.code").waitFor();
        await show("flows", "#/flows");
        const dropped = page.locator("tbody tr", { hasText: "Dropped" }).filter({ hasText: "server" });
        // What was sampled in the last hour is there at once.
        await dropped.first().waitFor();
        const allowed = page.locator("tbody tr", { hasText: "Allowed" }).filter({ hasText: "friend" });
        // Open vSwitch repeats its templates every 30 s: what was sampled before the first of them is lost.
        await until("an allowed connection is shown", 60_000, async () => {
          await ask(friend);
          return (await allowed.count()) > 0;
        });
        const hidden = page.getByText("In the cluster, not visible to you");
        const named = page.locator("tbody tr", { hasText: "stranger" });
        t.strictSame([(await hidden.count()) > 0, (await named.count()) > 0], [isTenant, !isTenant]);
        // Live: the packets of another connection are counted without a reload.
        const packets = async (): Promise<string> => (await dropped.first().locator("td.number").textContent()) ?? "";
        const before = await packets();
        await ask(stranger);
        await until("the page counts them", 20_000, async () => (await packets()) !== before);
        if (isTenant) t.notMatch(await page.locator("body").textContent(), /stranger|weft-page-office/);
        t.strictSame(complaints, []);
      });
    }
  },
);
