import { spawn } from "node:child_process";
import type { NetlinkSocket } from "../netlink/socket.ts";
import { type Subscription, watch } from "../netlink/watch.ts";
import { HOST_TABLE } from "./host-rules.ts";

/** nft takes a moment for thousands of elements; one that hangs is ended. */
const DEADLINE_MS = 30_000;
/** Far more than our table can be. */
const MAX_LISTING = 4 << 20;

/** The node's nftables, as {@link HostRules} uses them. */
export interface Nftables {
  /** Applies all of a script, or nothing. Rejects with what nft printed. */
  apply(script: string): Promise<void>;
  /** Our table without its counters; "" where there is none. */
  list(): Promise<string>;
  /** Calls `listener` whenever something of our table may have changed. */
  watch(listener: () => void): { close(): void };
}

/** The nftables of a network namespace, the one this process is in. `host` is a socket of it. */
export function kernelNftables(host: NetlinkSocket): Nftables {
  return {
    async apply(script) {
      await runNft(["-f", "-"], script);
    },
    async list() {
      try {
        return await runNft(["--stateless", "list", "table", ...HOST_TABLE.split(" ")]);
      } catch {
        // No table, most likely. Where nft cannot list at all, the same "" before and after keeps us from applying without end.
        return "";
      }
    },
    watch: (listener) => watchTable(host, listener),
  };
}

function watchTable(host: NetlinkSocket, listener: () => void): { close(): void } {
  let closed = false;
  let subscription: Subscription | undefined;
  const begin = (): void => {
    subscription = watch(host, ["nftables"], (event) => {
      if (event.type === "failed" && !closed) begin();
      const others = event.type === "nftables" && `${event.family} ${event.table}` !== HOST_TABLE;
      if (!closed && !others) listener();
    });
  };
  begin();
  return {
    close() {
      closed = true;
      subscription?.close();
    },
  };
}

function runNft(args: readonly string[], input = ""): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn("nft", args, { stdio: ["pipe", "pipe", "pipe"], timeout: DEADLINE_MS });
    let [output, complaint] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      if (output.length < MAX_LISTING) output += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      if (complaint.length < 4096) complaint += text;
    });
    child.on("error", (cause) => reject(new Error(`cannot run nft: ${cause.message}`, { cause })));
    // The exit code tells more than a pipe that nft closed before it had read everything.
    child.stdin.on("error", () => undefined);
    child.on("close", (code, signal) => {
      if (code === 0) resolve(output);
      else reject(new Error(`nft failed (${signal ?? code}): ${complaint.trim().slice(0, 1000)}`));
    });
    child.stdin.end(input);
  });
}

/**
 * Applies rules when their text differs from what was applied last, and when the table is not as it was then: somebody has deleted
 * or changed it, by hand or with `nft flush ruleset`.
 */
export class HostRules {
  readonly #nft: Nftables;
  /** What was applied, and how nft lists it. */
  #applied: { readonly script: string; readonly listing: string } | undefined;
  /** Something has happened to the table since it was looked at. The kernel tells of our own changes too. */
  #suspect = false;
  #watch: { close(): void } | undefined;
  #listener: () => void = () => undefined;

  constructor(nft: Nftables) {
    this.#nft = nft;
  }

  /** Calls `listener` whenever `ensure` should be called again. */
  onSuspicion(listener: () => void): void {
    this.#listener = listener;
  }

  /** Returns whether anything had to be done. */
  async ensure(script: string): Promise<boolean> {
    // Before the first change, so that none is missed.
    this.#watch ??= this.#nft.watch(() => {
      this.#suspect = true;
      this.#listener();
    });
    const applied = this.#applied;
    if (applied?.script === script) {
      if (!this.#suspect) return false;
      this.#suspect = false;
      if ((await this.#nft.list()) === applied.listing) return false;
    }
    const known = applied?.script === script ? applied.listing : undefined;
    this.#applied = undefined;
    let listing = await this.#put(script);
    // Changed again before it was listed: what is there now is not what the script makes.
    if (known !== undefined && listing !== known) listing = await this.#put(script);
    this.#applied = { script, listing };
    return true;
  }

  async #put(script: string): Promise<string> {
    await this.#nft.apply(script);
    return await this.#nft.list();
  }

  /** Stops watching. The rules stay. */
  close(): void {
    this.#watch?.close();
    this.#watch = undefined;
  }
}
