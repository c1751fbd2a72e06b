// SPDX-License-Identifier: Apache-2.0

import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { Logger } from "pino";
import type { EventRecorder } from "../kube/event-recorder.ts";
import { NODES } from "../kube/resources.ts";
import type { Dual } from "../net/dual.ts";
import { backoffDelay } from "../time/backoff.ts";
import { type Clock, SYSTEM_CLOCK } from "../time/clock.ts";
import { ReconcileLoop } from "../time/reconcile-loop.ts";
import { announcements } from "./announcements.ts";
import type { Bird } from "./bird.ts";
import { birdConfig, isPassword, neighborsOf } from "./bird-config.ts";
import { SpeakerError } from "./error.ts";
import type { BgpOptions, SpeakerOptions } from "./options.ts";
import { type BgpSession, readBgpSessions, sessionProblem } from "./sessions.ts";
import type { SpeakerWatches } from "./watches.ts";

/** How long a session may take before an Event says why there is none, in ms: BIRD connects after a second, and again every five. */
const PATIENCE_MS = 15_000;

/** A BIRD that ends sooner after its start is started again after a pause, which doubles, in ms. */
const STEADY_MS = 60_000;
const RESTART = { firstMs: 500, maxMs: 30_000 };

/** What a speaker works on. */
export interface SpeakerParts {
  readonly watches: SpeakerWatches;
  readonly events: Pick<EventRecorder, "record">;
  readonly log: Pick<Logger, "debug" | "info" | "warn">;
  /** Makes BIRD, with what it is to tell. */
  readonly makeBird: (tell: {
    onLine: (line: string) => void;
    onExit: (reason: string) => void;
  }) => Pick<Bird, "apply" | "protocols" | "running" | "stop">;
  readonly clock?: Clock;
}

/** Keeps BIRD's routes equal to what the cluster's objects ask for, and tells of sessions that do not come up. */
export class Speaker {
  readonly #options: SpeakerOptions;
  readonly #parts: SpeakerParts;
  readonly #bird: ReturnType<SpeakerParts["makeBird"]>;
  readonly #routes: ReconcileLoop;
  readonly #sessions: ReconcileLoop;
  readonly #clock: Clock;
  #cancelReport: () => void = () => undefined;
  /** The sessions that are not established, by address: when each may be reported, and the message of its last report. */
  readonly #down = new Map<string, { readonly due: number; readonly reported?: string }>();
  #bgp: BgpOptions | undefined;
  #announced = 0;
  #known: readonly BgpSession[] = [];
  #startedAt = 0;
  /** How often in a row BIRD has ended soon after its start. */
  #ends = 0;
  /** When BIRD may be started again. */
  #startAt = 0;
  #cancelStart: () => void = () => undefined;

  constructor(options: SpeakerOptions, parts: SpeakerParts) {
    const { log, clock = SYSTEM_CLOCK } = parts;
    this.#options = options;
    this.#parts = parts;
    this.#clock = clock;
    const onError = (err: unknown, retryMs: number): void =>
      log.warn({ err, retryMs }, "failed to configure BIRD; trying again");
    this.#routes = new ReconcileLoop(() => this.#announce(), onError, { restMs: 20 }, clock);
    this.#sessions = new ReconcileLoop(() => this.#look(), onError, { restMs: 200 }, clock);
    this.#bird = parts.makeBird({
      onLine: (line) => {
        log.debug({ line }, "BIRD");
        if (this.#bird.running) this.#sessions.trigger();
      },
      onExit: (reason) => {
        this.#ends = clock.now() - this.#startedAt < STEADY_MS ? this.#ends + 1 : 0;
        const pauseMs = this.#ends < 2 ? 0 : backoffDelay(this.#ends - 1, RESTART);
        log.warn({ reason, pauseMs }, "BIRD ended; starting it again");
        this.#known = this.#known.map((session) => ({ ...session, up: false, state: "Idle" }));
        this.#startAt = clock.now() + pauseMs;
        this.#cancelStart = clock.after(pauseMs, () => this.#routes.hurry());
      },
    });
  }

  /** Routes that neighbours are given. */
  get announced(): number {
    return this.#announced;
  }

  /** The sessions as they were last seen. */
  get sessions(): readonly BgpSession[] {
    return this.#known;
  }

  /** Why it is not ready, as a message; undefined if it is. Sessions that are not established do not count: that is told by Events and metrics. */
  notReady(): string | undefined {
    if (!this.#parts.watches.synced) return "waiting for the first lists from the API server";
    return this.#bird.running ? undefined : "BIRD does not run";
  }

  /** Starts BIRD once everything is listed: after a restart its neighbours would drop routes that it does not have yet. */
  start(signal: AbortSignal): void {
    const { watches } = this.#parts;
    watches.start();
    watches.whenSynced(signal).then(
      () => {
        watches.subscribe(() => this.#routes.hurry());
        this.#routes.trigger();
      },
      () => undefined,
    );
  }

  async stop(): Promise<void> {
    this.#cancelReport();
    this.#cancelStart();
    await Promise.all([this.#routes.stop(), this.#sessions.stop()]);
    await this.#bird.stop();
    await this.#parts.watches.stop();
  }

  async #announce(): Promise<void> {
    const { nodeName, nodeIps, routerId } = this.#options;
    const bgp = this.#bgp ?? (await this.#bgpOptions());
    this.#bgp = bgp;
    const local = localAddresses(nodeIps);
    const routes = announcements(this.#parts.watches.facts, { ...this.#options, node: nodeName });
    const started = !this.#bird.running;
    if (started && this.#clock.now() < this.#startAt) return;
    if (started) this.#startedAt = this.#clock.now();
    await this.#bird.apply(birdConfig(bgp, local, routerId || (local.v4 ?? madeId(nodeName)), routes));
    if (routes.length !== this.#announced) this.#parts.log.info({ routes: routes.length }, "routes are announced");
    this.#announced = routes.length;
    if (started) this.#sessions.trigger();
  }

  async #bgpOptions(): Promise<BgpOptions> {
    const { passwordFile: file } = this.#options;
    if (file === "") return this.#options;
    const password = await readFile(file, "utf8").catch((cause: unknown) => {
      throw new SpeakerError("config", `the password cannot be read: ${file}`, { cause });
    });
    const text = password.replace(/\n$/, "");
    if (!isPassword(text))
      throw new SpeakerError(
        "config",
        `the password in ${file} must have 1 to 80 characters, without quotation marks and control characters`,
      );
    return { ...this.#options, password: text };
  }

  /** Reads the sessions, and reports those that are still not established after a while. */
  async #look(): Promise<void> {
    if (!this.#bird.running || this.#bgp === undefined) return;
    const before = new Map(this.#known.map(({ address, up }) => [address, up]));
    this.#known = readBgpSessions(await this.#bird.protocols(), neighborsOf(this.#bgp));
    for (const { address, up, state, error } of this.#known)
      if (before.get(address) !== up)
        this.#parts.log.info(
          { neighbor: address, state, error },
          up ? "the session is established" : "the session is not established",
        );
    this.#report(this.#bgp);
  }

  /**
   * Reports the sessions that are due, and looks again when the next one is due: each attempt to connect is a line of BIRD's log, which must not delay that, and
   * one without an answer is none. A message is not repeated until the session has been established.
   */
  #report(bgp: BgpOptions): void {
    // As kubelet does: `kubectl describe node` finds Events by the name as uid.
    const subject = { type: NODES, name: this.#options.nodeName, uid: this.#options.nodeName };
    const now = this.#clock.now();
    let next = Number.POSITIVE_INFINITY;
    for (const session of this.#known) {
      const { address: neighbor, up } = session;
      const down = this.#down.get(neighbor) ?? { due: now + PATIENCE_MS };
      const message = sessionProblem(session, bgp);
      if (up) this.#down.delete(neighbor);
      else if (message === down.reported || now < down.due) this.#down.set(neighbor, down);
      else {
        this.#down.set(neighbor, { due: now + PATIENCE_MS, reported: message });
        this.#parts.log.warn({ neighbor }, message);
        this.#parts.events.record(subject, "Warning", "BgpSessionDown", message);
      }
      if (!up && message !== this.#down.get(neighbor)?.reported) next = Math.min(next, down.due);
    }
    this.#cancelReport();
    if (Number.isFinite(next)) this.#cancelReport = this.#clock.after(next - now, () => this.#sessions.trigger());
  }
}

/** The first address of each family. */
function localAddresses(addresses: readonly string[]): Dual<string> {
  const v4 = addresses.find((address) => !address.includes(":"));
  const v6 = addresses.find((address) => address.includes(":"));
  return { ...(v4 && { v4 }), ...(v6 && { v6 }) };
}

/** A BGP identifier for a node without an IPv4 address: not 0, and the same after a restart (RFC 6286 §2.1). */
function madeId(node: string): string {
  const [a = 0, b = 0, c = 0, d = 0] = createHash("sha256").update(node).digest();
  return [a % 223 || 1, b, c, d].join(".");
}
