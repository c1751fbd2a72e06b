// SPDX-License-Identifier: Apache-2.0

import type { IpFact } from "../facts/ip.ts";
import { type Refusal, refuse } from "../ipam/refusal.ts";

/** A record that a user made may have any name, also that which another one's is to have. */
export function ipNameConflict({ name, holder }: IpFact): Refusal {
  const whose = holder === "" ? "keeps an address for nobody" : `is that of ${holder}`;
  const message = `IP object "${name}", whose name the record of this address is to have, ${whose} (spec.podName, spec.namespace); delete it, or make it this one's.`;
  return refuse("NameTaken", message, { value: name, ...(holder !== "" && { holder }) });
}
