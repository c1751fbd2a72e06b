// SPDX-License-Identifier: Apache-2.0

import type { KubeConnection } from "../../kube/connect.ts";
import { KubeError } from "../../kube/errors.ts";
import { type ExecOutput, execInPod, type RunningExec } from "../../kube/pod-exec.ts";
import { lackingRight } from "./rights.ts";
import { LackingRight, ToolError, type ToolTarget } from "./targets.ts";

/** Of a command whose output is read by weftctl. */
const DEADLINE_MS = 60_000;
/** Of one that reads something small of each node: a node that has died is left out soon. */
export const READ_MS = 10_000;
const MAX_OUTPUT = 64 * 2 ** 20;
const MAX_ERRORS = 64 * 1024;
/** For a command to end after its input has. */
const STOP_MS = 5_000;

/** What a command has written, and how it has ended. */
export interface CommandOutput {
  readonly code: number;
  readonly stdout: string;
  /** The last 64 KiB. */
  readonly stderr: string;
}

/** A command in a pod that runs until it is stopped. */
export interface RunningCommand {
  /** Resolves once its standard error has the text; rejects with {@link ToolError} if it ends before, or does not say it in time. */
  says(text: string): Promise<void>;
  /** Ends it, and resolves with its output, of which at most 1 MiB is kept. */
  stop(): Promise<string>;
}

/** Runs commands in Weft's pods, through the API server. Every promise rejects only with {@link ToolError}. */
export interface PodCommands {
  /** Resolves when the command has ended, within `deadlineMs` (default: a minute). At most 64 MiB of output. */
  run(target: ToolTarget, deadlineMs?: number): Promise<CommandOutput>;
  /** The output of a command; an exit code other than 0 is an error with the last line of what it wrote to standard error. */
  capture(target: ToolTarget, deadlineMs?: number): Promise<string>;
  /** Starts a command that ends with its input; see `endsWithInput` of `ToolTarget`. It ends after a minute. */
  start(target: ToolTarget): RunningCommand;
}

/** {@link PodCommands} over a connection, in Weft's namespace. */
export function podCommands({ sockets }: Pick<KubeConnection, "sockets">, namespace: string): PodCommands {
  const open = (target: ToolTarget, signal: AbortSignal, output: ExecOutput): Promise<RunningExec> => {
    const { pod: name, container, command, endsWithInput = false } = target;
    const request = { container, command, stdin: endsWithInput, tty: false, signal };
    return execInPod(sockets, { namespace, name }, request, output);
  };
  const run: PodCommands["run"] = async (target, deadlineMs = DEADLINE_MS) => {
    const ending = new AbortController();
    const late = setTimeout(() => ending.abort(new ToolError(`not ended within ${deadlineMs / 1_000} s`)), deadlineMs);
    const collected = collector(MAX_OUTPUT, () =>
      ending.abort(new ToolError(`more than ${MAX_OUTPUT} bytes of output`)),
    );
    try {
      const running = await open(target, ending.signal, collected.output);
      const code = await running.ended;
      return { code, stdout: collected.stdout(), stderr: collected.stderr() };
    } catch (error) {
      throw toolError(ending.signal.aborted ? ending.signal.reason : error);
    } finally {
      clearTimeout(late);
    }
  };
  return {
    run,
    async capture(target, deadlineMs) {
      const { code, stdout, stderr } = await run(target, deadlineMs);
      if (code !== 0) throw failed(target, code, stderr);
      return stdout;
    },
    start(target) {
      const ending = new AbortController();
      const late = setTimeout(() => ending.abort(), DEADLINE_MS);
      const collected = collector(2 ** 20, () => undefined);
      const opening = open(target, ending.signal, collected.output);
      const ended = opening.then(({ ended }) => ended).finally(() => clearTimeout(late));
      // Both are looked at by the methods.
      ended.catch(() => undefined);
      return {
        async says(text) {
          const said = collected.says(text);
          const code = await Promise.race([said, ended]).catch((error: unknown) => {
            throw toolError(error);
          });
          if (code !== undefined && !collected.stderr().includes(text)) throw failed(target, code, collected.stderr());
        },
        async stop() {
          const forced = setTimeout(() => ending.abort(), STOP_MS);
          await opening.then((running) => running.endInput()).catch(() => undefined);
          await ended.catch(() => undefined);
          clearTimeout(forced);
          return collected.stdout();
        },
      };
    },
  };
}

/** Any error of a command as a {@link ToolError}; a refusal names the right. */
export function toolError(error: unknown): ToolError {
  if (error instanceof ToolError) return error;
  if (error instanceof KubeError) {
    const right = lackingRight(error);
    if (right !== undefined) return new LackingRight(`this account lacks the ${right}`, { cause: error });
    if (error.code === "forbidden") return new LackingRight(error.message, { cause: error });
  }
  return new ToolError(error instanceof Error ? error.message : String(error), { cause: error });
}

function failed({ command }: ToolTarget, code: number, stderr: string): ToolError {
  // Programs of Open vSwitch end with a line that says only that the server has answered with an error.
  const lines = stderr.trim().split("\n");
  const last = lines.findLast((line) => !/: server returned an error$/.test(line));
  return new ToolError(last || `${command[0]} has ended with exit code ${code}`);
}

interface Collector {
  readonly output: ExecOutput;
  stdout(): string;
  stderr(): string;
  /** Resolves once standard error has the text. */
  says(text: string): Promise<undefined>;
}

function collector(maxOutput: number, onTooMuch: () => void): Collector {
  const pieces: Buffer[] = [];
  let size = 0;
  let errors = Buffer.alloc(0);
  const looks = new Set<() => void>();
  const stderr = (): string => errors.toString("utf8");
  return {
    output: {
      stdout(data) {
        if (size + data.length > maxOutput) onTooMuch();
        else {
          size += data.length;
          pieces.push(data);
        }
        return undefined;
      },
      stderr(data) {
        errors = Buffer.concat([errors, data]).subarray(-MAX_ERRORS);
        for (const look of looks) look();
        return undefined;
      },
    },
    stdout: () => Buffer.concat(pieces).toString("utf8"),
    stderr,
    says(text) {
      const { promise, resolve } = Promise.withResolvers<undefined>();
      const look = (): void => void (stderr().includes(text) && resolve(undefined));
      looks.add(look);
      look();
      return promise.finally(() => looks.delete(look));
    },
  };
}
