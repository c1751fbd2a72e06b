import type { FactKind, FactTypes } from "../facts/types.ts";
import type { ResourceType } from "../kube/resources.ts";
import { KINDS } from "./index.ts";
import type { ProjectionSettings } from "./kind.ts";

/** Which objects become one kind of fact, and how. */
export interface Feed<K extends FactKind = FactKind> {
  readonly type: ResourceType;
  /** What a projection reads of an object is its own, structural type; the API server promises the rest. */
  readonly project: (object: never) => FactTypes[K] | undefined;
  readonly fieldSelector?: string;
  /** A cluster that does not serve the type has none of it. */
  readonly absent?: "empty";
}

/** Every kind of fact that comes from objects: for the controller, which follows them, and for commands, which look once. */
export function feedsOf(settings: ProjectionSettings): { readonly [K in FactKind]?: Feed<K> } {
  const feeds = KINDS.map(({ facts, type, project, fieldSelector, absent }) => {
    const feed: Feed = {
      type,
      project: (object) => project(object, settings),
      ...(fieldSelector !== undefined && { fieldSelector }),
      ...(absent !== undefined && { absent }),
    };
    return [facts, feed] as const;
  });
  return Object.fromEntries(feeds);
}
