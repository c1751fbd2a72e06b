// SPDX-License-Identifier: Apache-2.0

import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import type { Writable } from "node:stream";
import { InvalidArgumentError } from "commander";
import type { KubeConnection } from "../../kube/connect.ts";
import { toolError } from "./pod-commands.ts";
import { LackingRight, podsOfPart, ToolError } from "./targets.ts";

/** The components of Weft that have logs: label `app` of their pods, and the container. */
export const PARTS = {
  controller: ["kube-ovn-controller", "kube-ovn-controller"],
  daemon: ["kube-ovn-cni", "cni-server"],
  central: ["ovn-central", "ovn-central"],
  ovs: ["ovs", "openvswitch"],
} as const;

/** What of the logs is printed. */
export interface LogQuestion {
  /** Only the pod on this node; all of the component where it is absent, each line then begins with the pod's name. */
  readonly node?: string;
  readonly follow?: boolean;
  readonly sinceSeconds?: number;
}

/** Logs that are followed at once. */
const MAX_FOLLOWED = 500;
/** A longer line is printed in pieces. */
const MAX_LINE = 2 ** 20;

/**
 * Prints the logs of a component of Weft: one pod's after the other's, or as they come where they are followed. A pod whose log cannot be read is a warning, told at once to `warn`, and resolved with at the end; the only one is an error. Rejects with a `ToolError` or `KubeError`.
 */
export async function printLogs(
  { kube, streamLog }: Pick<KubeConnection, "kube" | "streamLog">,
  namespace: string,
  part: keyof typeof PARTS,
  { node, follow = false, sinceSeconds }: LogQuestion,
  output: Writable,
  warn: (text: string) => void,
): Promise<readonly string[]> {
  const [app, container] = PARTS[part];
  const pods = await podsOfPart(kube, namespace, app, node);
  if (follow && pods.length > MAX_FOLLOWED)
    throw new ToolError(`${pods.length} logs cannot be followed at once, only ${MAX_FOLLOWED}: name a node`);
  const warnings: string[] = [];
  const ending = new AbortController();
  const unread = (): void => ending.abort();
  output.on("error", unread);
  const { signal } = ending;
  const print = async (name: string): Promise<void> => {
    const prefix = node === undefined ? `[pod/${name}/${container}] ` : undefined;
    try {
      const options = { container, follow, signal, ...(sinceSeconds !== undefined && { sinceSeconds }) };
      await copy(await streamLog({ namespace, name }, options), prefix, output, signal);
    } catch (error) {
      if (signal.aborted) return;
      const said = toolError(error);
      if (said instanceof LackingRight) throw said;
      const warning = `pod ${name}: ${said.message}`;
      if (pods.length === 1) throw new ToolError(warning, { cause: error });
      warnings.push(warning);
      warn(warning);
    }
  };
  try {
    if (follow) await Promise.all(pods.map(print));
    else for (const pod of pods) await print(pod);
    return warnings;
  } finally {
    ending.abort();
  }
}

async function copy(
  log: IncomingMessage,
  prefix: string | undefined,
  output: Writable,
  signal: AbortSignal,
): Promise<void> {
  const write = async (data: Buffer | string): Promise<void> => {
    if (!output.write(data)) await once(output, "drain", { signal });
  };
  let rest = Buffer.alloc(0);
  for await (const piece of log as AsyncIterable<Buffer>) {
    if (prefix === undefined) {
      await write(piece);
      continue;
    }
    rest = Buffer.concat([rest, piece]);
    const end = rest.lastIndexOf(10);
    if (end < 0 && rest.length < MAX_LINE) continue;
    const whole = rest.subarray(0, end < 0 ? rest.length : end).toString("utf8");
    rest = rest.subarray(end < 0 ? rest.length : end + 1);
    await write(`${whole.replaceAll(/^/gm, prefix)}\n`);
  }
  if (rest.length > 0) await write(`${prefix}${rest.toString("utf8")}\n`);
}

/** `5m`, `1h30m`, `90s` as seconds. Throws commander's `InvalidArgumentError`. */
export function duration(text: string): number {
  const parts = /^(?:(\d{1,5})h)?(?:(\d{1,6})m)?(?:(\d{1,8})s)?$/.exec(text);
  const [hours, minutes, seconds] = (parts ?? []).slice(1).map((part) => Number(part ?? 0));
  const all = (hours ?? 0) * 3_600 + (minutes ?? 0) * 60 + (seconds ?? 0);
  if (all === 0) throw new InvalidArgumentError("must be a duration such as 90s, 5m or 1h30m");
  return all;
}
