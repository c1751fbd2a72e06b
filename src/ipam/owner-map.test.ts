// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import { OwnerMap } from "./owner-map.ts";

t.test("it finds what a Map finds, also where names have the same hash", async (t) => {
  const name = fc.integer({ min: 0, max: 40 }).map((i) => `pod-${i}.namespace`);
  for (const hash of [undefined, () => 7, (owner: string) => owner.length]) {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), name), { maxLength: 200 }), (steps) => {
        const map = new OwnerMap<{ owner: string }>(hash);
        const model = new Map<string, { owner: string }>();
        for (const [add, owner] of steps) {
          if (!add) {
            map.delete(owner);
            model.delete(owner);
          } else if (!model.has(owner)) {
            const value = { owner };
            map.add(value);
            model.set(owner, value);
          }
          if (map.get(owner) !== model.get(owner)) return false;
        }
        const values = new Set(map.values());
        return (
          values.size === model.size &&
          [...model.values()].every((value) => values.has(value) && map.get(value.owner) === value)
        );
      }),
    );
  }
  t.pass();
});
