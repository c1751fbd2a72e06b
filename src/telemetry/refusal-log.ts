// SPDX-License-Identifier: Apache-2.0

import type { Clock } from "../time/clock.ts";
import type { AdmissionRefusal } from "./serve.ts";

/** How long after a line the next one of the same kind is written, in ms. */
const PAUSE_MS = 60_000;

/**
 * Returns a function that logs refused requests: of each kind at most one line a minute, with the number of those since the last line. `from`: the
 * client's address.
 */
export function logRefusals(
  clock: Pick<Clock, "now">,
  log: { warn(fields: object, message: string): void },
): (refusal: AdmissionRefusal, from: string) => void {
  const kinds = new Map<AdmissionRefusal, { until: number; count: number }>();
  return (refusal, from) => {
    const kind = kinds.get(refusal) ?? { until: Number.NEGATIVE_INFINITY, count: 0 };
    kinds.set(refusal, kind);
    kind.count += 1;
    if (clock.now() < kind.until) return;
    log.warn({ refusal, from, requests: kind.count }, "refused a request to the metrics' port");
    kind.until = clock.now() + PAUSE_MS;
    kind.count = 0;
  };
}
