// SPDX-License-Identifier: Apache-2.0

import { spawn } from "node:child_process";
import type { NetlinkSocket } from "../netlink/socket.ts";
import { type Subscription, watch } from "../netlink/watch.ts";
import { type Driver, type DriverOutcome, driver, type Step } from "./driver.ts";
import type { NodeKernel } from "./kernel.ts";
import { isOurTable, NODE_OWNER, type Owner } from "./marks.ts";
import type { NodeState, TableState } from "./state.ts";

/** nft takes a moment for thousands of elements; one that hangs is ended. */
const DEADLINE_MS = 30_000;
/** Far more than our tables can be. */
const MAX_LISTING = 4 << 20;

/** The node's nftables. A table is named by its family and its name, as nft(8) writes them: "inet weft". */
export interface Nftables {
  /** Applies all of a script, or nothing. Rejects with what nft printed. */
  apply(script: string): Promise<void>;
  /** A table without its counters; "" where there is none. */
  list(table: string): Promise<string>;
  /** The names of all tables. */
  tables(): Promise<readonly string[]>;
  /** Calls `listener` whenever something of a table of ours may have changed; undefined: of any of them. */
  watch(listener: (table: string | undefined) => void): { close(): void };
}

/** The nftables of a network namespace, the one this process is in. `host` is a socket of it. */
export function kernelNftables(host: NetlinkSocket): Nftables {
  /** Where nft cannot list at all, the same "" before and after keeps us from applying without end. */
  const list = (...args: string[]): Promise<string> => runNft(["--stateless", "list", ...args]).catch(() => "");
  return {
    async apply(script) {
      await runNft(["-f", "-"], script);
    },
    list: (table) => list("table", ...table.split(" ")),
    tables: async () => [...(await list("tables")).matchAll(/^table (\w+ \S+)$/gm)].flatMap(([, name]) => name ?? []),
    watch: (listener) => watchTables(host, listener),
  };
}

function watchTables(host: NetlinkSocket, listener: (table: string | undefined) => void): { close(): void } {
  let closed = false;
  let subscription: Subscription | undefined;
  const begin = (): void => {
    subscription = watch(host, ["nftables"], (event) => {
      if (closed) return;
      if (event.type === "failed") begin();
      const table = event.type === "nftables" ? `${event.family} ${event.table}` : undefined;
      if (table === undefined || isOurTable(table)) listener(table);
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

/** What was applied, how nft listed it then, and how it lists it now. */
interface Applied {
  readonly script: string;
  readonly listing: string;
  readonly now: string;
}

type TableStep = Step &
  ({ readonly do: "apply"; readonly table: TableState } | { readonly do: "remove"; readonly name: string });

/**
 * Tables of nftables. What nft lists is not what it was given, so a table is compared with how it was listed when it was applied, and listed again only
 * after something has happened to it: a list is a process and thousands of lines.
 */
export class NftTables {
  readonly #nft: Nftables;
  readonly #applied = new Map<string, Applied>();
  /** Tables of ours that an earlier process has left; undefined until they were listed. */
  #left: Set<string> | undefined;
  /** Changed since they were last read. The kernel reports our own changes too. */
  readonly #suspect = new Set<string>();

  readonly #owner: Owner;

  constructor(nft: Nftables, owner: Owner = NODE_OWNER) {
    this.#nft = nft;
    this.#owner = owner;
  }

  /** Calls `listener` when a table may have changed, which the next pass then looks at. */
  watch(listener: () => void): () => void {
    const watched = this.#nft.watch((table) => {
      if (table !== undefined && !this.#owner.ownsTable(table)) return;
      for (const name of table === undefined ? this.#applied.keys() : [table]) this.#suspect.add(name);
      listener();
    });
    return () => watched.close();
  }

  /** @param kernel used to check whether links exist. */
  driver(kernel: Pick<NodeKernel, "link">): Driver {
    return driver<ReadonlySet<string>, TableStep>({
      kind: "tables",
      list: async ({ tables }) => {
        if (tables === undefined) return undefined;
        this.#left ??= new Set((await this.#nft.tables()).filter((name) => this.#owner.ownsTable(name)));
        for (const [name, applied] of this.#applied) {
          if (this.#suspect.delete(name)) this.#applied.set(name, { ...applied, now: await this.#nft.list(name) });
        }
        const waits = tables.filter(({ link }) => link !== undefined && kernel.link(link) === undefined);
        return new Set(waits.map(({ name }) => name));
      },
      diff: (waits, state) => this.#diff(waits, state),
      apply: async (step): Promise<DriverOutcome> => {
        if (step.do === "apply") await this.#apply(step.table);
        else await this.#remove(step.name);
        return "done";
      },
    });
  }

  #diff(waits: ReadonlySet<string>, { tables = [] }: NodeState) {
    const wanted = new Set(tables.map(({ name }) => name));
    const there = [...this.#applied.keys(), ...(this.#left ?? [])];
    return {
      remove: [...new Set(there)]
        .filter((name) => !wanted.has(name))
        .map((name) => ({ do: "remove", name, what: `rules table ${name} of nftables (no longer wanted)` }) as const),
      set: tables
        .filter(({ name, script }) => {
          const applied = this.#applied.get(name);
          return !waits.has(name) && (applied?.script !== script || applied.now !== applied.listing);
        })
        .map((table) => ({ do: "apply", table, what: `rules table ${table.name} of nftables` }) as const),
    };
  }

  async #apply({ name, script }: TableState): Promise<void> {
    const before = this.#applied.get(name);
    const known = before?.script === script ? before.listing : undefined;
    // Nobody knows what a failure leaves.
    this.#applied.delete(name);
    this.#left?.delete(name);
    let listing = await this.#put(name, script);
    // Changed again before it was listed: what is there now is not what the script makes.
    if (known !== undefined && listing !== known) listing = await this.#put(name, script);
    this.#applied.set(name, { script, listing, now: listing });
  }

  async #put(name: string, script: string): Promise<string> {
    await this.#nft.apply(script);
    return await this.#nft.list(name);
  }

  async #remove(name: string): Promise<void> {
    // It may have gone meanwhile.
    await this.#nft.apply(`table ${name} {}\ndelete table ${name}\n`);
    this.#applied.delete(name);
    this.#left?.delete(name);
    this.#suspect.delete(name);
  }
}
