import { spawn } from "node:child_process";

/** nft takes a moment for thousands of elements; one that hangs is ended. */
const DEADLINE_MS = 30_000;

/**
 * Feeds a script to `nft -f -`, which applies all of it or nothing.
 * @throws Error with what nft printed.
 */
export function runNft(script: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn("nft", ["-f", "-"], { stdio: ["pipe", "ignore", "pipe"], timeout: DEADLINE_MS });
    let complaint = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      if (complaint.length < 4096) complaint += text;
    });
    child.on("error", (cause) => reject(new Error(`cannot run nft: ${cause.message}`, { cause })));
    // The exit code tells more than a pipe that nft closed before it had read everything.
    child.stdin.on("error", () => undefined);
    child.on("close", (code, signal) => {
      if (code === 0) resolve();
      else reject(new Error(`nft failed (${signal ?? code}): ${complaint.trim().slice(0, 1000)}`));
    });
    child.stdin.end(script);
  });
}

/** Applies rules when their text differs from what was applied last. */
export class HostRules {
  readonly #run: (script: string) => Promise<void>;
  #applied: string | undefined;

  constructor(run: (script: string) => Promise<void> = runNft) {
    this.#run = run;
  }

  /** Returns whether anything had to be done. */
  async ensure(script: string): Promise<boolean> {
    if (script === this.#applied) return false;
    this.#applied = undefined;
    await this.#run(script);
    this.#applied = script;
    return true;
  }
}
