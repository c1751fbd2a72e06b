import { judgeChassis } from "../compile/node-chassis.ts";
import type { ChassisProblemFact } from "../facts/database.ts";
import type { FactChange, FactStore } from "../facts/store.ts";
import type { FactKind, NodeFact } from "../facts/types.ts";
import type { Timers } from "../unit/timers.ts";

/**
 * What is wrong for so long, in ms, is said. That a node is not there yet no event can tell: its ovn-controller, or the southbound database, may be
 * starting; ovn-controller tries again every 8 s at most.
 */
const GRACE_MS = 30_000;

/** What judgements go by. */
const JUDGED: ReadonlySet<FactKind> = new Set(["nodes", "chassis", "encaps", "served"]);

/**
 * Keeps facts `chassisProblems`: what has been wrong with a node's chassis for {@link GRACE_MS}. What the Node says already is so from the start, so
 * that a new process takes nothing back. It has one timer, for the node that is due first.
 */
export class ChassisWatch {
  readonly #facts: FactStore;
  readonly #clock: Timers & { readonly now: () => number };
  /** Node → since when something is wrong with it, and has not been said. */
  readonly #since = new Map<string, number>();
  #cancel: (() => void) | undefined;
  #due = false;

  constructor(facts: FactStore, clock: Timers & { readonly now: () => number }) {
    this.#facts = facts;
    this.#clock = clock;
  }

  /** A fact has changed. All nodes are judged anew once the facts that change together have: nodes and chassis are few, and change rarely. */
  noteFact({ kind }: FactChange): void {
    if (!JUDGED.has(kind) || this.#due) return;
    this.#due = true;
    queueMicrotask(() => {
      this.#due = false;
      this.#judge();
    });
  }

  /** Ends it. */
  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #judge(): void {
    const facts = this.#facts;
    const now = this.#clock.now();
    const nodes = new Set<string>();
    for (const node of facts.all("nodes")) {
      nodes.add(node.name);
      this.#judgeNode(node, now);
    }
    for (const { key } of facts.all("chassisProblems"))
      if (!nodes.has(key)) facts.set("chassisProblems", key, undefined);
    for (const name of this.#since.keys()) if (!nodes.has(name)) this.#since.delete(name);
    this.#arm(now);
  }

  #judgeNode(node: NodeFact, now: number): void {
    const facts = this.#facts;
    const { name } = node;
    const problem = judgeChassis(facts, node);
    if (problem === undefined) {
      this.#since.delete(name);
      facts.set("chassisProblems", name, undefined);
      return;
    }
    const fact: ChassisProblemFact = { key: name, ...problem };
    const said = facts.get("chassisProblems", name) ?? node.chassisProblem;
    if (said?.reason === problem.reason || now - (this.#since.get(name) ?? now) >= GRACE_MS) {
      this.#since.delete(name);
      facts.set("chassisProblems", name, fact);
      return;
    }
    if (!this.#since.has(name)) this.#since.set(name, now);
  }

  #arm(now: number): void {
    this.stop();
    if (this.#since.size === 0) return;
    const due = Math.min(...this.#since.values()) + GRACE_MS;
    this.#cancel = this.#clock.after(Math.max(0, due - now), () => this.#judge());
  }
}
