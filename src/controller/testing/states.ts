// SPDX-License-Identifier: Apache-2.0

import type { Test } from "tap";
import { samePlain } from "../../collections/plain.ts";
import type { WeftEffect } from "../../compile/effects.ts";
import { SAMPLE_CLUSTER } from "../../compile/testing/sample-facts.ts";
import type { FactKind } from "../../facts/types.ts";
import { DerivedFacts } from "../../kinds/derived.ts";
import { feedsOf } from "../../kinds/feeds.ts";
import { factStore } from "../../kinds/store.ts";
import { wrongMatchesOfDatabase } from "../../policy/testing/ovn-matches.ts";
import { engineRig } from "./engine-rig.ts";

/** An object, and the facts that it becomes. */
export interface StateObject {
  readonly kind: FactKind;
  readonly object: {
    readonly metadata: { readonly name: string; readonly namespace?: string; readonly uid?: string };
    readonly [field: string]: unknown;
  };
}

/** All objects that there are at one time, beside the cluster's settings. */
export type State = readonly StateObject[];

/** The rows of a northbound database: table and uuid → columns. */
export type Rows = Readonly<Record<string, unknown>>;

const FEEDS = feedsOf({ router: SAMPLE_CLUSTER.router, joinSubnet: SAMPLE_CLUSTER.joinSubnet });

/**
 * The controller from facts to rows, over a database in memory: the derived facts, the units and the engine. What the controller writes into annotations is in the
 * objects' next facts, as if the API server had answered at once.
 */
async function stateMachine(t: Test) {
  const facts = factStore();
  facts.set("cluster", "cluster", SAMPLE_CLUSTER);
  const derived = new DerivedFacts(facts);
  derived.follow();
  derived.start();
  /** Kind and key → the object, and the annotations that the controller has given it. */
  const present = new Map<string, StateObject>();
  const written = new Map<string, Readonly<Record<string, string | null>>>();
  const set = (id: string): void => {
    const { kind, object } = present.get(id) ?? {};
    const [of = "", ...key] = id.split(" ");
    if (kind === undefined || object === undefined) {
      facts.set(of as FactKind, key.join(" "), undefined);
      return;
    }
    const { annotations = {} } = object.metadata as { annotations?: Readonly<Record<string, string>> };
    const own = Object.entries(written.get(id) ?? {}).filter(([, value]) => value !== null);
    const metadata = { ...object.metadata, annotations: { ...annotations, ...Object.fromEntries(own) } };
    const fact = FEEDS[kind]?.project({ ...object, metadata } as never);
    facts.set(kind, key.join(" "), fact as never);
  };
  const take = (effect: WeftEffect): void => {
    if (effect.kind !== "fill" || effect.annotations === undefined) return;
    const of = effect.resource === "subnets" ? "subnetSpecs" : effect.resource;
    const id = `${of} ${effect.name}`;
    if (!present.has(id)) return;
    written.set(id, { ...written.get(id), ...effect.annotations });
    queueMicrotask(() => set(id));
  };
  const { engine, northbound, close } = await engineRig(t, facts, { take });
  t.teardown(close);
  const idle = async (): Promise<void> => {
    // What has been written leads to facts, which may lead to more.
    for (let quiet = 0; quiet < 3; quiet++) {
      await engine.whenIdle();
      await new Promise((resolve) => setImmediate(resolve));
      if (!engine.idle) quiet = -1;
    }
  };
  return {
    facts,
    idle,
    /** Makes the objects those of a state, in the order of the state, without waiting for anything; `after` is waited for behind each change. */
    async apply(state: State, after: () => Promise<void> = async () => {}): Promise<void> {
      const wanted = new Map(state.map((one) => [idOf(one), one]));
      for (const id of [...present.keys()].filter((known) => !wanted.has(known)).reverse()) {
        present.delete(id);
        written.delete(id);
        set(id);
        await after();
      }
      for (const [id, one] of wanted) {
        if (samePlain(present.get(id), one)) continue;
        present.set(id, one);
        set(id);
        await after();
      }
    },
    /** All rows, as the mirror has them. */
    all: () => [...northbound.rows()],
    rows(): Rows {
      const found = [...northbound.rows()].map(({ table, uuid, columns }) => [`${table} ${uuid}`, columns] as const);
      return Object.fromEntries(found.sort(([a], [b]) => (a < b ? -1 : 1)));
    },
  };
}

function idOf({ kind, object: { metadata } }: StateObject): string {
  return `${kind} ${metadata.namespace === undefined ? "" : `${metadata.namespace}/`}${metadata.name}`;
}

/**
 * Checks that the rows of each state depend on it alone: they are the same whether it is reached from the state before or the one behind, at once or object by
 * object, in the order of its objects or in the reverse one, and through states of which nothing has been committed.
 */
export async function sameRowsHowever(t: Test, states: readonly State[]): Promise<readonly Rows[]> {
  const fresh: Rows[] = [];
  for (const state of states) {
    const machine = await stateMachine(t);
    await machine.apply(state);
    await machine.idle();
    fresh.push(machine.rows());
    t.same(wrongMatchesOfDatabase(machine.all()), [], "OVN accepts each match");
  }
  const numbers = states.map((_, i) => i);
  const walks = {
    forwards: { order: numbers, split: false, skip: false, reverse: false },
    backwards: { order: numbers.toReversed(), split: false, skip: false, reverse: false },
    "split into single objects": { order: numbers, split: true, skip: false, reverse: false },
    "split, in reverse order": { order: numbers.toReversed(), split: true, skip: false, reverse: true },
    squashed: { order: [...numbers, 0, ...numbers], split: false, skip: true, reverse: true },
  };
  for (const [name, { order, split, skip, reverse }] of Object.entries(walks)) {
    const machine = await stateMachine(t);
    for (const [step, i] of order.entries()) {
      const state = states[i] ?? [];
      await machine.apply(reverse ? state.toReversed() : state, split ? machine.idle : undefined);
      if (skip && step < order.length - 1) continue;
      await machine.idle();
      t.same(machine.rows(), fresh[i], `${name}: rows of state ${i}`);
    }
  }
  return fresh;
}
