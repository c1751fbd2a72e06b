// SPDX-License-Identifier: Apache-2.0

/** Kubernetes' selector of labels (meta/v1 LabelSelector): all that it says must hold; an empty one matches everything. */
export interface LabelSelector {
  /** Label name → the value that it must have. */
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
