// SPDX-License-Identifier: Apache-2.0

/** Kubernetes' selector of labels (meta/v1 LabelSelector): all requirements must match; an empty selector matches everything. */
export interface LabelSelector {
  /** Label name → required value. */
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly LabelSelectorRequirement[];
}

/** One condition on one label (meta/v1 LabelSelectorRequirement). */
export interface LabelSelectorRequirement {
  readonly key: string;
  /** `In`, `NotIn`, `Exists` or `DoesNotExist`; the API server does not check it. */
  readonly operator: string;
  /** For `In` and `NotIn`. */
  readonly values?: readonly string[];
}
