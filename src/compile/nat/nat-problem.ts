// SPDX-License-Identifier: Apache-2.0

/** Why a rule is not applied. */
export interface NatProblem {
  readonly ok: false;
  readonly reason: string;
  readonly message: string;
}

/** The problem with this reason and message. */
export function natProblem(reason: string, message: string): NatProblem {
  return { ok: false, reason, message };
}
