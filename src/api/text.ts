// SPDX-License-Identifier: Apache-2.0

/** Texts that come from outside: what OVSDB and a JSON document can hold of them, and how people are shown them. */

/** Whether OVSDB takes the text (RFC 7047 §5.1: no U+0000; and as JSON in UTF-8 no surrogate without its other half). */
export function isStorable(text: string): boolean {
  return text.isWellFormed() && !text.includes("\0");
}

/** The text with U+FFFD in place of what OVSDB does not take: for what only people read. */
export function storable(text: string): string {
  return text.toWellFormed().replaceAll("\0", "\uFFFD");
}

/** The first `length` UTF-16 units; one less where that would cut a character in two. */
export function cutText(text: string, length: number): string {
  const cut = text.slice(0, length);
  const splits =
    cut.length < text.length && /[\uD800-\uDBFF]$/.test(cut) && /^[\uDC00-\uDFFF]/.test(text.slice(length));
  return splits ? cut.slice(0, -1) : cut;
}

/** A text as a message shows it: in quotes, on one line, of `length` at most. */
export function quoted(text: string, length = 80): string {
  const shown = text.toWellFormed();
  return JSON.stringify(shown.length > length ? `${cutText(shown, length)}…` : shown);
}
