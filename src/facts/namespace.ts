// SPDX-License-Identifier: Apache-2.0

/** One namespace. */
export interface NamespaceFact {
  readonly key: string;
  readonly name: string;
  readonly uid: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}
