// SPDX-License-Identifier: Apache-2.0

import { POD } from "../api/annotations.ts";
import { isObject } from "../collections/plain.ts";
import { parseIp } from "../net/address.ts";
import { parseMac } from "../net/mac.ts";
import type { ProjectedMeta } from "./meta.ts";
import type { AttachedInterfaceFact } from "./network-attachment.ts";
import type { PodFact } from "./pod.ts";

/** More interfaces than a pod may name. */
const LIMIT = 65;

/**
 * The interfaces of a pod, as Multus reports them. Only those of networks with a definition, which the usual primary network does not have: so most
 * pods have none. Invalid values count as absent.
 */
export function projectNetworkStatus({ annotations }: ProjectedMeta): Pick<PodFact, "attached"> {
  const text = annotations?.[POD.networkStatus];
  // Those with a definition are called `<namespace>/<name>`.
  if (text === undefined || !text.includes("/")) return {};
  const attached = entries(text).flatMap((entry): AttachedInterfaceFact | readonly [] => {
    if (!isObject(entry)) return [];
    const { name: network, ips, mac } = entry;
    if (typeof network !== "string" || !network.includes("/")) return [];
    const addresses = Array.isArray(ips)
      ? ips.flatMap((ip) => (typeof ip === "string" && parseIp(ip)?.text) || [])
      : [];
    const link = typeof mac === "string" ? parseMac(mac) : undefined;
    return { network, addresses: link === undefined ? addresses : [...addresses, link] };
  });
  return attached.length === 0 ? {} : { attached };
}

function entries(text: string): readonly unknown[] {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? value.slice(0, LIMIT) : [];
  } catch {
    return [];
  }
}
