// SPDX-License-Identifier: Apache-2.0

import { OVN_PROVIDER } from "../../api/annotations.ts";
import type { CniVerb } from "../../api/cni-message.ts";
import { formatMilliTime } from "../../time/rfc3339.ts";
import type { DaemonMetrics } from "../metrics.ts";
import { type CniError, httpStatus } from "./cni-error.ts";
import type { PodRequest } from "./request.ts";
import type { Stopwatch } from "./stopwatch.ts";

/** One request as `/debug/adds` shows it. Times are milliseconds. */
export interface JournalEntry {
  readonly at: string;
  readonly verb: CniVerb;
  /** The request id that the shim assigned. */
  readonly request?: string;
  readonly pod?: string;
  readonly container?: string;
  readonly ifName?: string;
  /** Of a secondary interface. */
  readonly provider?: string;
  readonly total: number;
  readonly parts: Readonly<Record<string, number>>;
  readonly error?: string;
  readonly code?: number;
}

/** The part of a logger that the journal uses. */
export interface JournalLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/** Keeps the last requests, counts them and logs one line for each. */
export class Journal {
  readonly #capacity: number;
  readonly #entries: JournalEntry[] = [];
  #next = 0;
  readonly #metrics: DaemonMetrics;
  readonly #log: JournalLog;
  readonly #wall: () => number;

  /** @param capacity how many entries are kept; older ones are overwritten; `wall`: ms since the epoch. */
  constructor(metrics: DaemonMetrics, log: JournalLog, capacity = 1000, wall: () => number = Date.now) {
    this.#metrics = metrics;
    this.#log = log;
    this.#capacity = capacity;
    this.#wall = wall;
  }

  /** A request has come: a line of level debug. */
  began(verb: CniVerb, about: Partial<PodRequest>): void {
    if (verb !== "status") this.#log.debug({ cni: { verb, ...namesOf(about) } }, `${verb.toUpperCase()} began`);
  }

  /** A part of a request has ended: a line of level debug. */
  part(verb: CniVerb, about: Partial<PodRequest>, part: string, ms: number): void {
    this.#log.debug({ cni: { verb, ...namesOf(about), part, ms: round(ms) } }, `${verb.toUpperCase()}: ${part}`);
  }

  /** Adds the record of a request that has ended. */
  done(event: {
    readonly verb: CniVerb;
    readonly about: Partial<PodRequest>;
    readonly watch: Stopwatch;
    readonly error?: CniError;
  }): void {
    const { verb, about, watch, error } = event;
    const entry: JournalEntry = {
      at: formatMilliTime(this.#wall()),
      verb,
      ...namesOf(about),
      total: round(watch.total),
      parts: Object.fromEntries(Object.entries(watch.parts).map(([part, ms]) => [part, round(ms)])),
      ...(error === undefined ? {} : { error: error.message, code: error.code }),
    };
    this.#entries[this.#next] = entry;
    this.#next = (this.#next + 1) % this.#capacity;
    this.#count(entry, error);
    // Some runtimes send STATUS every few seconds: only its failures are logged.
    if (error !== undefined) this.#log.warn({ cni: entry, details: error.details }, `${verb.toUpperCase()} failed`);
    else if (verb !== "status") this.#log.info({ cni: entry }, verb.toUpperCase());
  }

  /** The entries kept, oldest first; `verb` selects. */
  entries(verb?: string): readonly JournalEntry[] {
    const ordered = [...this.#entries.slice(this.#next), ...this.#entries.slice(0, this.#next)];
    return verb === undefined ? ordered : ordered.filter((entry) => entry.verb === verb);
  }

  #count(entry: JournalEntry, error: CniError | undefined): void {
    const code = error === undefined ? (entry.verb === "add" ? 200 : 204) : httpStatus(error.code);
    this.#metrics.operation(entry.verb, code, entry.total / 1000);
    for (const [part, ms] of Object.entries(entry.parts)) this.#metrics.part(entry.verb, part, ms / 1000);
  }
}

function round(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

/** What a request is about, as far as it is known. */
function namesOf(
  about: Partial<PodRequest>,
): Pick<JournalEntry, "request" | "pod" | "container" | "ifName" | "provider"> {
  return {
    ...(about.requestId ? { request: about.requestId } : {}),
    ...(about.podName ? { pod: `${about.podNamespace}/${about.podName}` } : {}),
    ...(about.containerId ? { container: about.containerId } : {}),
    ...(about.ifName ? { ifName: about.ifName } : {}),
    ...(about.provider && about.provider !== OVN_PROVIDER ? { provider: about.provider } : {}),
  };
}
