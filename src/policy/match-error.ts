// SPDX-License-Identifier: Apache-2.0

/**
 * What can be wrong with a match:
 * - `too-long`: the text is longer than {@link MAX_MATCH_LENGTH};
 * - `too-deep`: parentheses nest deeper than OVN takes;
 * - `syntax`: it is not of the language's form;
 * - `unknown-symbol`: no such field or predicate;
 * - `type`: the constant does not fit the field (an IPv6 address for `ip4.src`, a number for `inport`);
 * - `operator`: the field or constant does not go with the operator (`ip.proto < 6`, `tcp.dst < {1, 2}`, a negated `ip4`);
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

/** How long a match may be, in UTF-16 units: room for some thousand prefixes written out. */
export const MAX_MATCH_LENGTH = 262_144;

/** Why a text is no match, or a match cannot be evaluated. OVN installs no flow for an ACL with such a match. */
export class MatchError extends Error {
  override readonly name = "MatchError";
  readonly code: MatchErrorCode;
  /** Where in the text, counted from 0 in UTF-16 units; absent when it came up in evaluation. */
  readonly position: number | undefined;

  constructor(code: MatchErrorCode, message: string, position?: number) {
    super(position === undefined ? message : `${message}, at character ${position + 1}`);
    this.code = code;
    this.position = position;
  }
}
