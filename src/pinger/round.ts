// SPDX-License-Identifier: Apache-2.0

import type { EchoResult } from "./echo-requests.ts";
import type { Timed } from "./names.ts";
import type { TargetPort } from "./options.ts";
import type { MeshTarget } from "./targets.ts";

/** What a round probes. */
export interface RoundPlan {
  readonly pods: readonly MeshTarget[];
  readonly nodes: readonly MeshTarget[];
  readonly external: readonly MeshTarget[];
  /** `node`: whose prober it is; absent for a port of the options. */
  readonly ports: readonly { readonly node?: string; readonly target: TargetPort }[];
  readonly names: readonly { readonly kind: "internalDns" | "externalDns"; readonly name: string }[];
}

/** What a round found, in the order in which the probes ended. */
export type MeshProbeResult =
  | { readonly kind: "pod" | "node" | "external"; readonly target: MeshTarget; readonly echo: EchoResult }
  | { readonly kind: "port"; readonly node?: string; readonly target: TargetPort; readonly problem: string | undefined }
  | { readonly kind: "internalDns" | "externalDns"; readonly name: string; readonly timed: Timed }
  | { readonly kind: "apiServer"; readonly timed: Timed };

/** How a round probes. None of them rejects, and each ends within seconds. */
export interface MeshProbes {
  readonly ping: (target: MeshTarget) => Promise<EchoResult>;
  readonly port: (target: TargetPort) => Promise<string | undefined>;
  readonly name: (name: string) => Promise<Timed>;
  readonly apiServer: () => Promise<Timed>;
}

/** Probes that run at once: enough that those of 32 dead peers end within one interval, few enough that they do not delay each other's replies. */
const CONCURRENCY = 16;

/** Runs all probes of a round, some at once. `signal` ends it: probes that have not begun are left out. */
export async function runRound(
  plan: RoundPlan,
  probes: MeshProbes,
  signal: AbortSignal,
): Promise<readonly MeshProbeResult[]> {
  const work: (() => Promise<MeshProbeResult>)[] = [
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
        async (): Promise<MeshProbeResult> => ({
          ...{ kind: "port", target, problem: await probes.port(target) },
          ...(node !== undefined && { node }),
        }),
    ),
  );
  const results: MeshProbeResult[] = [];
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
export function failed(result: MeshProbeResult): boolean {
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
