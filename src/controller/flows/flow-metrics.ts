// SPDX-License-Identifier: Apache-2.0

import { Counter, type Registry } from "prom-client";
import type { FactReader } from "../../facts/store.ts";
import { FlowEnds, type FlowHolder } from "../../page/flow-ends.ts";
import { namespaceOfHolder } from "../../page/viewer.ts";
import { decisionOf, type FlowRules } from "../../reachability/flow-rules.ts";
import type { Clock } from "../../time/clock.ts";
import type { FlowChange, FlowReader } from "./flow-reader.ts";

/** What {@link FlowMetrics} names flows by. */
export interface FlowMetricsParts {
  readonly facts: FactReader;
  readonly rules: () => FlowRules;
  readonly clock: Pick<Clock, "after">;
}

/** Series at most; so that neither tenants who create namespaces nor nodes that invent flows make more. */
const MAX_SERIES = 2_000;
/** Flows between other addresses, or of other policies, that are named at a time at most: this takes some 30 ms of CPU. */
const MAX_PENDING = 2_000;
/** Changes are named together after so many ms. */
const NAMED_AFTER_MS = 5_000;

const LABELS = ["source_namespace", "destination_namespace", "direction", "verdict"] as const;
type Labels = Readonly<Record<(typeof LABELS)[number], string>>;

/** What does not fit. A name in parentheses is that of no namespace. */
const OTHER: Labels = {
  ...{ source_namespace: "(other)", destination_namespace: "(other)" },
  ...{ direction: "(other)", verdict: "(other)" },
};

interface Series {
  readonly labels: Labels;
  packets: number;
  /** Whether it has been scraped. Then Prometheus knows the 0 that it began with, and its first packets are an increase. */
  scraped: boolean;
}

/** Counts the sampled packets of flows by the namespaces of their ends, and by what the policy said. */
export class FlowMetrics {
  readonly #parts: FlowMetricsParts;
  readonly #series = new Map<string, Series>();
  readonly #pending = new Map<string, FlowChange>();
  #cancel: (() => void) | undefined;
  #end: (() => void) | undefined;

  constructor(registry: Registry, parts: FlowMetricsParts) {
    this.#parts = parts;
    const values = (): Iterable<readonly [Labels, number]> => this.#values();
    new Counter({
      name: "weft_flow_sampled_packets_total",
      help: "Sampled packets of connections that policies allowed or dropped, by the namespaces of their ends, the direction of the policy, and its verdict",
      labelNames: LABELS,
      registers: [registry],
      collect() {
        this.reset();
        for (const [labels, packets] of values()) this.inc(labels, packets);
      },
    });
  }

  /** Has flows read and counts them from now on, or ceases to. */
  follow(reader: FlowReader, follows: boolean): void {
    this.#end?.();
    this.#end = undefined;
    if (!follows) return;
    const unsubscribe = reader.subscribe((changes) => this.note(changes));
    const release = reader.hold();
    this.#end = () => {
      unsubscribe();
      release();
      this.#forget();
    };
  }

  /** Notes flows that have changed; they are named some seconds later, together. */
  note(changes: readonly FlowChange[]): void {
    for (const change of changes) {
      const { node, flow, added } = change;
      if (added === 0) continue;
      const key = `${node} ${flow.point} ${flow.from} ${flow.to}`;
      const known = this.#pending.get(key);
      if (known === undefined && this.#pending.size >= MAX_PENDING) this.#add(OTHER, added);
      else this.#pending.set(key, { ...change, added: added + (known?.added ?? 0) });
    }
    if (this.#pending.size > 0) this.#cancel ??= this.#parts.clock.after(NAMED_AFTER_MS, () => this.#name());
  }

  /** What has not been named yet. */
  #forget(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#pending.clear();
  }

  #name(): void {
    const { facts, rules } = this.#parts;
    this.#makeRoom();
    const ends = new FlowEnds(facts, rules());
    for (const { node, flow, added } of this.#pending.values()) {
      const { from, to, rules: decided } = ends.of(node, flow);
      const { at = "(unknown)", verdict } = decisionOf(decided);
      const [source, destination] = [namespaceLabel(from), namespaceLabel(to)];
      this.#add({ source_namespace: source, destination_namespace: destination, direction: at, verdict }, added);
    }
    this.#forget();
  }

  #add(labels: Labels, packets: number): void {
    const key = LABELS.map((name) => labels[name]).join(" ");
    const known = this.#series.get(key);
    if (known !== undefined) known.packets += packets;
    else if (labels === OTHER || this.#series.size < MAX_SERIES)
      this.#series.set(key, { labels, packets, scraped: false });
    else this.#add(OTHER, packets);
  }

  /** Series of namespaces that are gone make room for others. */
  #makeRoom(): void {
    if (this.#series.size < MAX_SERIES) return;
    const isGone = (name: string): boolean =>
      !name.startsWith("(") && this.#parts.facts.get("namespaces", name) === undefined;
    for (const [key, { labels }] of this.#series)
      if (isGone(labels.source_namespace) || isGone(labels.destination_namespace)) this.#series.delete(key);
  }

  *#values(): Generator<readonly [Labels, number]> {
    for (const series of this.#series.values()) {
      yield [series.labels, series.scraped ? series.packets : 0];
      series.scraped = true;
    }
  }
}

/** The namespace of an end, or in parentheses why it has none. */
function namespaceLabel(holders: readonly FlowHolder[]): string {
  const [first, ...others] = new Set(
    holders.map(({ holder }) => (holder.startsWith("node:") ? "(node)" : (namespaceOfHolder(holder) ?? "(unknown)"))),
  );
  // Outside of the cluster, or gone.
  if (first === undefined) return "(none)";
  return others.length === 0 ? first : "(several)";
}
