// SPDX-License-Identifier: Apache-2.0

import { chassisUnit } from "../../compile/node/chassis.ts";
import { splitUnitId } from "../../desired/unit-kind.ts";
import type { FactReader } from "../../facts/store.ts";
import { KINDS } from "../../kinds/index.ts";
import type { AnyKind } from "../../kinds/kind.ts";
import { nodeKind } from "../../kinds/node.ts";
import { knownAs } from "../../kinds/objects.ts";
import type { EventSubject } from "../../kube/event-recorder.ts";

/** Kind of unit → the kind of object that its units represent. Groups belong to no single object: policies share them. */
const KIND_OF_UNIT: ReadonlyMap<string, AnyKind> = new Map([
  ...KINDS.flatMap((kind) => (kind.unit === undefined ? [] : [[kind.unit.name, kind] as const])),
  [chassisUnit.name, nodeKind],
]);

/** The objects of a unit, for Events about it: its own, or the pods that use a holder's addresses. */
export function unitObjects(facts: FactReader, unit: string): readonly EventSubject[] {
  const { kind: name, key } = splitUnitId(unit);
  const kind = KIND_OF_UNIT.get(name);
  if (kind === undefined) return [];
  return (kind.objectsOf?.(facts, key) ?? [key]).flatMap((key) => {
    const fact = facts.get(knownAs(kind), key);
    if (fact === undefined) return [];
    const [first = "", second] = key.split("/");
    const where = second === undefined ? { name: first } : { namespace: first, name: second };
    const uid = "uid" in fact && typeof fact.uid === "string" ? { uid: fact.uid } : {};
    return [{ type: kind.type, ...where, ...uid }];
  });
}
