// SPDX-License-Identifier: Apache-2.0

import { globSync } from "node:fs";
import { stat } from "node:fs/promises";
import { loadavg } from "node:os";
import { join } from "node:path";
import type { Logger } from "pino";
import type { Page } from "playwright-core";
import { servePage } from "../../src/controller/page/serve-page.ts";
import { SEES_ALL, tokenServer } from "../../src/controller/page/testing/token-server.ts";
import { type PageWorldSize, pageSource, pageWorld, tenantName } from "../../src/page/testing/page-world.ts";
import { SYSTEM_CLOCK } from "../../src/time/clock.ts";
import { startBrowser } from "../../src/ui/testing/browser.ts";
import { build, PAGE } from "../build/build.ts";
import { SCRIPT_LIMIT } from "../build/page.ts";
import { architecture } from "../host/cache.ts";
import { createProgress } from "../host/progress.ts";
import { formatVerdicts, type MeasuredGoal } from "./html-page.ts";
import { type Spread, spread } from "./statistics.ts";

/** The goals of the issue. */
const GOAL = { firstPaintMs: 1_500, stepMs: 100, scriptBytes: SCRIPT_LIMIT };
/** A step that is not shown after so long has failed. */
const DEADLINE_MS = 10_000;
/** Between two steps, as a reader pauses: no request is delayed by the rest that the one before left to the controller. */
const PAUSE_MS = 700;

/** The figures of one run; all times in ms, measured by the browser's clock. */
export interface WebPageBench {
  readonly at: string;
  readonly size: PageWorldSize;
  /** From the request of the page, with an empty cache, to the first paint, and until the overview is complete. */
  readonly firstPaint: Spread;
  readonly overview: Spread;
  /** From the user's action until what was asked for is painted. */
  readonly steps: readonly { readonly what: string; readonly ms: Spread }[];
  /** Bytes of all scripts, before compression. */
  readonly scriptBytes: number;
  /** Before and after. */
  readonly loadAverage: readonly [number, number];
}

/** What a user does, in round `n`, and when it has been done: what `main` contains then. */
interface Step {
  readonly what: string;
  /** The address that is gone to, or the field that is typed into, and the text. */
  readonly does: (n: number) => string | readonly [field: string, text: string];
  /** Gone to before, which is not measured. */
  readonly from?: string;
  readonly title: string;
  /** A part of the page that is to have this text; default: all of it. */
  readonly in?: string;
  readonly text: (n: number) => string;
}

/** When the first text was painted (Paint Timing), which may be told some time later. */
const FIRST_PAINT = `new Promise((resolve) => {
  new PerformanceObserver((list) => {
    for (const { name, startTime } of list.getEntries()) if (name === "first-contentful-paint") resolve(startTime);
  }).observe({ type: "paint", buffered: true });
})`;

const pod = (n: number): string => `${tenantName(n)}/web-${n}`;
const STEPS: readonly Step[] = [
  { what: "topology", does: () => "#/topology", title: "Topology", text: () => "vpc-a" },
  {
    what: "one VPC in the topology",
    does: () => "#/topology/vpc%2Fovn-cluster",
    ...{ title: "Topology", in: ".crumbs", text: () => "ovn-cluster" },
  },
  {
    what: "one node in the topology",
    does: (n) => `#/topology/node%2Fweft-${n + 1}`,
    ...{ title: "Topology", in: ".crumbs", text: (n) => `weft-${n + 1}` },
  },
  { what: "subnets", does: () => "#/subnets", title: "Subnets", text: () => "subnet-a" },
  {
    what: "one subnet and the map of its addresses",
    does: () => "#/subnets/ovn-default",
    ...{ title: "ovn-default", in: "[role=grid]", text: () => "" },
  },
  {
    what: "a part of the map",
    does: (n) => `#/subnets/ovn-default?prefix=10.16.${n + 1}.0%2F24`,
    ...{ title: "ovn-default", in: ".crumbs [aria-current]", text: (n) => `10.16.${n + 1}.0/24` },
  },
  { what: "pods", does: () => "#/pods", title: "Pods", text: () => "tenant-000/web-0" },
  {
    what: "pods, filtered",
    does: (n) => `#/pods?q=${tenantName(n + 20)}`,
    title: "Pods",
    text: (n) => `${tenantName(n + 20)}/web-0`,
  },
  { what: "one pod", does: (n) => `#/pods/${pod(n)}`, title: "Pods", in: ".pane dl", text: () => "ovn-default" },
  { what: "policies", does: () => "#/policies", title: "Policies", text: () => "deny-telnet" },
  {
    what: "one policy",
    does: (n) => `#/policies/NetworkPolicy/${tenantName(n)}/own`,
    ...{ title: "Policies", in: ".pane", text: () => "web-0" },
  },
  { what: "nodes", does: () => "#/nodes", title: "Nodes", text: () => "weft-1" },
  { what: "one node", does: (n) => `#/nodes/weft-${n + 1}`, title: "Nodes", in: ".pane dl", text: () => "172.18" },
  { what: "gateways", does: () => "#/gateways", title: "Gateways", text: () => "" },
  {
    what: "whether two pods reach each other",
    does: (n) => `#/reach?from=${encodeURIComponent(pod(n))}&to=${encodeURIComponent(pod(n + 1))}&protocol=tcp&port=80`,
    ...{ title: "Reachability", in: ".verdict", text: (n) => pod(n + 1) },
  },
  {
    what: "what the search finds, from the last key",
    does: (n) => ["#find", pod(n)],
    ...{ title: "Reachability", in: "[role=listbox] [role=option]", text: pod },
  },
  {
    what: "pods, filtered, from the last key",
    does: (n) => ["main input[type=search]", `${tenantName(n + 40)}/`],
    ...{ from: "#/pods", title: "Pods", text: (n: number) => `${tenantName(n + 40)}/web-0` },
  },
  { what: "overview", does: () => "#/overview", title: "Overview", in: ".tiles", text: () => "5,00" },
];

/**
 * Measures the page in Chromium, served by the controller's own server from the facts of a synthetic cluster in this process; on the loopback interface, so without the time that a
 * network takes. `rounds`: how often the page is opened, and each step is made, each time with another object. Rejects if something is not shown within 10 s.
 */
export async function benchWebPage(rounds: number, say: (text: string) => void): Promise<WebPageBench> {
  await build([architecture()], createProgress());
  const size = { namespaces: 100, podsEach: 50, nodes: 50 };
  const before = loadavg()[0] ?? 0;
  const served = await serve(size);
  const browser = await startBrowser();
  try {
    const url = `http://127.0.0.1:${served.port}/`;
    const open = async (): Promise<{ readonly page: Page; readonly firstPaint: number; readonly overview: number }> => {
      const context = await browser.newContext({
        locale: "en-GB",
        viewport: { width: 1280, height: 800 },
        extraHTTPHeaders: { authorization: "Bearer root" },
      });
      const page = await context.newPage();
      await page.goto(url);
      const overview = await shown(page, "Overview", ".tiles", "5,00");
      const firstPaint = Number(await page.evaluate(FIRST_PAINT));
      return { page, firstPaint, overview };
    };
    const opened = [];
    for (let n = 0; n < rounds; n++) {
      const { page, ...times } = await open();
      opened.push(times);
      await page.context().close();
    }
    say("the page has been opened");
    const { page } = await open();
    const times = new Map<string, number[]>(STEPS.map(({ what }) => [what, []]));
    for (let n = 0; n < rounds; n++) {
      for (const { what, from, does, title, in: part = "main", text } of STEPS) {
        if (from !== undefined) await shown(page, title, "main", "", from);
        await page.waitForTimeout(PAUSE_MS);
        times.get(what)?.push(await shown(page, title, part, text(n), does(n)));
      }
      say(`round ${n + 1} of ${rounds}`);
    }
    return {
      ...{ at: new Date().toISOString(), size },
      firstPaint: spread(opened.map(({ firstPaint }) => firstPaint)),
      overview: spread(opened.map(({ overview }) => overview)),
      steps: [...times].map(([what, ms]) => ({ what, ms: spread(ms) })),
      scriptBytes: await scriptBytes(),
      loadAverage: [before, loadavg()[0] ?? 0],
    };
  } finally {
    await browser.close();
    served.close();
  }
}

/**
 * Does what a step does, if given, and waits until a part of the page is shown, is not being read any more and has a text. Resolves with the ms from there (or from when the page was
 * asked for) to the paint.
 */
async function shown(
  page: Page,
  title: string,
  part: string,
  text: string,
  does?: ReturnType<Step["does"]>,
): Promise<number> {
  // A string: this program has no types of a browser.
  const program = `new Promise((resolve, reject) => {
    const [title, part, text, does] = ${JSON.stringify([title, part, text, does ?? null])};
    const parts = () => [...document.querySelectorAll(part)].map((one) => one.textContent);
    const done = () => {
      const main = document.querySelector("main");
      return main !== null && main.querySelector("[aria-busy=true]") === null &&
        main.querySelector("h1")?.textContent === title && parts().some((one) => one.includes(text));
    };
    const field = Array.isArray(does) ? document.querySelector(does[0]) : null;
    const began = does === null ? 0 : performance.now();
    if (field !== null) {
      field.focus();
      field.value = does[1];
      field.dispatchEvent(new InputEvent("input", { bubbles: true }));
    } else if (does !== null) location.hash = does;
    const look = () => {
      if (done()) setTimeout(() => resolve(performance.now() - began));
      else if (performance.now() - began > ${DEADLINE_MS})
        reject(new Error(part + " of " + title + " does not show " + text + ": " + parts().join(" ").slice(0, 300)));
      else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  })`;
  return Number(await page.evaluate(program));
}

const silent = (): void => {};

async function serve(size: PageWorldSize): Promise<{ readonly port: number; close(): void }> {
  const facts = pageWorld(size);
  const { compiled } = pageSource(facts);
  return await servePage({
    kube: tokenServer({ root: SEES_ALL }),
    clock: SYSTEM_CLOCK,
    log: { debug: silent, info: silent, warn: silent, error: console.error } as unknown as Logger,
    plain: true,
    settings: {
      ...{ pagePort: 0, pageDir: PAGE, pageCertificateDir: "", tlsDir: "" },
      ...{ namespace: "kube-system", identity: "controller-0" },
    },
    controller: { facts, engine: { desired: compiled }, leading: true, conditions: () => [] },
    notReady: () => undefined,
  });
}

async function scriptBytes(): Promise<number> {
  const sizes = globSync("**/*.js", { cwd: PAGE }).map(async (file) => (await stat(join(PAGE, file))).size);
  return (await Promise.all(sizes)).reduce((sum, bytes) => sum + bytes, 0);
}

/** The figures as text. */
export function formatWebPage({
  size,
  firstPaint,
  overview,
  steps,
  scriptBytes: bytes,
  loadAverage,
}: WebPageBench): string {
  const kib = (value: number): string => `${(value / 1_024).toFixed(0)} KiB`;
  const times = ({ median, min, max }: Spread): string =>
    `${median.toFixed(0)} ms (${min.toFixed(0)}–${max.toFixed(0)})`;
  const goal = (what: string, ms: Spread, most: number): MeasuredGoal => ({
    ...{ what, measured: times(ms), goal: `${most} ms`, met: ms.max <= most },
  });
  const verdicts = [
    goal("first paint", firstPaint, GOAL.firstPaintMs),
    goal("the overview is complete", overview, GOAL.firstPaintMs),
    ...steps.map(({ what, ms }) => goal(what, ms, GOAL.stepMs)),
    { what: "script", measured: kib(bytes), goal: kib(GOAL.scriptBytes), met: bytes <= GOAL.scriptBytes },
  ];
  const [before, after] = loadAverage;
  return `${size.namespaces * size.podsEach} pods, ${size.namespaces} namespaces, ${size.nodes} nodes; median (least–most) of ${firstPaint.count}; load ${before.toFixed(1)} to ${after.toFixed(1)}\n${formatVerdicts(verdicts)}`;
}
