// SPDX-License-Identifier: Apache-2.0

import type { Duplex } from "node:stream";
import { Backoff } from "../time/backoff.ts";
import type { Clock } from "../time/clock.ts";
import type { Dial } from "./dial.ts";
import { OvsdbError } from "./errors.ts";
import { ServerSession } from "./server-session.ts";

/** Options of {@link LeaderWatch}. */
export interface LeaderWatchOptions {
  readonly clock: Clock;
  readonly dial: Dial;
  /** The other servers of the cluster. */
  readonly remotes: readonly string[];
  readonly database: string;
  readonly probeIntervalMs: number;
  readonly connectTimeoutMs: number;
  readonly maxBackoffMs: number;
  readonly maxMessageBytes: number;
  /** One of them reports that it leads. Called again each time that its `_Server` changes. */
  readonly onLeads: () => void;
}

/**
 * Watches the servers of a cluster besides its leader, with a connection to each. A leader that hangs does not report
 * that another one has been elected, and its silence is detected only after two probes; the new leader reports it at
 * once.
 */
export class LeaderWatch {
  readonly #stops: readonly (() => void)[];

  constructor(options: LeaderWatchOptions) {
    this.#stops = options.remotes.map((remote) => watch(remote, options));
  }

  /** Closes the connections. */
  stop(): void {
    for (const stop of this.#stops) stop();
  }
}

/** Stays connected to one server; returns the function that ends it. */
function watch(remote: string, options: LeaderWatchOptions): () => void {
  const { clock, dial, connectTimeoutMs, onLeads } = options;
  const backoff = new Backoff({ firstMs: 100, maxMs: options.maxBackoffMs }, () => clock.random());
  let over = false;
  let end: () => void = () => {};

  function attempt(): void {
    const abort = new AbortController();
    const cancel = clock.after(connectTimeoutMs, () =>
      abort.abort(new OvsdbError("connection", "not connected in time")),
    );
    end = () => {
      cancel();
      abort.abort(new OvsdbError("closed", "the watch has ended"));
    };
    dial(remote, abort.signal).then(
      (stream) => {
        cancel();
        if (over) stream.destroy();
        else greet(stream);
      },
      () => {
        cancel();
        retry();
      },
    );
  }

  function greet(stream: Duplex): void {
    const server = new ServerSession(stream, {
      clock,
      probeIntervalMs: options.probeIntervalMs,
      maxMessageBytes: options.maxMessageBytes,
      maxRequests: 10,
      database: options.database,
      leaderOnly: false,
      seen: () => undefined,
      onSeen: () => {},
      onSuitable: () => backoff.reset(),
      onLeads,
      onNotification: () => {},
      onEnd: retry,
    });
    end = () => server.end(new OvsdbError("closed", "the watch has ended"));
    server.greet();
  }

  function retry(): void {
    if (!over) end = clock.after(backoff.next(), attempt);
  }

  attempt();
  return () => {
    over = true;
    end();
  };
}
