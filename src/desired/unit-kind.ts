// SPDX-License-Identifier: Apache-2.0

import type { Effect, Fragment } from "./fragment.ts";

/**
 * A kind of unit: the smallest object that is compiled at once (a pod, a subnet, a VPC …).
 *
 * `read` gets the unit's input through a reader that records the dependencies. `compile` is a pure function of that input. They are separate so that
 * an unchanged input is not compiled again.
 */
export interface UnitKind<Reader, Input, E extends Effect = Effect> {
  /** Unique among kinds; a unit's id is `<name>:<key>`. */
  readonly name: string;
  /** Lower values first, when more is to be done than fits into one transaction. */
  readonly priority: number;
  /**
   * True if all units that became dirty together must be committed together, however many: a policy that moves from one group to another must not
   * leave the pods of both without rules. See `EngineOptions.batch`.
   */
  readonly atomic?: true;
  /** The input of the unit `key`, or `undefined` where the unit does not exist. */
  read(reader: Reader, key: string): Input | undefined;
  compile(input: Input): Fragment<E>;
}

/** A kind with any input type. */
// biome-ignore lint/suspicious/noExplicitAny: an existential type; only the kind itself ever sees its input.
export type AnyUnitKind<Reader, E extends Effect = Effect> = UnitKind<Reader, any, E>;

/** A unit's id: `<kind>:<key>`. */
export function unitId(kind: string, key: string): string {
  return `${kind}:${key}`;
}

/** The parts of a unit's id. Keys may contain colons, kinds may not. */
export function splitUnitId(id: string): { kind: string; key: string } {
  const colon = id.indexOf(":");
  return { kind: id.slice(0, colon), key: id.slice(colon + 1) };
}
