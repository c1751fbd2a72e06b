// SPDX-License-Identifier: Apache-2.0

/**
 * The entries of a list in a text, separated by commas, without the blanks around them and without empty entries. For lists in which an empty entry
 * means nothing; where it is an error the text is split by its reader.
 */
export function commaList(text: string): readonly string[] {
  return text
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");
}
