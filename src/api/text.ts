// SPDX-License-Identifier: Apache-2.0

/** Untrusted strings: what OVSDB and JSON can hold, and how messages show them. */

/** Whether OVSDB accepts the text (RFC 7047 §5.1: no U+0000; and, as JSON in UTF-8, no unpaired surrogate). */
export function isStorable(text: string): boolean {
  return text.isWellFormed() && !text.includes("\0");
}

/** The text with U+FFFD for characters that OVSDB does not accept. For text that only people read. */
export function storable(text: string): string {
  return text.toWellFormed().replaceAll("\0", "\uFFFD");
}

/** The first `length` UTF-16 units; one less if that would split a character. */
export function cutText(text: string, length: number): string {
  const cut = text.slice(0, length);
  const splits =
    cut.length < text.length && /[\uD800-\uDBFF]$/.test(cut) && /^[\uDC00-\uDFFF]/.test(text.slice(length));
  return splits ? cut.slice(0, -1) : cut;
}

/** A text for a message: in quotes, on one line, at most `length` long. */
export function quoted(text: string, length = 80): string {
  const shown = text.toWellFormed();
  return JSON.stringify(shown.length > length ? `${cutText(shown, length)}…` : shown);
}
