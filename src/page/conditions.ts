// SPDX-License-Identifier: Apache-2.0

import type { Condition } from "../api/conditions.ts";
import type { ConditionEffect } from "../compile/effects.ts";
import { parseTime } from "../time/rfc3339.ts";
import type { ConditionRow, Health } from "./contract.ts";

/** The kinds of objects whose status the controller writes. */
export type StatusKind = ConditionEffect["resource"];

/** The conditions in the status of an object, as last seen. */
export type ConditionsOf = (kind: StatusKind, name: string) => readonly Condition[];

/** Conditions as rows, those that need a hand first. */
export function conditionRows(conditions: readonly Condition[]): readonly ConditionRow[] {
  const rows = conditions.map(({ type, status, reason = "", message = "", lastTransitionTime, node }): ConditionRow => {
    const since = parseTime(lastTransitionTime);
    return {
      type: node === undefined ? type : `${type} (${node})`,
      ...{ status, reason, message },
      ...(since !== undefined && { since }),
    };
  });
  return rows.toSorted((a, b) => Number(a.status === "True") - Number(b.status === "True"));
}

/** How an object is, by its condition Ready. */
export function healthOf(conditions: readonly Condition[]): { readonly state: Health; readonly problem?: string } {
  const ready = conditions.find(({ type, node }) => type === "Ready" && node === undefined);
  if (ready === undefined) return { state: "unknown" };
  if (ready.status === "True") return { state: "ok" };
  const { reason = "", message = "" } = ready;
  return { state: "error", problem: [reason, message].filter((part) => part !== "").join(": ") };
}
