// SPDX-License-Identifier: Apache-2.0

import type { FactKind, ObjectKind } from "../facts/types.ts";
import type { ResourceType } from "../kube/resources.ts";
import { KINDS } from "./index.ts";
import type { AnyKind } from "./kind.ts";

const KIND_OF: ReadonlyMap<FactKind, AnyKind> = new Map(
  KINDS.flatMap((kind) => [[kind.facts, kind] as const, ...(kind.accepted ? [[kind.accepted, kind] as const] : [])]),
);

/** The kind of object that a kind of fact is of: the one projected from it, or its accepted configuration. */
export function kindOf(facts: FactKind): AnyKind | undefined {
  return KIND_OF.get(facts);
}

/** The type of the objects that a kind of fact is of. */
export function typeOf(facts: ObjectKind): ResourceType {
  const kind = KIND_OF.get(facts);
  // Facts with a name and a UID are objects' facts: a kind declares each of them.
  if (kind === undefined) throw new Error(`no kind of object has facts "${facts}"`);
  return kind.type;
}

/** The facts by which units and effects know the objects of a kind. */
export function knownAs({ facts, accepted }: AnyKind): FactKind {
  return accepted ?? facts;
}
