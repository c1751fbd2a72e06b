// SPDX-License-Identifier: Apache-2.0

import { spawn } from "node:child_process";
import type { NetlinkSocket } from "../netlink/socket.ts";
import { type Subscription, watch } from "../netlink/watch.ts";
import { type Driver, type DriverOutcome, driver, type Step } from "./driver.ts";
import type { NodeKernel } from "./kernel.ts";
import { isOurTable, NODE_OWNER, type Owner } from "./marks.ts";
import type { NodeState, TableState } from "./state.ts";

/** nft needs some time for thousands of elements; a process that hangs is killed. */
const DEADLINE_MS = 30_000;
/** Far more than Weft's tables can have. */
const MAX_LISTING = 4 << 20;

/** The node's nftables. A table is identified by its family and its name, as nft(8) writes them: "inet weft". */
export interface Nftables {
  /** Applies a script atomically. Rejects with nft's output. */
  apply(script: string): Promise<void>;
  /** A table without its counters; "" if it does not exist. */
  list(table: string): Promise<string>;
  /** The names of all tables. */
  tables(): Promise<readonly string[]>;
  /** Calls `listener` whenever one of Weft's tables may have changed; undefined: any of them. */
  watch(listener: (table: string | undefined) => void): { close(): void };
}

/** The nftables of this process' network namespace. `host` is a socket of it. */
export function kernelNftables(host: NetlinkSocket): Nftables {
  /** If nft cannot list at all, the same "" before and after prevents applying without end. */
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
    // The exit code is more useful than the error of a pipe that nft closed before it had read everything.
    child.stdin.on("error", () => undefined);
    child.on("close", (code, signal) => {
      if (code === 0) resolve(output);
      else reject(new Error(`nft failed (${signal ?? code}): ${complaint.trim().slice(0, 1000)}`));
    });
    child.stdin.end(input);
  });
}

/** The applied script, nft's listing after that, and the present listing. */
interface Applied {
  readonly script: string;
  readonly listing: string;
  readonly now: string;
}

type TableStep = Step &
  ({ readonly do: "apply"; readonly table: TableState } | { readonly do: "remove"; readonly name: string });

/**
 * Tables of nftables. nft's listing differs from the applied script, so a table is compared with its listing after it
 * was applied, and listed again only after a change: listing runs a process and returns thousands of lines.
 */
export class NftTables {
  readonly #nft: Nftables;
  readonly #applied = new Map<string, Applied>();
  /** Tables of an earlier process; undefined until they were listed. */
  #left: Set<string> | undefined;
  /** Changed since they were last listed. The kernel reports Weft's own changes too. */
  readonly #suspect = new Set<string>();

  readonly #owner: Owner;

  constructor(nft: Nftables, owner: Owner = NODE_OWNER) {
    this.#nft = nft;
    this.#owner = owner;
  }

  /** Calls `listener` when a table may have changed, which the next pass then lists. */
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
    // The state after a failure is unknown.
    this.#applied.delete(name);
    this.#left?.delete(name);
    let listing = await this.#put(name, script);
    // Changed again before it was listed: the listing is not the result of the script.
    if (known !== undefined && listing !== known) listing = await this.#put(name, script);
    this.#applied.set(name, { script, listing, now: listing });
  }

  async #put(name: string, script: string): Promise<string> {
    await this.#nft.apply(script);
    return await this.#nft.list(name);
  }

  async #remove(name: string): Promise<void> {
    // It may be deleted meanwhile.
    await this.#nft.apply(`table ${name} {}\ndelete table ${name}\n`);
    this.#applied.delete(name);
    this.#left?.delete(name);
    this.#suspect.delete(name);
  }
}
