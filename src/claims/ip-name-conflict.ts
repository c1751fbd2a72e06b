// SPDX-License-Identifier: Apache-2.0

import type { IpFact } from "../facts/ip.ts";
import { type Refusal, refuse } from "../ipam/refusal.ts";

/** A record that a user created may have the name that another record needs. */
export function ipNameConflict({ name, holder }: IpFact): Refusal {
  const whose = holder === "" ? "reserves an address for no pod" : `belongs to ${holder}`;
  const message = `IP object "${name}", which has the name that the record of this address needs, ${whose} (spec.podName, spec.namespace); delete it, or set these fields to the owner of this address.`;
  return refuse("NameTaken", message, { value: name, ...(holder !== "" && { holder }) });
}
