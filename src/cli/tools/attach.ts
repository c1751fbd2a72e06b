// SPDX-License-Identifier: Apache-2.0

import { once } from "node:events";
import type { Writable } from "node:stream";
import type { KubeConnection } from "../../kube/connect.ts";
import { execInPod, type RunningExec } from "../../kube/pod-exec.ts";
import { toolError } from "./pod-commands.ts";
import type { ToolTarget } from "./targets.ts";

/** For a program to end, and to write its last lines, after Ctrl-C. */
const STOP_MS = 5_000;
const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;

/**
 * Runs a program in a pod with this process' terminal, or its standard output and errors. Resolves with the program's exit code; with 128 + N when signal N has ended this process'
 * part before the program has ended. Rejects with a `ToolError`.
 */
export async function attach(
  { sockets }: Pick<KubeConnection, "sockets">,
  namespace: string,
  target: ToolTarget,
): Promise<number> {
  const { stdin, stdout, stderr } = process;
  // Both are undefined where they are no terminal.
  const tty = Boolean(stdin.isTTY && stdout.isTTY);
  const { endsWithInput = false, readsInput = false } = target;
  const ending = new AbortController();
  let interrupted: number | undefined;
  let running: RunningExec | undefined;
  let forced: NodeJS.Timeout | undefined;
  const handlers = Object.entries(SIGNALS).map(([name, number]) => {
    const handler = (): void => {
      const again = interrupted !== undefined;
      interrupted ??= 128 + number;
      // With a terminal Ctrl-C is a character for the program; these come from elsewhere.
      if (again || running === undefined || !endsWithInput || tty) ending.abort();
      else {
        running.endInput();
        forced = setTimeout(() => ending.abort(), STOP_MS);
      }
    };
    process.on(name, handler);
    return () => process.off(name, handler);
  });
  // What reads the output has ended: `weftctl tcpdump web | head -1`.
  const unread = (): void => {
    interrupted ??= 128 + 13;
    ending.abort();
  };
  stdout.on("error", unread);
  const restore: (() => void)[] = [];
  try {
    running = await execInPod(
      sockets,
      { namespace, name: target.pod },
      {
        ...{ container: target.container, command: target.command, tty, signal: ending.signal },
        stdin: tty || endsWithInput || readsInput,
      },
      { stdout: writing(stdout, ending.signal), stderr: writing(stderr, ending.signal) },
    );
    if (tty) restore.push(useTerminal(running));
    if (tty || readsInput) restore.push(passInput(running));
    return await running.ended;
  } catch (error) {
    if (interrupted !== undefined) return interrupted;
    throw toolError(error);
  } finally {
    for (const undo of restore) undo();
    for (const off of handlers) off();
    clearTimeout(forced);
  }
}

function writing(stream: Writable, signal: AbortSignal): (data: Buffer) => Promise<void> | undefined {
  // Messages that were received with the one that filled the stream share its wait.
  let draining: Promise<void> | undefined;
  const drained = (): void => {
    draining = undefined;
  };
  return (data) => {
    if (stream.write(data)) return undefined;
    draining ??= once(stream, "drain", { signal }).then(drained, drained);
    return draining;
  };
}

/** Every key goes to the program, Ctrl-C too. Returns what restores the terminal. */
function useTerminal(running: RunningExec): () => void {
  const { stdin, stdout } = process;
  const resized = (): void => running.resize(stdout.columns, stdout.rows);
  stdin.setRawMode(true);
  stdout.on("resize", resized);
  resized();
  return () => {
    stdout.off("resize", resized);
    stdin.setRawMode(false);
  };
}

/** Passes standard input on, no faster than it is taken. Returns what stops it. */
function passInput(running: RunningExec): () => void {
  const { stdin } = process;
  const data = (piece: Buffer): void => {
    stdin.pause();
    running.write(piece).then(
      () => stdin.resume(),
      () => undefined,
    );
  };
  const ended = (): void => running.endInput();
  stdin.on("data", data);
  stdin.once("end", ended);
  return () => {
    stdin.off("data", data);
    stdin.off("end", ended);
    // It would keep this process alive.
    stdin.destroy();
  };
}
