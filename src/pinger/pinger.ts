// SPDX-License-Identifier: Apache-2.0

import type { Logger } from "pino";
import type { EventRecorder } from "../kube/event-recorder.ts";
import { NODES } from "../kube/resources.ts";
import { type Clock, SYSTEM_CLOCK } from "../time/clock.ts";
import type { PingerOptions } from "./options.ts";
import { ProbeReports } from "./reports.ts";
import { failed, type MeshProbeResult, type MeshProbes, type RoundPlan, runRound } from "./round.ts";
import { familiesOf, ipsOf, nodeTargets, podTargets } from "./targets.ts";
import type { PingerWatches } from "./watches.ts";

/** The least pause between two rounds, in ms, however long the first took. */
const REST_MS = 500;

/** What a prober works with. */
export interface PingerParts {
  readonly watches: Pick<PingerWatches, "synced" | "whenSynced" | "peers" | "nodes">;
  readonly probes: MeshProbes;
  readonly events: Pick<EventRecorder, "record">;
  readonly log: Pick<Logger, "info" | "warn">;
  /** Called with the results of each round. */
  readonly record: (results: readonly MeshProbeResult[]) => void;
  readonly clock?: Clock;
}

/** Probes in rounds, the starts of which are `intervalMs` apart, and reports what keeps failing as Events of its node. */
export class Pinger {
  readonly #options: PingerOptions;
  readonly #parts: PingerParts;
  readonly #clock: Clock;
  readonly #reports = new ProbeReports();
  readonly #ending = new AbortController();
  #last: readonly MeshProbeResult[] | undefined;
  #rounds: Promise<void> = Promise.resolve();
  #wake: () => void = () => undefined;

  constructor(options: PingerOptions, parts: PingerParts) {
    this.#options = options;
    this.#parts = parts;
    this.#clock = parts.clock ?? SYSTEM_CLOCK;
  }

  /** The results of the last round; undefined before its end. */
  get last(): readonly MeshProbeResult[] | undefined {
    return this.#last;
  }

  /** Why it is not ready, as a message; undefined if it is. Probes that fail do not count: they are told by metrics and Events. */
  notReady(): string | undefined {
    return this.#parts.watches.synced ? undefined : "waiting for the first lists from the API server";
  }

  /** Begins with the rounds. The first does not wait for the lists of the API server, which may be what fails. */
  start(): void {
    this.#rounds = this.#run();
  }

  /** Ends the present round early; resolves when it has ended. */
  async stop(): Promise<void> {
    this.#ending.abort();
    this.#wake();
    await this.#rounds;
  }

  async #run(): Promise<void> {
    const { signal } = this.#ending;
    const { probes, record, events, log } = this.#parts;
    // As kubelet does: `kubectl describe node` finds Events by the name as uid.
    const node = { type: NODES, name: this.#options.nodeName, uid: this.#options.nodeName };
    while (!signal.aborted) {
      const started = this.#clock.now();
      const results = await runRound(this.#plan(), probes, signal);
      if (signal.aborted) return;
      this.#last = results;
      record(results);
      for (const { type, reason, message } of this.#reports.after(results, this.#clock.now())) {
        events.record(node, type, reason, message);
        log[type === "Warning" ? "warn" : "info"]({ reason, failed: results.filter(failed).length }, message);
      }
      await this.#pause(Math.max(REST_MS, started + this.#options.intervalMs - this.#clock.now()));
    }
  }

  #plan(): RoundPlan {
    const { nodeName, podIps, maxPeers, internalDns, externalDns, tcpPort, udpPort } = this.#options;
    const { peers, nodes } = this.#parts.watches;
    const families = familiesOf(podIps);
    const pods = podTargets(nodeName, peers, families, maxPeers);
    const own = [["tcp", tcpPort] as const, ["udp", udpPort] as const].filter(([, port]) => port !== 0);
    return {
      pods,
      nodes: nodeTargets(nodeName, nodes, families, maxPeers),
      external: ipsOf(this.#options.externalAddresses, families).map((address) => ({ node: "", nodeIp: "", address })),
      ports: [
        ...pods.flatMap(({ node, address: { family, text: address } }) =>
          own.map(([protocol, port]) => ({ node, target: { protocol, family, address, port } })),
        ),
        ...this.#options.targetPorts.filter(({ family }) => families.has(family)).map((target) => ({ target })),
      ],
      names: [
        { kind: "internalDns" as const, name: internalDns },
        { kind: "externalDns" as const, name: externalDns },
      ].filter(({ name }) => name !== ""),
    };
  }

  #pause(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.#clock.after(ms, resolve);
    this.#wake = () => {
      cancel();
      resolve();
    };
    return promise;
  }
}
