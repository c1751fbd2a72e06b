// SPDX-License-Identifier: Apache-2.0

import type { Asked, QosRequest } from "../contract/bandwidth-annotations.ts";
import { type Qos, showBandwidth, showNetem } from "../contract/qos-record.ts";

/**
 * Decides the active QoS of an interface: the requested one; for an invalid annotation the value that was active before. `problem` of the result is the
 * message of the Event. `isNew`: the interface is not in use yet, so an invalid annotation refuses it; on one in use, no earlier value means no limit.
 */
export function settleQos(asked: QosRequest, before: Qos, isNew: boolean): Qos {
  const problems: string[] = [];
  const missing: string[] = [];
  const settle = <T>(one: Asked<T>, former: T | undefined, show: (value: T) => string): T | undefined => {
    if (one.state === "valid") return one.value;
    if (one.state === "absent") return undefined;
    if (former === undefined && isNew) missing.push(one.annotation);
    const active =
      former === undefined
        ? isNew
          ? "the interface is not created"
          : "no limit is active"
        : `${show(former)} stays active`;
    problems.push(`${one.problem}; ${active}`);
    return former;
  };
  const ingress = settle(asked.ingress, before.ingress, showBandwidth);
  const egress = settle(asked.egress, before.egress, showBandwidth);
  const netem = settle(asked.netem, before.netem, showNetem);
  return {
    ...(ingress && { ingress }),
    ...(egress && { egress }),
    ...(netem && { netem }),
    ...(problems.length > 0 && { problem: problems.join("; ") }),
    ...(missing.length > 0 && { refused: true }),
  };
}
