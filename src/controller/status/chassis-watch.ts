// SPDX-License-Identifier: Apache-2.0

import { samePlain } from "../../collections/plain.ts";
import { judgeChassis } from "../../compile/node/node-chassis.ts";
import type { ChassisProblemFact } from "../../facts/database.ts";
import type { FactChange } from "../../facts/fact-change.ts";
import type { FactStore } from "../../facts/store.ts";
import type { FactKind } from "../../facts/types.ts";
import type { Clock } from "../../time/clock.ts";

/**
 * A problem is reported after this time, in ms. There is no event for a chassis that is still missing: its ovn-controller or the southbound database
 * may be starting; ovn-controller retries every 8 s at most.
 */
const GRACE_MS = 30_000;

/** The kinds of facts that are read. */
const JUDGED: ReadonlySet<FactKind> = new Set(["nodes", "chassis", "encaps", "served"]);

/** A problem that is not reported yet. */
interface Unsaid {
  readonly fact: ChassisProblemFact;
  readonly since: number;
}

/**
 * Maintains the facts `chassisProblems`: problems of a node's chassis that have lasted for {@link GRACE_MS}. A problem in the Node's condition is
 * used from the start, so that a new process does not withdraw it, and stays while another problem has not lasted long enough. There is one timer,
 * for the node that is due first.
 */
export class ChassisWatch {
  readonly #facts: FactStore;
  readonly #clock: Pick<Clock, "now" | "after">;
  readonly #unsaid = new Map<string, Unsaid>();
  #cancel: (() => void) | undefined;
  #due = false;

  constructor(facts: FactStore, clock: Pick<Clock, "now" | "after">) {
    this.#facts = facts;
    this.#clock = clock;
  }

  /** A fact has changed. All nodes are evaluated again after the current task: nodes and chassis are few and change rarely. */
  noteFact({ kind }: FactChange): void {
    if (!JUDGED.has(kind) || this.#due) return;
    this.#due = true;
    queueMicrotask(() => {
      this.#due = false;
      this.#judge();
    });
  }

  /** Cancels the timer. */
  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #judge(): void {
    const facts = this.#facts;
    const now = this.#clock.now();
    const nodes = new Set<string>();
    for (const { name } of facts.all("nodes")) {
      nodes.add(name);
      // A node for which this throws keeps its problem, and the others are evaluated.
      const subject = { part: "derived fact", where: "chassisProblems", kind: "nodes", key: name } as const;
      facts.failures.run(subject, () => this.#judgeNode(name));
    }
    for (const { key } of facts.all("chassisProblems"))
      if (!nodes.has(key)) facts.set("chassisProblems", key, undefined);
    for (const name of this.#unsaid.keys()) if (!nodes.has(name)) this.#unsaid.delete(name);
    this.#arm(now);
  }

  #judgeNode(name: string): void {
    const facts = this.#facts;
    const node = facts.get("nodes", name);
    if (node === undefined) return;
    const now = this.#clock.now();
    const problem = judgeChassis(facts, node);
    const fact = problem && { key: name, ...problem };
    const condition = node.chassisProblem;
    if (fact !== undefined && fact.reason === condition?.reason && facts.get("chassisProblems", name) === undefined) {
      facts.set("chassisProblems", name, { ...fact, message: condition.message });
    }
    if (fact === undefined || samePlain(fact, facts.get("chassisProblems", name))) {
      this.#unsaid.delete(name);
      if (fact === undefined) facts.set("chassisProblems", name, undefined);
      return;
    }
    const unsaid = this.#unsaid.get(name);
    if (unsaid === undefined || !samePlain(unsaid.fact, fact)) this.#unsaid.set(name, { fact, since: now });
    else if (now - unsaid.since >= GRACE_MS) {
      this.#unsaid.delete(name);
      facts.set("chassisProblems", name, fact);
    }
  }

  #arm(now: number): void {
    this.stop();
    if (this.#unsaid.size === 0) return;
    const due = Math.min(...[...this.#unsaid.values()].map(({ since }) => since)) + GRACE_MS;
    this.#cancel = this.#clock.after(Math.max(0, due - now), () => this.#judge());
  }
}
