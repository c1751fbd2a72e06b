// SPDX-License-Identifier: Apache-2.0

/**
 * What a commit may come to.
 * - `refused`: the database refuses this very transaction, for ever. `faults`: it was not even sent, for these values cannot be.
 *   Without them, a clustered database may have applied it all the same.
 * - `unknown`: the connection broke or the time was up; the mirror will tell. `dropped`: it broke while the transaction was under way,
 *   perhaps because of it.
 * - `deposed`: somebody else leads now.
 */
export type CommitOutcome =
  | { readonly kind: "committed" }
  | { readonly kind: "refused"; readonly error: Error; readonly faults?: readonly Fault[] }
  | { readonly kind: "unknown"; readonly error: Error; readonly dropped?: boolean }
  | { readonly kind: "deposed" };

/** What of a plan cannot be sent: a row, or one member of a set in it. */
export interface Fault {
  readonly row: string;
  readonly member?: { readonly column: string; readonly value: string };
  readonly error: Error;
}
