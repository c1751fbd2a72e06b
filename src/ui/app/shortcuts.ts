// SPDX-License-Identifier: Apache-2.0

/** Whether a key is meant for a field that one types into, or with a modifier for the browser. */
export function isTyping(event: KeyboardEvent): boolean {
  if (event.ctrlKey || event.metaKey || event.altKey) return true;
  const { target } = event;
  return target instanceof HTMLElement && target.matches("input, textarea, select, [contenteditable]");
}
