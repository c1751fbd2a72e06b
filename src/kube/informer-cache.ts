// SPDX-License-Identifier: Apache-2.0

import { type KubeObject, keyOf } from "./object.ts";

/**
 * A change that an informer reports: `old` absent: the object was added; `new` absent: it was deleted. Both are
 * absent if a deleted object could never be projected.
 */
export interface Change<P> {
  /** `namespace/name`, or `name` for cluster-scoped types. */
  readonly key: string;
  readonly old?: P;
  readonly new?: P;
}

/** Projects an object to the stored value; `undefined`: the object is not stored. */
export type Projection<T extends KubeObject, P> = (object: T) => P | undefined;

interface Entry<P> {
  readonly uid: string;
  readonly version: string;
  readonly value: P;
}

/** Dependencies of {@link InformerCache}. */
export interface CacheOptions<T extends KubeObject, P> {
  readonly project: Projection<T, P>;
  readonly equal: ((a: P, b: P) => boolean) | undefined;
  /** Called after the cache has changed. Must not throw. */
  readonly announce: (change: Change<P>) => void;
  /** An error of `project` or `equal`. The object's former projection then stays. */
  readonly onError: (error: unknown, key: string, uid: string) => void;
  /** An object with such an error has been projected, or is deleted. */
  readonly onTaken: (key: string) => void;
}

/** The projections of an informer, and the rules by which lists and watches change them. */
export interface InformerCache<T extends KubeObject, P> {
  /** key → projection. */
  readonly size: number;
  get(key: string): P | undefined;
  entries(): IterableIterator<[string, P]>;
  /**
   * Stores an object as of version `asOf`: its own, or that of the list that contained it. Reports nothing if its
   * version is already known. A known version later than `asOf` stays; without `asOf` the object always replaces it.
   */
  upsert(object: T, asOf: string | undefined): void;
  /** An object was deleted at version `asOf`. */
  remove(key: string, asOf: string | undefined): void;
  /** After a complete list of version `asOf`: objects that are not among `keys` are deleted. */
  retain(keys: ReadonlySet<string>, asOf: string | undefined): void;
  clear(): void;
}

/**
 * Whether resource version `a` is later than `b`. They are increasing decimal numbers, and the API guarantees that
 * they are comparable within one type (KEP-5504).
 */
export function isLater(a: string, b: string): boolean {
  return a.length === b.length ? a > b : a.length > b.length;
}

/** An empty {@link InformerCache}. */
export function informerCache<T extends KubeObject, P>(options: CacheOptions<T, P>): InformerCache<T, P> {
  /** key → the stored projection. */
  const entries = new Map<string, Entry<P>>();
  /** Keys of objects whose present version could not be projected. */
  const failing = new Set<string>();
  const taken = (key: string): boolean => {
    if (failing.size === 0 || !failing.delete(key)) return false;
    options.onTaken(key);
    return true;
  };
  const remove = (key: string, asOf?: string): void => {
    const known = entries.get(key);
    if (known !== undefined && asOf !== undefined && isLater(known.version, asOf)) return;
    const failed = taken(key);
    if (known === undefined) {
      if (failed) options.announce({ key });
      return;
    }
    entries.delete(key);
    options.announce({ key, old: known.value });
  };
  return {
    get size() {
      return entries.size;
    },
    get: (key) => entries.get(key)?.value,
    *entries() {
      for (const [key, entry] of entries) yield [key, entry.value];
    },
    upsert(object, asOf) {
      const { metadata } = object;
      const key = keyOf(metadata);
      let known = entries.get(key);
      if (known?.version === metadata.resourceVersion) return;
      if (known !== undefined && asOf !== undefined && isLater(known.version, asOf)) return;
      // Deleted and recreated with the same name while no watch ran: listeners must get both changes.
      if (known !== undefined && known.uid !== metadata.uid) {
        remove(key);
        known = undefined;
      }
      let value: P | undefined;
      let same = false;
      try {
        value = options.project(object);
        same = known !== undefined && value !== undefined && (options.equal?.(known.value, value) ?? false);
      } catch (error) {
        failing.add(key);
        options.onError(error, key, metadata.uid);
        return;
      }
      // Every path below reports the change, except for an object that is not stored and was not known.
      if (value !== undefined) taken(key);
      if (value === undefined) {
        remove(key);
        return;
      }
      const { uid, resourceVersion: version } = metadata;
      if (known === undefined) {
        entries.set(key, { uid, version, value });
        options.announce({ key, new: value });
      } else if (same) {
        // The older of two equal values stays, so that listeners can compare by identity.
        entries.set(key, { uid, version, value: known.value });
      } else {
        entries.set(key, { uid, version, value });
        options.announce({ key, old: known.value, new: value });
      }
    },
    remove,
    retain(keys, asOf) {
      for (const key of [...entries.keys(), ...failing]) if (!keys.has(key)) remove(key, asOf);
    },
    clear: () => {
      entries.clear();
      failing.clear();
    },
  };
}
