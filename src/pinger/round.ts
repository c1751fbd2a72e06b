// SPDX-License-Identifier: Apache-2.0

import type { EchoResult } from "./echoes.ts";
import type { Timed } from "./names.ts";
import type { TargetPort } from "./options.ts";
import type { Target } from "./targets.ts";

/** What a round probes. */
export interface RoundPlan {
  readonly pods: readonly Target[];
  readonly nodes: readonly Target[];
  readonly external: readonly Target[];
  /** `node`: whose prober it is; absent for a port of the options. */
  readonly ports: readonly { readonly node?: string; readonly target: TargetPort }[];
  readonly names: readonly { readonly kind: "internalDns" | "externalDns"; readonly name: string }[];
}

/** What a round found, in the order in which the probes ended. */
export type ProbeResult =
  | { readonly kind: "pod" | "node" | "external"; readonly target: Target; readonly echo: EchoResult }
  | { readonly kind: "port"; readonly node?: string; readonly target: TargetPort; readonly problem: string | undefined }
  | { readonly kind: "internalDns" | "externalDns"; readonly name: string; readonly timed: Timed }
  | { readonly kind: "apiServer"; readonly timed: Timed };

/** How a round probes. None of them rejects, and each ends within seconds. */
export interface Probes {
  readonly ping: (target: Target) => Promise<EchoResult>;
  readonly port: (target: TargetPort) => Promise<string | undefined>;
  readonly name: (name: string) => Promise<Timed>;
  readonly apiServer: () => Promise<Timed>;
}

/** Probes that run at once: enough that those of 32 dead peers end within one interval, few enough that they do not delay each other's replies. */
const CONCURRENCY = 16;

/** Runs all probes of a round, some at once. `signal` ends it: probes that have not begun are left out. */
export async function runRound(plan: RoundPlan, probes: Probes, signal: AbortSignal): Promise<readonly ProbeResult[]> {
  const work: (() => Promise<ProbeResult>)[] = [
    async () => ({ kind: "apiServer", timed: await probes.apiServer() }),
    ...plan.names.map(({ kind, name }) => async () => ({ kind, name, timed: await probes.name(name) })),
  ];
  for (const [kind, targets] of [
    ["pod", plan.pods],
    ["node", plan.nodes],
    ["external", plan.external],
  ] as const)
    work.push(...targets.map((target) => async () => ({ kind, target, echo: await probes.ping(target) })));
  work.push(
    ...plan.ports.map(
      ({ node, target }) =>
        async (): Promise<ProbeResult> => ({
          ...{ kind: "port", target, problem: await probes.port(target) },
          ...(node !== undefined && { node }),
        }),
    ),
  );
  const results: ProbeResult[] = [];
  const left = work.values();
  const worker = async (): Promise<void> => {
    for (const run of left) {
      if (signal.aborted) return;
      results.push(await run());
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
  return results;
}

/** Whether nothing of a probe succeeded. A part of the echoes that is lost is a matter of metrics. */
export function failed(result: ProbeResult): boolean {
  switch (result.kind) {
    case "pod":
    case "node":
    case "external":
      return result.echo.averageMs === undefined;
    case "port":
      return result.problem !== undefined;
    default:
      return "problem" in result.timed;
  }
}
