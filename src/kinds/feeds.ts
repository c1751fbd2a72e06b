// SPDX-License-Identifier: Apache-2.0

import { SHAPES } from "../api/generated/shapes.ts";
import { type MalformedField, shapedSpec, shapedStatus } from "../api/shape.ts";
import type { FactKind, FactTypes } from "../facts/types.ts";
import type { ResourceType } from "../kube/resources.ts";
import { KINDS } from "./index.ts";
import type { ProjectionSettings } from "./kind.ts";

/** The projection of objects to one kind of fact. */
export interface Feed<K extends FactKind = FactKind> {
  readonly type: ResourceType;
  /** Each projection has its own structural type of the object; the API server guarantees it. */
  readonly project: (object: never) => FactTypes[K] | undefined;
  readonly fieldSelector?: string;
  /** Optional: a cluster need not serve the type. */
  readonly absent?: "empty";
}

/** Every kind of fact of objects: for the controller, which watches them, and for commands, which list them once. */
export function feedsOf(settings: ProjectionSettings): { readonly [K in FactKind]?: Feed<K> } {
  const feeds = KINDS.map(({ facts, type, project, fieldSelector, absent }) => {
    const feed: Feed = {
      type,
      project: (object) => {
        const { object: shaped, malformed } = shapedObject(object, type);
        const fact = project(shaped as never, settings);
        return fact === undefined || malformed.length === 0 ? fact : { ...fact, malformed };
      },
      ...(fieldSelector !== undefined && { fieldSelector }),
      ...(absent !== undefined && { absent }),
    };
    return [facts, feed] as const;
  });
  return Object.fromEntries(feeds);
}

interface Parts {
  readonly spec?: unknown;
  readonly status?: unknown;
}

/** The object with the types of its CRD, even if the API server accepted others (see {@link shapedSpec}); the same object if all are correct. */
export function shapedObject<T extends Parts>(
  object: T,
  { plural, group }: ResourceType,
): { readonly object: T; readonly malformed: readonly MalformedField[] } {
  const shape = group === "kubeovn.io" ? SHAPES[plural] : undefined;
  if (shape === undefined) return { object, malformed: [] };
  const { value: spec, malformed } = shapedSpec(object.spec, shape.spec);
  const status = shapedStatus(object.status, shape.status);
  const same = [[object.spec, spec] as const, [object.status, status] as const].every(
    ([before, after]) => before === undefined || before === after,
  );
  return { object: same ? object : { ...object, spec, status }, malformed };
}
