// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { CNI_ERROR } from "../../api/cni-message.ts";
import { ManualClock } from "../../time/testing/manual-clock.ts";
import { DaemonMetrics } from "../metrics.ts";
import { ALLOCATED } from "../testing/allocated.ts";
import { FakeLinks, FakePods, FakePorts } from "../testing/fake-node.ts";
import { POD_BODY } from "../testing/pod-request.ts";
import { DEFAULT_INSTALLED_MS } from "./add.ts";
import { withinBudget } from "./add-deadlines.ts";
import { DEFAULT_ALLOCATION_DEADLINES } from "./await-allocation.ts";
import { CniError } from "./cni-error.ts";
import { Journal } from "./journal.ts";
import { Lanes } from "./lanes.ts";
import { cniVerbs } from "./verbs.ts";

/** Just within the deadline of each step. */
const SLOW_MS = 29_000;
const UNENDING = new Promise<never>(() => undefined);

/** A node on which the address comes and the earlier port goes after `SLOW_MS`, and the step `never` does not end. */
function slowNode(never: string) {
  const clock = new ManualClock();
  const wait = (): Promise<void> => new Promise((resolve) => void clock.after(SLOW_MS, resolve));
  const parts = { pods: new FakePods(), ports: new FakePorts(), links: new FakeLinks(), lanes: new Lanes() };
  const log = { debug: () => undefined, info: () => undefined, warn: () => undefined };
  parts.ports.installs = never !== "whenInstalled";
  parts.ports.onStep = async (step) => {
    if (step === "vacate") await wait();
    if (step === "attach" && step === never) throw new CniError(CNI_ERROR.tryAgainLater, "I/O error: write failed");
  };
  const orphaned: string[] = [];
  const verbs = cniVerbs({
    ...parts,
    clock,
    journal: new Journal(new DaemonMetrics("weft-1", { processMetrics: false }), log),
    mtuOf: () => 1400,
    encapOf: () => undefined,
    whenTunnelsKnown: async () => undefined,
    renewFlows: () => (never === "renewFlows" ? UNENDING : Promise.resolve()),
    explain: async () => undefined,
    stopping: new AbortController().signal,
    deadlines: { ...DEFAULT_ALLOCATION_DEADLINES, installedMs: DEFAULT_INSTALLED_MS },
    onOrphaned: (name) => orphaned.push(name),
    notReady: () => undefined,
  });
  parts.pods.set("shop", "web-0", "u-1");
  const allocated = { ...ALLOCATED, "ovn.kubernetes.io/virtualmachine": "vm" };
  clock.after(SLOW_MS, () => parts.pods.set("shop", "web-0", "u-1", allocated));
  return { ...parts, clock, verbs, orphaned };
}

t.test(
  "however slow the steps before it were, the step that does not end is named before the shim gives up",
  async (t) => {
    for (const [never, error] of [
      ["attach", /I\/O error: write failed/],
      ["whenInstalled", /ovn-controller has not installed the flows of 0123456789ab_h within 17 s/],
      ["renewFlows", /ovs-vswitchd has not renewed them within 17 s/],
    ] as const) {
      const { verbs, clock, ports, links, orphaned } = slowNode(never);
      let answered: { readonly error: unknown; readonly at: number } | undefined;
      verbs.add({ ...POD_BODY, timeout_ms: 90_000 }, new AbortController().signal).catch((thrown: unknown) => {
        answered = { error: thrown, at: clock.now() };
      });
      await clock.advance(89_000);
      t.match(answered?.error, CniError, never);
      t.match(String(answered?.error), error);
      t.same([ports.ports.size, links.pairs.size, orphaned], [0, 0, []], "and nothing is left");
    }
  },
);

t.test("an ADD that waits behind another request of its container has the less time", async (t) => {
  const { verbs, clock, lanes } = slowNode("whenInstalled");
  const before = lanes.run(
    "0123456789abcdef/eth0",
    "del",
    () => new Promise<void>((resolve) => void clock.after(70_000, resolve)),
  );
  let answered: unknown;
  verbs
    .add({ ...POD_BODY, pod_uid: "u-2", timeout_ms: 90_000 }, new AbortController().signal)
    .catch((thrown: unknown) => {
      answered = thrown;
    });
  await clock.advance(80_000);
  await before;
  t.match(String(answered), /pod shop\/web-0 is unknown/);
});

t.test("a step has its own deadline, or what is left of the request's; a rollback's time is kept", (t) => {
  t.equal(withinBudget(30_000, { timeoutMs: 90_000 }, { total: 0 }), 30_000);
  t.equal(withinBudget(30_000, { timeoutMs: 90_000 }, { total: 60_000 }), 15_000);
  t.equal(withinBudget(30_000, { timeoutMs: 90_000 }, { total: 80_000 }), 0);
  t.equal(withinBudget(30_000, {}, { total: 60_000 }), 15_000, "a shim that does not say it waits 90 s");
  t.equal(withinBudget(30_000, { timeoutMs: 4_000 }, { total: 0 }), 2_000, "half of a short time");
  t.end();
});
