// SPDX-License-Identifier: Apache-2.0

import { signal } from "@preact/signals";
import { hashOf, type PageRoute, parseHash } from "../model/route.ts";

/** What is shown. Written by {@link go} and by the browser's own navigation only. */
export const route = signal<PageRoute>(parseHash(location.hash));

/** Follows the browser: links, back and forward. */
export function followAddress(): void {
  addEventListener("hashchange", () => {
    route.value = parseHash(location.hash);
  });
}

/** Shows something else; `replace` if it is no step that one goes back to, as a letter typed into a filter. */
export function go(next: Partial<PageRoute> & Pick<PageRoute, "view">, { replace = false } = {}): void {
  const full: PageRoute = { path: [], query: {}, ...next };
  const hash = hashOf(full);
  if (hash === location.hash) return;
  if (replace) history.replaceState(null, "", hash);
  else history.pushState(null, "", hash);
  route.value = full;
}

/** Sets parts of the query of the present route, in place. An empty value removes a part. */
export function ask(query: Readonly<Record<string, string>>): void {
  const { view, path, query: before } = route.value;
  go({ view, path, query: { ...before, ...query } }, { replace: true });
}
