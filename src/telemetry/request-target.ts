// SPDX-License-Identifier: Apache-2.0

/**
 * Path and query of an HTTP request's target (RFC 9112, 3.2). Any text is accepted: who sends it is not known, and `new URL` throws at `//`. What is no
 * path of ours, as the absolute form is, is found nowhere.
 */
export function requestTarget(target = "/"): { readonly path: string; readonly query: URLSearchParams } {
  const mark = target.indexOf("?");
  if (mark < 0) return { path: target, query: new URLSearchParams() };
  return { path: target.slice(0, mark), query: new URLSearchParams(target.slice(mark + 1)) };
}
