// SPDX-License-Identifier: Apache-2.0

/** A label selector of Kubernetes (meta/v1 LabelSelector). */
export interface LabelSelectorFact {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly {
    readonly key: string;
    readonly operator: string;
    readonly values?: readonly string[];
  }[];
}
