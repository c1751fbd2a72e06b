// SPDX-License-Identifier: Apache-2.0

import { z } from "zod";
import { StabilityError } from "../errors.ts";
import { pauseOrAbort } from "../run/pause.ts";
import { addressOfFamily, podsOf, type Stage } from "../run/stage.ts";
import type { PodPlace, Request, RequestProber } from "../targets/target.ts";
import type { Prepared, Scenario } from "./scenario.ts";

/** Options that all scenarios of requests have. */
export const COMMON = {
  family: z.enum(["ipv4", "ipv6"]).default("ipv4"),
  /** Timeout of a request in seconds: a later answer is late, one that never arrives is lost. A busy machine delays by seconds. */
  timeout: z.number().positive().max(30).default(5),
};

/** A client pod and a server pod, on two nodes if there are two. */
export function pair(stage: Stage): { readonly from: PodPlace; readonly to: PodPlace } {
  const pods = podsOf(stage);
  const from = pods[0];
  const to = pods.find(({ node }) => node !== from?.node) ?? pods[1];
  if (from === undefined || to === undefined)
    throw new StabilityError("scenario", "two pods are needed: two nodes, or pods: { each_node: 2 }");
  return { from, to };
}

/** How long the first answer is waited for, and the pause between requests, in ms: nodes have the flows to new endpoints some time after they are Ready. */
const FIRST_MS = 30_000;
const PAUSE_MS = 100;

/** Sends a request until it is answered. If it never is, the load shows that. */
async function firstAnswer({ clock, signal }: Stage, prober: RequestProber, request: Request): Promise<void> {
  const until = clock.now() + FIRST_MS;
  while (!(await prober.send(request)).ok && clock.now() < until && !signal.aborted)
    await pauseOrAbort(clock, PAUSE_MS, signal);
}

/** A scenario whose iterations are one request each, from one pod. It is prepared when one has been answered. */
export async function requests(stage: Stage, from: PodPlace, action: string, request: Request): Promise<Prepared> {
  const prober = await stage.target.prober(from);
  await firstAnswer(stage, prober, request);
  return {
    async iterate(actions) {
      const { ok, ms, detail } = await prober.send(request);
      if (!ok) throw new Error(detail ?? "no answer");
      actions.measured(action, ms);
    },
    stop: () => prober.stop(),
  };
}

/** Binds a scenario of requests from a pod to one on another node. */
export function podToPod(action: string, kind: "udp" | "stream", port: number) {
  return ({ family, timeout }: { readonly family: "ipv4" | "ipv6"; readonly timeout: number }): Scenario => ({
    needs: ["pod-traffic"],
    requires: ["pods"],
    async prepare(stage) {
      const { from, to } = pair(stage);
      const address = addressOfFamily(to.addresses, family, to.name);
      return requests(stage, from, action, { kind, address, port, timeoutMs: timeout * 1000 });
    },
  });
}
