// SPDX-License-Identifier: Apache-2.0

/** Replaces a method; the returned function restores it. */
export function replaced<T extends object, K extends keyof T>(
  target: T,
  name: K,
  make: (old: T[K]) => T[K],
): () => void {
  const old = target[name];
  target[name] = make(old);
  return () => {
    target[name] = old;
  };
}
