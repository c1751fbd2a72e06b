// SPDX-License-Identifier: Apache-2.0

import { parseIp } from "../../../net/address.ts";
import type { TrackedView } from "./node-view.ts";

/** More are not reported: they do not fit into an answer. */
const MAX = 2_000;

/**
 * The UDP flows whose destination a load balancer has translated, in `ovs-appctl dpctl/dump-conntrack` (ovs-dpctl(8)) and `conntrack -L -p udp`
 * (conntrack(8)), each translation once with the number of its flows.
 */
export function readTracked(text: string): readonly TrackedView[] {
  const found = new Map<string, TrackedView>();
  for (const line of text.split("\n")) {
    if (!/^udp\b/.test(line)) continue;
    // Both have the original direction first, then the reply.
    const all = (field: string): readonly string[] =>
      [...line.matchAll(new RegExp(`\\b${field}=([0-9a-fA-F.:]+)`, "g"))].map(([, value = ""]) => value);
    const [vip, backend] = [parseIp(all("dst")[0] ?? "")?.text, parseIp(all("src")[1] ?? "")?.text];
    const [port, backendPort] = [Number(all("dport")[0]), Number(all("sport")[1])];
    if (vip === undefined || backend === undefined || vip === backend) continue;
    if (!Number.isInteger(port) || !Number.isInteger(backendPort)) continue;
    const key = `${vip} ${port} ${backend} ${backendPort}`;
    const count = (found.get(key)?.count ?? 0) + 1;
    if (count === 1 && found.size >= MAX) continue;
    found.set(key, { virtual: vip, port, backend, backendPort, count });
  }
  return [...found.values()];
}
