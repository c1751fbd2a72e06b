// SPDX-License-Identifier: Apache-2.0

import { type KubeObject, keyOf } from "./object.ts";

/**
 * What an informer announces: `old` absent: the object appeared; `new` absent: it is gone. Both are absent where one is gone that could not be
 * projected and was never known.
 */
export interface Change<P> {
  /** `namespace/name`, or `name` for cluster-scoped types. */
  readonly key: string;
  readonly old?: P;
  readonly new?: P;
}

/** Turns an object into what is kept of it; `undefined`: the object is of no interest and is not kept. */
export type Projection<T extends KubeObject, P> = (object: T) => P | undefined;

interface Entry<P> {
  readonly uid: string;
  readonly version: string;
  readonly value: P;
}

/** What an {@link InformerCache} needs. */
export interface CacheOptions<T extends KubeObject, P> {
  readonly project: Projection<T, P>;
  readonly equal: ((a: P, b: P) => boolean) | undefined;
  /** Called after the cache has changed. Must not throw. */
  readonly announce: (change: Change<P>) => void;
  /** What `project` or `equal` threw. The object then stays as it was known before. */
  readonly onError: (error: unknown, key: string, uid: string) => void;
  /** An object at which that threw has been taken, or is gone. */
  readonly onTaken: (key: string) => void;
}

/** The projections that an informer holds, and the rules by which reading and watching change them. */
export interface InformerCache<T extends KubeObject, P> {
  /** key → projection. */
  readonly size: number;
  get(key: string): P | undefined;
  entries(): IterableIterator<[string, P]>;
  /**
   * Takes an object as it is at version `asOf`: its own, or that of the list which it is from. Announces nothing if its version is
   * known already. What is known and later than `asOf` stays; without `asOf` nothing does.
   */
  upsert(object: T, asOf: string | undefined): void;
  /** An object is gone at version `asOf`. */
  remove(key: string, asOf: string | undefined): void;
  /** After a complete list of version `asOf`: what is not among `keys` is gone. */
  retain(keys: ReadonlySet<string>, asOf: string | undefined): void;
  clear(): void;
}

/**
 * Whether resource version `a` is later than `b`. They are decimal numbers that grow for ever, and the API promises that they
 * can be compared within one type (KEP-5504).
 */
export function isLater(a: string, b: string): boolean {
  return a.length === b.length ? a > b : a.length > b.length;
}

/** An empty {@link InformerCache}. */
export function informerCache<T extends KubeObject, P>(options: CacheOptions<T, P>): InformerCache<T, P> {
  /** key → what is kept of the object. */
  const entries = new Map<string, Entry<P>>();
  /** Keys of the objects that could not be projected as they are now. */
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
      // Deleted and created again under the same name while no watch ran: listeners must see both.
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
      // Below all of it is announced, but for one that is of no interest and was not known.
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
        // The older of two equal values stays, so that identity tells listeners the same as equality.
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
