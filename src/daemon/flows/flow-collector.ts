// SPDX-License-Identifier: Apache-2.0

import { createSocket, type Socket } from "node:dgram";
import type { FlowPage } from "../../api/flow-page.ts";
import type { Clock } from "../../time/clock.ts";
import { ReconcileLoop } from "../../time/reconcile-loop.ts";
import type { OvsView } from "../ovs/ovs-view.ts";
import { planCollector } from "./collector-rows.ts";
import { FlowTable } from "./flow-table.ts";
import { IpfixDecoder } from "./ipfix.ts";

/** The dependencies of a {@link FlowCollector}. */
export interface FlowCollectorDependencies {
  readonly view: OvsView;
  /** Whether samples are collected; if not, what an earlier process set up is removed. */
  readonly enabled: boolean;
  readonly clock: Clock;
  readonly log: Record<"info" | "warn", (fields: object, message: string) => void>;
}

/**
 * Collects the flows that Open vSwitch samples on this node, at a port of the loopback address which the kernel chooses: a new process is a new target, so its exporter begins with
 * its templates. A failure here affects no pod.
 */
export class FlowCollector {
  readonly #deps: FlowCollectorDependencies;
  readonly #table: FlowTable;
  readonly #loop: ReconcileLoop;
  readonly #stops: (() => void)[] = [];
  readonly #listeners = new Set<() => void>();
  #socket: Socket | undefined;
  #target: string | undefined;

  constructor(deps: FlowCollectorDependencies) {
    const { clock, log } = deps;
    this.#deps = deps;
    this.#table = new FlowTable(clock.wall());
    const onError = (err: unknown, retryMs: number): void =>
      log.warn({ err, retryMs }, "failed to set up the collection of flows; retrying");
    this.#loop = new ReconcileLoop(() => this.#reconcile(), onError, {}, clock);
  }

  start(): void {
    const { view } = this.#deps;
    this.#stops.push(
      view.mirror.onSyncedChange(() => this.#loop.trigger()),
      view.mirror.subscribe((changes) => {
        if (
          changes.some(
            ({ table, old, new: now }) =>
              table === "Flow_Sample_Collector_Set" || (table === "Bridge" && (old === undefined || now === undefined)),
          )
        )
          this.#loop.trigger();
      }),
    );
    this.#loop.trigger();
  }

  /** Stops collecting. The rows stay: the next process replaces them. */
  async stop(): Promise<void> {
    for (const stop of this.#stops) stop();
    await this.#loop.stop();
    this.#socket?.close();
    this.#socket = undefined;
  }

  /** The flows that have changed after `sequence`; of more than `most` the newest ones. */
  page(sequence: number, most = Number.POSITIVE_INFINITY): FlowPage {
    const found = this.#table.since(sequence, this.#deps.clock.wall());
    const flows = found.length > most ? found.slice(-most) : found;
    return {
      enabled: this.#deps.enabled,
      sequence: flows.at(-1)?.sequence ?? sequence,
      ...{ dropped: this.#table.dropped, skipped: found.length - flows.length, flows },
    };
  }

  /** Calls `listener` when flows have changed. Returns how to end that. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async #reconcile(): Promise<void> {
    const { view, enabled, clock, log } = this.#deps;
    if (!view.synced) return;
    if (enabled) this.#target ??= await this.#listen();
    const sets = view.mirror.rows("Flow_Sample_Collector_Set");
    const operations = planCollector(this.#target, sets, view.bridge()?._uuid, clock.uuid);
    if (operations.length === 0) return;
    await view.transact(operations);
    log.info({ target: this.#target }, "collection of flows set up in Open vSwitch");
  }

  /** Listens; resolves to the target for Open vSwitch. */
  async #listen(): Promise<string> {
    const socket = createSocket("udp4");
    const decoder = new IpfixDecoder();
    socket.on("message", (message) => {
      const now = this.#deps.clock.wall();
      const samples = decoder.decode(message);
      for (const sample of samples) this.#table.add(sample, now);
      if (samples.length > 0) for (const listener of this.#listeners) listener();
    });
    await new Promise<void>((resolve, reject) => {
      socket.once("error", (error) => {
        socket.close();
        reject(error);
      });
      socket.bind(0, "127.0.0.1", resolve);
    });
    socket.removeAllListeners("error");
    socket.on("error", (err) => {
      this.#deps.log.warn({ err }, "the socket for flows failed; it is opened again");
      socket.close();
      this.#socket = undefined;
      this.#target = undefined;
      this.#loop.trigger();
    });
    this.#socket = socket;
    return `127.0.0.1:${socket.address().port}`;
  }
}
