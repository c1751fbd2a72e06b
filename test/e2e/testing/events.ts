// SPDX-License-Identifier: Apache-2.0

import type { Test } from "tap";
import { when } from "./when.ts";
import type { World } from "./world.ts";

/** Asserts that a pod gets an Event with this reason and a matching message within `ms`; a failure shows the other messages. */
export async function expectPodEvent(
  t: Test,
  { events }: World,
  { namespace, name }: { readonly namespace: string; readonly name: string },
  reason: string,
  message: RegExp,
  ms = 20_000,
): Promise<void> {
  const its = () =>
    events
      .values()
      .filter(
        (one) =>
          one.involvedObject.name === name && one.involvedObject.namespace === namespace && one.reason === reason,
      );
  const found = await when(
    (listener) => events.subscribe(listener),
    () => its().find((one) => message.test(one.message)),
    `an Event ${reason} of pod ${namespace}/${name}`,
    ms,
  ).catch(() => undefined);
  t.ok(found, `${reason} ${message}`, { found: its().map((one) => one.message) });
  t.comment(found?.message);
}
