// SPDX-License-Identifier: Apache-2.0

/** The value of a key; created and added if there is none. */
export function getOrAdd<K, V extends object>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}
