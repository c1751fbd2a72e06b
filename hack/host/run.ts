import { spawn } from "node:child_process";
import { HostError } from "./error.ts";

/** How a command is run; everything is optional. */
export interface RunOptions {
  readonly cwd?: string;
  /** Added to the environment of this process. */
  readonly env?: Readonly<Record<string, string>>;
  /** Written to standard input, which is empty otherwise. */
  readonly input?: string;
  /** Milliseconds until the command is killed; no limit when absent. */
  readonly timeoutMs?: number;
  /** An exit code other than 0 is returned, not thrown. */
  readonly allowFailure?: boolean;
  /** Called with each line of both outputs as it comes, for progress. */
  readonly onLine?: (line: string) => void;
}

/** What a command left behind. `code` is 128 + n after signal n. */
export interface RunResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The most that is kept of one output; what is older is dropped. */
const KEEP_CHARACTERS = 8 * 1024 * 1024;

/**
 * Runs a command to its end and returns its output.
 * Rejects with HostError `command-failed` (with the end of its error output), `command-missing` or `timed-out`.
 */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.env === undefined ? {} : { env: { ...process.env, ...options.env } }),
      stdio: ["pipe", "pipe", "pipe"],
    });
    const output = { stdout: "", stderr: "" };
    let timedOut = false;
    const timer = options.timeoutMs === undefined ? undefined : setTimeout(expire, options.timeoutMs);
    function expire(): void {
      timedOut = true;
      child.kill("SIGKILL");
    }
    for (const name of ["stdout", "stderr"] as const) {
      let partial = "";
      child[name].setEncoding("utf8");
      child[name].on("data", (chunk: string) => {
        output[name] = (output[name] + chunk).slice(-KEEP_CHARACTERS);
        if (options.onLine === undefined) return;
        const lines = (partial + chunk).split(/\r?\n/);
        partial = (lines.pop() ?? "").slice(-4096);
        for (const line of lines) options.onLine(line);
      });
    }
    // A command that ends before it has read its input makes the pipe fail; its exit code tells what happened.
    child.stdin.on("error", () => undefined);
    child.stdin.end(options.input ?? "");
    child.on("error", (cause: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      reject(new HostError("command-missing", `cannot run ${command}: ${cause.message}`, { cause }));
    });
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      const exit = code ?? 128 + (signal === "SIGKILL" ? 9 : 15);
      if (timedOut) {
        reject(new HostError("timed-out", `${describe(command, args)} did not end within ${options.timeoutMs} ms`));
      } else if (exit !== 0 && options.allowFailure !== true) {
        const detail = (output.stderr.trim() || output.stdout.trim()).slice(-2000);
        reject(new HostError("command-failed", `${describe(command, args)} ended with ${exit}: ${detail}`));
      } else {
        resolve({ code: exit, ...output });
      }
    });
  });
}

function describe(command: string, args: readonly string[]): string {
  const line = [command, ...args].join(" ");
  return line.length > 200 ? `${line.slice(0, 200)}…` : line;
}
