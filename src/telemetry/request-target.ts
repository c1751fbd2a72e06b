// SPDX-License-Identifier: Apache-2.0

/**
 * Path and query of an HTTP request's target (RFC 9112, 3.2). Any text is accepted, because the sender is not trusted and `new URL` throws for `//`.
 * The absolute form and unknown paths are answered with 404.
 */
export function requestTarget(target = "/"): { readonly path: string; readonly query: URLSearchParams } {
  const mark = target.indexOf("?");
  if (mark < 0) return { path: target, query: new URLSearchParams() };
  return { path: target.slice(0, mark), query: new URLSearchParams(target.slice(mark + 1)) };
}
