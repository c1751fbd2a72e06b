// SPDX-License-Identifier: Apache-2.0

import { until } from "../../../hack/lab/wait.ts";
import { type Exec, http, ping } from "../../../hack/traffic/probe.ts";
import type { Thing } from "./objects.ts";
import { addressesOf, inPod } from "./pods.ts";

/** Whether both addresses of `to` answer a ping from `from` within a second. */
export async function reaches(from: Thing, to: Thing): Promise<boolean> {
  const exec = inPod(from);
  const echoes = await Promise.all(addressesOf(to).map((address) => ping(exec, address, 1)));
  return echoes.every(({ ok }) => ok);
}

/** Waits until `from` reaches `to` over both families; no event reports that packets would arrive. */
export function reachable(from: Thing, to: Thing, ms = 30_000): Promise<unknown> {
  return until(`${from.metadata.name} reaches ${to.metadata.name}`, ms, () => reaches(from, to), 50);
}

/** Waits until an address answers a ping. */
export function echoes(exec: Exec, address: string, ms = 30_000): Promise<unknown> {
  return until(`${address} gives an echo`, ms, async () => (await ping(exec, address, 3)).ok);
}

/** Waits until the server of a pod answers with the pod's name; rejects at once if another pod does. */
export function answeredBy(exec: Exec, url: string, pod: string, ms = 30_000): Promise<unknown> {
  return until(`${url} is answered by ${pod}`, ms, async () => {
    const { ok, detail } = await http(exec, url);
    if (ok && detail !== pod) throw new Error(`${url} is answered by ${detail}, not by ${pod}`);
    return ok;
  });
}
