// SPDX-License-Identifier: Apache-2.0

/** The views of the page, in the order of the navigation. */
export const VIEWS = [
  "overview",
  "topology",
  "subnets",
  "pods",
  "policies",
  "nodes",
  "gateways",
  "reach",
  "plan",
  "flows",
] as const;

/** One of {@link VIEWS}. */
export type View = (typeof VIEWS)[number];

/** What is shown: a view, the names of the chosen object, and what was asked for. */
export interface PageRoute {
  readonly view: View;
  /** Names of the chosen object: `[subnet]`, `[namespace, pod]`. */
  readonly path: readonly string[];
  readonly query: Readonly<Record<string, string>>;
}

/** The fragment of an address of the page: `#/pods/shop/cart?q=web`. Names are encoded, so that a name with any characters is one segment. */
export function hashOf({ view, path, query }: PageRoute): string {
  const parts = [view, ...path].map(encodeURIComponent).join("/");
  const entries = Object.entries(query).filter(([, value]) => value !== "");
  const search = new URLSearchParams(entries).toString();
  return `#/${parts}${search === "" ? "" : `?${search}`}`;
}

/** The address of a view, for links. */
export function linkTo(view: View, path: readonly string[] = [], query: Readonly<Record<string, string>> = {}): string {
  return hashOf({ view, path, query });
}

/** Reads a fragment. An unknown view, and a malformed fragment, is the overview. */
export function parseHash(hash: string): PageRoute {
  const [path, search] = split(hash.replace(/^#?\/?/, ""), "?");
  try {
    const [first = "", ...rest] = path.split("/").map(decodeURIComponent);
    const view = VIEWS.find((one) => one === first);
    if (view === undefined) return HOME;
    return { view, path: rest.filter((part) => part !== ""), query: Object.fromEntries(new URLSearchParams(search)) };
  } catch (error) {
    if (error instanceof URIError) return HOME;
    throw error;
  }
}

const HOME: PageRoute = { view: "overview", path: [], query: {} };

function split(text: string, separator: string): readonly [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}
