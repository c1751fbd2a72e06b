// SPDX-License-Identifier: Apache-2.0

import { NameCollisions } from "../../src/compile/name-collisions.ts";
import { DERIVED_INDEXES } from "../../src/facts/store.ts";
import { KINDS } from "../../src/kinds/index.ts";
import { UNIT_KINDS } from "../../src/kinds/units.ts";
import { type KubeObject, keyOf } from "../../src/kube/object.ts";
import { GroupIndex } from "../../src/policy/group-index.ts";
import { SecurityGroupIndex } from "../../src/policy/security-group-index.ts";
import { Random } from "./random.ts";
import { replaced } from "./replaced.ts";
import type { Scheduler } from "./scheduler.ts";
import type { ThrowAction } from "./script.ts";

/**
 * An exception of the code caused by an unexpected input. It differs from the errors by which a run detects bugs of the code
 * (`TypeError` …), because it is expected.
 */
class PlantedError extends Error {
  override readonly name = "PlantedError";
}

/** The fields that are read of every object, even if it is only passed on. */
const IDENTITY: readonly string[] = ["apiVersion", "kind", "metadata"];

type Indexes = Record<string, (fact: { readonly key: string }) => readonly (string | undefined)[]>;

interface Deriving {
  noteFact(change: { readonly key: string }): void;
}

/** A place in the code that throws for a while. */
interface Period extends ThrowAction {
  readonly from: number;
  /** The number of calls so far, if each throws at random. */
  calls: number;
}

/**
 * Faults in the code itself: a unit's `read` or `compile`, the projection of an object, an index of facts, or what derives facts from
 * others throws, for some objects at every call or at random calls, until it is healed. All processes of a run are affected, because they run the same
 * code on the same input.
 */
export class Throwing {
  readonly #scheduler: Scheduler;
  readonly #seed: string;
  readonly #periods = new Set<Period>();
  /** Inputs of units → their keys, because `compile` does not get these. */
  readonly #inputs = new WeakMap<object, string>();
  readonly #struck = new Map<string, boolean>();
  /** `site key` → when it threw first. */
  readonly thrown = new Map<string, number>();

  /** Plurals whose projections throw at some time: objects of others are not changed. */
  readonly #projected: ReadonlySet<string>;

  /** `actions`: all periods that will begin. */
  constructor(scheduler: Scheduler, seed: string, actions: readonly ThrowAction[]) {
    this.#scheduler = scheduler;
    this.#seed = seed;
    this.#projected = new Set(actions.map(({ site }) => site).flatMap((site) => site.match(/(?<=^project:).*/) ?? []));
  }

  /** Starts; the returned function heals it. */
  begin(action: ThrowAction): () => void {
    const period: Period = { ...action, from: this.#scheduler.elapsed, calls: 0 };
    this.#periods.add(period);
    return () => {
      this.#periods.delete(period);
      this.#struck.clear();
      this.#scheduler.note(`healed: ${period.site}`);
    };
  }

  /** Whether nothing throws any more. */
  get healed(): boolean {
    return this.#periods.size === 0;
  }

  /** Whether something throws at an object of a kind (`pods`, a unit's kind …), or may; `since`: for so many ms at least. */
  concerns(kinds: readonly string[], key: string, since = 0): boolean {
    for (const period of this.#periods) {
      if (this.#scheduler.elapsed - period.from < since) continue;
      const kind = period.site.split(":")[1] ?? "";
      if ((kinds.includes(kind) || period.site.startsWith("derive:")) && this.#isStruck(period, key)) return true;
    }
    return false;
  }

  /** Makes the code throw; the returned function reverts that. */
  install(): () => void {
    const undo: (() => void)[] = [];
    for (const kind of UNIT_KINDS) {
      undo.push(
        replaced(kind, "read", (read) => (reader, key) => {
          this.#call(`read:${kind.name}`, key);
          const input: unknown = read.call(kind, reader, key);
          if (typeof input === "object" && input !== null) this.#inputs.set(input, key);
          return input;
        }),
        replaced(kind, "compile", (compile) => (input) => {
          this.#call(`compile:${kind.name}`, this.#inputs.get(input as object) ?? "");
          return compile.call(kind, input);
        }),
      );
    }
    for (const [kind, indexes] of declaredIndexes()) {
      for (const name of Object.keys(indexes)) {
        undo.push(
          replaced(indexes, name, (valuesOf) => (fact) => {
            this.#call(`index:${kind}`, fact.key);
            return valuesOf(fact);
          }),
        );
      }
    }
    const deriving = { nameCollisions: NameCollisions, groups: GroupIndex, securityGroups: SecurityGroupIndex };
    for (const [name, { prototype }] of Object.entries(deriving)) {
      const call = (key: string): void => this.#call(`derive:${name}`, key);
      undo.push(
        replaced(prototype as Deriving, "noteFact", (noteFact) => {
          return function (this: Deriving, change) {
            call(change.key);
            noteFact.call(this, change);
          };
        }),
      );
    }
    return () => {
      for (const one of undo.reverse()) one();
    };
  }

  /** An object whose projection throws while a period applies to it: reading any field except its name throws. */
  poisoned<T extends KubeObject>(plural: string, object: T): T {
    if (!this.#projected.has(plural)) return object;
    const key = keyOf(object.metadata);
    const call = (): void => this.#call(`project:${plural}`, key);
    const copy = { ...object, metadata: { ...object.metadata } };
    for (const field of Object.keys(copy)) if (!IDENTITY.includes(field)) guard(copy, field, call);
    for (const field of ["labels", "annotations"]) if (field in copy.metadata) guard(copy.metadata, field, call);
    return copy;
  }

  #call(site: string, key: string): void {
    for (const period of this.#periods) {
      if (period.site !== site || !this.#isStruck(period, key)) continue;
      if (period.chance !== undefined && !this.#strikesByChance(period, period.chance)) continue;
      const what = `${site} ${key}`;
      if (!this.thrown.has(what)) this.thrown.set(what, this.#scheduler.elapsed);
      throw new PlantedError(`planted in ${what}`);
    }
  }

  #isStruck(period: Period, key: string): boolean {
    const what = `${period.site}/${period.at}/${period.pick}/${key}`;
    let struck = this.#struck.get(what);
    if (struck === undefined) {
      struck = new Random(`${this.#seed}/throw/${what}`).chance(period.share);
      this.#struck.set(what, struck);
    }
    return struck;
  }

  #strikesByChance(period: Period, chance: number): boolean {
    return new Random(`${this.#seed}/throw/${period.site}/${period.pick}/${period.calls++}`).chance(chance);
  }
}

/** The indexes of each kind of fact, in a type that allows replacing them. */
function declaredIndexes(): readonly (readonly [string, Indexes])[] {
  const own = KINDS.map(({ facts, indexes }) => [facts, indexes] as const);
  return [...own, ...Object.entries(DERIVED_INDEXES)] as unknown as readonly (readonly [string, Indexes])[];
}

/** Calls `call` whenever the field is read. */
function guard(target: object, field: string, call: () => void): void {
  const value: unknown = Reflect.get(target, field);
  Object.defineProperty(target, field, {
    enumerable: true,
    configurable: true,
    get: () => {
      call();
      return value;
    },
  });
}
