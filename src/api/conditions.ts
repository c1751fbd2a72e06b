// SPDX-License-Identifier: Apache-2.0

/** Conditions in the status of our objects, in Kube-OVN's shape (`pkg/apis/kubeovn/v1/condition.go`). */

/** What a condition is about. */
export type ConditionType = "Ready" | "Validated" | "Init" | "Error";

/** One condition. Times are RFC 3339 in UTC, whole seconds, as Kubernetes writes them. */
export interface Condition {
  readonly type: ConditionType;
  /** The node that it is about, in a ProviderNetwork; absent: the object. */
  readonly node?: string;
  readonly status: "True" | "False" | "Unknown";
  /** One CamelCase word for programs. */
  readonly reason?: string;
  /** A human-readable message. */
  readonly message?: string;
  /** `metadata.generation` of the object when the condition was evaluated. */
  readonly observedGeneration?: number;
  /** When any field of the condition last changed. */
  readonly lastUpdateTime: string;
  /** When `status` last changed. */
  readonly lastTransitionTime: string;
}

/** A condition without times, which {@link setCondition} adds. */
export type ConditionUpdate = Omit<Condition, "lastUpdateTime" | "lastTransitionTime">;

/**
 * The list with `update` applied. Returns the same array if nothing has changed except the time, so that a caller can compare by identity. Other
 * conditions and their order stay. `now` is RFC 3339, see `formatTime`.
 */
export function setCondition(
  conditions: readonly Condition[],
  update: ConditionUpdate,
  now: string,
): readonly Condition[] {
  const at = conditions.findIndex((condition) => condition.type === update.type && condition.node === update.node);
  const old = conditions[at];
  if (old === undefined) {
    return [...conditions, { ...update, lastUpdateTime: now, lastTransitionTime: now }];
  }
  const same =
    old.status === update.status &&
    (old.reason ?? "") === (update.reason ?? "") &&
    (old.message ?? "") === (update.message ?? "") &&
    (old.observedGeneration ?? 0) === (update.observedGeneration ?? 0);
  if (same) {
    return conditions;
  }
  const lastTransitionTime = old.status === update.status ? old.lastTransitionTime : now;
  return conditions.with(at, { ...update, lastUpdateTime: now, lastTransitionTime });
}

/** The condition of that type, if there is one. */
export function findCondition(conditions: readonly Condition[], type: ConditionType): Condition | undefined {
  return conditions.find((condition) => condition.type === type);
}
