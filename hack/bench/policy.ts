// SPDX-License-Identifier: Apache-2.0

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { NetworkPolicySpec } from "../../src/facts/network-policy.ts";
import type { PolicyLabBench } from "./policy-lab.ts";
import { type PolicyChange, PolicyWorld } from "./policy-world.ts";
import { type Spread, spread } from "./statistics.ts";

/** What the bench of policies measured. Times are ms from the fact to the commit. */
export interface PolicyBench {
  readonly pods: number;
  /** One policy that selects all pods, by one label of a peer. */
  readonly one: Series;
  /** A hundred policies at once. */
  readonly hundred: Series;
  /** A label of one pod changes while a thousand policies are active. */
  readonly label: Series & { readonly operations: number };
  readonly large: LargeBench;
  /** Only where it was asked for. */
  readonly lab?: PolicyLabBench;
}

/** Measurements, and how they lie. */
export interface Series extends Spread {
  readonly values: readonly number[];
}

/** Ten thousand pods under ten thousand policies. */
export interface LargeBench {
  readonly pods: number;
  readonly policies: number;
  /** From the first fact until the database, empty before, had it all. */
  readonly totalMs: number;
  /** Of that, taking the facts in and finding who is in which group. */
  readonly indexMs: number;
  /** All units compiled, nothing written. */
  readonly compileMs: number;
  readonly transactions: number;
  /** Resident, at its peak and when all was in the database. */
  readonly peakMiB: number;
  readonly restMiB: number;
  readonly onePod: PolicyChange;
  readonly onePolicy: PolicyChange;
  readonly acls: number;
  readonly groups: number;
  readonly members: number;
  /** The same policies with a set of addresses for each peer of each rule, and a group for each policy. */
  readonly naive: { readonly acls: number; readonly sets: number; readonly members: number };
}

/** Allows those labelled `app: from` to `app: to`. */
export function allow(to: string, from: string): NetworkPolicySpec {
  return {
    podSelector: { matchLabels: { app: to } },
    ingress: [{ from: [{ podSelector: { matchLabels: { app: from } } }], ports: [{ port: 80 }] }],
  };
}

/** Runs everything; about a minute. */
export async function benchPolicy(pods: number, say: (text: string) => void): Promise<PolicyBench> {
  const world = await PolicyWorld.make();
  try {
    await world.start();
    // A label of its own for each pod, as a StatefulSet's pods have: no two are the same to the index.
    for (let i = 0; i < pods; i++) world.pod(i, "default", { app: `app-${i % 50}`, index: `${i}` });
    await world.engine.whenIdle();
    say(`${pods} pods are in the database`);
    const allPods: NetworkPolicySpec = {
      podSelector: {},
      ingress: [{ from: [{ podSelector: { matchLabels: { app: "app-0" } } }] }],
    };
    const one: number[] = [];
    for (let i = 0; i < 20; i++) {
      one.push((await world.measure(() => world.policy("default", "all", allPods))).ms);
      await world.measure(() => world.policy("default", "all"));
    }
    say("one policy over all pods is measured");
    const hundred: number[] = [];
    const many = (spec: (i: number) => NetworkPolicySpec | undefined): void => {
      for (let i = 0; i < 100; i++) world.policy("default", `p-${i}`, spec(i));
    };
    for (let i = 0; i < 10; i++) {
      const change = await world.measure(() =>
        many((i) => allow(`app-${i % 50}`, `app-${(i + 1 + Math.floor(i / 50)) % 50}`)),
      );
      hundred.push(change.ms);
      await world.measure(() => many(() => undefined));
    }
    say("100 policies are measured");
    for (let i = 0; i < 1000; i++)
      world.policy("default", `p-${i}`, allow(`app-${i % 50}`, `app-${(i + Math.floor(i / 50)) % 50}`));
    await world.engine.whenIdle();
    const label: number[] = [];
    let operations = 0;
    for (let i = 0; i < 100; i++) {
      const change = await world.measure(() => world.pod(i, "default", { app: `app-${(i + 7) % 50}`, index: `${i}` }));
      label.push(change.ms);
      operations = Math.max(operations, change.operations);
    }
    say("a pod's label under 1,000 policies is measured");
    const large = await benchLarge(say);
    return { pods, one: series(one), hundred: series(hundred), label: { ...series(label), operations }, large };
  } finally {
    await world.close();
  }
}

function series(values: readonly number[]): Series {
  return { ...spread(values), values };
}

/** In a process of its own, because its memory is one of the figures. */
async function benchLarge(say: (text: string) => void): Promise<LargeBench> {
  const script = new URL("policy-large.ts", import.meta.url).pathname;
  const { stdout } = await promisify(execFile)(process.execPath, ["--max-semi-space-size=8", script], {
    maxBuffer: 2 ** 20,
  });
  say("10,000 pods under 10,000 policies are measured");
  return JSON.parse(stdout) as LargeBench;
}
