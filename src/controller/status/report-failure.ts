// SPDX-License-Identifier: Apache-2.0

import type { ConditionEffect } from "../../compile/effects.ts";
import type { Failure, FailureSubject } from "../../desired/failures.ts";
import { unitId } from "../../desired/unit-kind.ts";
import { type FactReader, UnreadFactError } from "../../facts/store.ts";
import type { FactKind } from "../../facts/types.ts";
import { KINDS } from "../../kinds/index.ts";
import type { AnyKind } from "../../kinds/kind.ts";
import { kindOf, knownAs } from "../../kinds/objects.ts";
import type { EventSubject } from "../../kube/event-recorder.ts";
import { unitObjects } from "./unit-objects.ts";

/** The reason of Events and conditions for objects at which our own code throws. */
export const INTERNAL_ERROR = "InternalError";

/** An object at which our code threw, and the effect that writes this to its status, if its kind has one. */
export interface FailedObject {
  readonly about: EventSubject;
  readonly condition?: ConditionEffect;
}

/** The objects that a failure concerns. None if they are unknown, or if the cause is another object that could not be read. */
export function failedObjects(facts: FactReader, failure: Failure): readonly FailedObject[] {
  if (failure.error instanceof UnreadFactError || failure.error.cause instanceof UnreadFactError) return [];
  const kind = failedKind(failure);
  if (kind === undefined) return [];
  return subjectsOf(facts, kind, failure).map((about) => {
    const { uid } = about;
    // A failure to write statuses is not reported in a status.
    if (kind.status === undefined || uid === undefined || failure.part === "status") return { about };
    const resource = knownAs(kind) as ConditionEffect["resource"];
    const key = `condition/${resource}/${uid}`;
    const state = { ready: false, reason: INTERNAL_ERROR, message: failureMessage(failure) };
    return { about, condition: { kind: "condition", key, resource, name: about.name, uid, ...state } };
  });
}

/** The message for users. */
export function failureMessage({ error }: Failure): string {
  return `Internal error while processing this object; its last accepted configuration stays active; retrying: ${error.message.slice(0, 300)}`;
}

/** The unit of the object of a failure, whose effects must be repeated. */
export function failedUnit(subject: FailureSubject): string | undefined {
  const unit = subject.part === "unit" ? undefined : failedKind(subject)?.unit;
  return unit && unitId(unit.name, subject.key);
}

function failedKind({ part, kind }: FailureSubject): AnyKind | undefined {
  return part === "unit" ? KINDS.find(({ unit }) => unit?.name === kind) : kindOf(kind as FactKind);
}

function subjectsOf(
  facts: FactReader,
  kind: AnyKind,
  { part, kind: named, key, uid }: Failure,
): readonly EventSubject[] {
  if (part === "unit") return unitObjects(facts, unitId(named, key));
  const fact = facts.get(kind.facts, key);
  const known = fact !== undefined && "uid" in fact && typeof fact.uid === "string" ? fact.uid : uid;
  if (fact === undefined && uid === undefined) return [];
  const [first = "", second] = key.split("/");
  const where = second === undefined ? { name: first } : { namespace: first, name: second };
  return [{ type: kind.type, ...where, ...(known === undefined ? {} : { uid: known }) }];
}
