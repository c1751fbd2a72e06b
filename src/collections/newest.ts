// SPDX-License-Identifier: Apache-2.0

/** Sets a key as the newest of a map, which keeps at most `most` entries: the oldest ones are deleted. */
export function setNewest<K, V>(map: Map<K, V>, key: K, value: V, most: number): void {
  map.delete(key);
  map.set(key, value);
  for (const oldest of map.keys()) {
    if (map.size <= most) break;
    map.delete(oldest);
  }
}
