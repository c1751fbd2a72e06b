import type { CallOptions, Kube, Selection } from "./kube.ts";
import type { KubeObject } from "./object.ts";
import type { ResourceType } from "./resources.ts";

/**
 * All objects of a type, read page by page as they are asked for: for commands that look once. Rejects with `gone` if reading takes
 * longer than the API server keeps old versions (5 minutes). Whoever wants to stay up to date takes an informer.
 */
export async function* listEach<T extends KubeObject>(
  kube: Kube,
  type: ResourceType,
  options: CallOptions & Selection & { readonly pageSize?: number } = {},
): AsyncGenerator<T, void, undefined> {
  const { pageSize = 100, ...query } = options;
  let next: string | undefined;
  do {
    const page = await kube.list<T>(type, {
      ...query,
      limit: pageSize,
      ...(next === undefined ? {} : { continue: next }),
    });
    yield* page.items;
    next = page.continue;
  } while (next !== undefined);
}
