// SPDX-License-Identifier: Apache-2.0

/**
 * Errors of a match:
 * - `too-long`: the text is longer than {@link MAX_MATCH_LENGTH};
 * - `too-deep`: parentheses are nested deeper than OVN allows;
 * - `syntax`: a syntax error;
 * - `unknown-symbol`: there is no such field or predicate;
 * - `type`: the constant does not fit the field (an IPv6 address for `ip4.src`, a number for `inport`);
 * - `operator`: the field or constant does not allow the operator (`ip.proto < 6`, `tcp.dst < {1, 2}`, a negated `ip4`);
 * - `unknown-set`: there is no address set or port group of that name.
 */
export type MatchErrorCode =
  | "too-long"
  | "too-deep"
  | "syntax"
  | "unknown-symbol"
  | "type"
  | "operator"
  | "unknown-set";

/** The maximum length of a match, in UTF-16 units: enough for some thousand prefixes. */
export const MAX_MATCH_LENGTH = 262_144;

/** A match is invalid or cannot be evaluated. OVN installs no flow for an ACL with such a match. */
export class MatchError extends Error {
  override readonly name = "MatchError";
  readonly code: MatchErrorCode;
  /** Position in the text, from 0, in UTF-16 units; absent for errors of the evaluation. */
  readonly position: number | undefined;

  constructor(code: MatchErrorCode, message: string, position?: number) {
    super(position === undefined ? message : `${message}, at character ${position + 1}`);
    this.code = code;
    this.position = position;
  }
}
