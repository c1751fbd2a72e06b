// SPDX-License-Identifier: Apache-2.0

/**
 * The outcome of a commit.
 * - `refused`: the database will always refuse this transaction. `faults`: it was not sent, because these values cannot be encoded.
 *   Without them, a clustered database may have applied it all the same.
 * - `unknown`: the connection broke or the deadline passed; the mirror will show the result. `dropped`: the connection broke during the transaction,
 * perhaps because of it.
 * - `deposed`: another process leads now.
 */
export type CommitOutcome =
  | { readonly kind: "committed" }
  | { readonly kind: "refused"; readonly error: Error; readonly faults?: readonly Fault[] }
  | { readonly kind: "unknown"; readonly error: Error; readonly dropped?: boolean }
  | { readonly kind: "deposed" };

/** The part of a plan that cannot be sent: a row, or one member of a set in it. */
export interface Fault {
  readonly row: string;
  readonly member?: { readonly column: string; readonly value: string };
  readonly error: Error;
}
