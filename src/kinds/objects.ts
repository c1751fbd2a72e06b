// SPDX-License-Identifier: Apache-2.0

import type { FactKind, ObjectKind } from "../facts/types.ts";
import type { ResourceType } from "../kube/resources.ts";
import { KINDS } from "./index.ts";
import type { AnyKind } from "./kind.ts";

const KIND_OF: ReadonlyMap<FactKind, AnyKind> = new Map(
  KINDS.flatMap((kind) => [[kind.facts, kind] as const, ...(kind.accepted ? [[kind.accepted, kind] as const] : [])]),
);

/** Of pods, those of the node's network are not followed; they have no Events of ours. */
const FACTS_OF: ReadonlyMap<string, FactKind> = new Map(
  KINDS.flatMap(({ type, facts, unit, fieldSelector }) =>
    facts === "pods" || (unit !== undefined && fieldSelector === undefined && type.kind !== undefined)
      ? [[type.kind ?? "", facts] as const]
      : [],
  ),
);

/** The kind of facts of a kind of Kubernetes, such as `Subnet`, all of whose objects are followed; `undefined` for other kinds. */
export function factsOfKind(kind: string): FactKind | undefined {
  return FACTS_OF.get(kind);
}

/** The kind of object of a kind of fact: its projection or its accepted configuration. */
export function kindOf(facts: FactKind): AnyKind | undefined {
  return KIND_OF.get(facts);
}

/** The resource of the objects of a kind of fact. */
export function typeOf(facts: ObjectKind): ResourceType {
  const kind = KIND_OF.get(facts);
  // Facts with a name and a UID are objects' facts: a kind declares each of them.
  if (kind === undefined) throw new Error(`no kind of object has facts "${facts}"`);
  return kind.type;
}

/** The kind of facts that units and effects use for the objects of a kind. */
export function knownAs({ facts, accepted }: AnyKind): FactKind {
  return accepted ?? facts;
}
