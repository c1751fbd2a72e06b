// SPDX-License-Identifier: Apache-2.0

/** Puts another method in the place of one; the function returned puts it back. */
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
