// SPDX-License-Identifier: Apache-2.0

import type { Effect, Fragment } from "./fragment.ts";

/**
 * A kind of unit: the smallest thing that is compiled whole (a pod, a subnet, a VPC …).
 *
 * `read` takes what the unit needs through a recording reader, so its dependencies are what it read and are never
 * written by hand. `compile` is a pure function of that input. They are apart so that an unchanged input is cut off
 * before it is compiled.
 */
export interface UnitKind<Reader, Input, E extends Effect = Effect> {
  /** Unique among kinds; a unit's id is `<name>:<key>`. */
  readonly name: string;
  /** Smaller goes first when there is more to do than fits in one transaction. */
  readonly priority: number;
  /**
   * True where all that became dirty together must be committed together, however much that is: a policy that moves from one
   * group to another must not leave the pods of both without it. See `EngineOptions.batch`.
   */
  readonly atomic?: true;
  /** The input of the unit `key`, or `undefined` where the unit does not exist. */
  read(reader: Reader, key: string): Input | undefined;
  compile(input: Input): Fragment<E>;
}

/** A kind whose input type is of no concern to its holder. */
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
