// SPDX-License-Identifier: Apache-2.0

import type { Informer } from "../../kube/informer.ts";
import type { Clock } from "../../time/clock.ts";
import { ReconcileLoop } from "../../time/reconcile-loop.ts";
import { LostPorts } from "../ovs/lost-ports.ts";
import type { OvsChange, OvsView } from "../ovs/ovs-view.ts";
import type { RepairReport } from "../repair-report.ts";
import { type CollectorDependencies, collectOrphans } from "./collect-orphans.ts";
import type { NodePod } from "./pods.ts";
import { PodRoutes } from "./running-pod-routes.ts";

/** Dependencies of {@link PodUpkeep}. */
export interface PodUpkeepDependencies extends Omit<CollectorDependencies, "lost" | "log"> {
  readonly view: OvsView;
  readonly pods: CollectorDependencies["pods"] & Pick<Informer<NodePod>, "whenSynced" | "subscribe">;
  readonly report: Pick<RepairReport, "note">;
  readonly clock: Clock;
  readonly log: CollectorDependencies["log"] & { warn(fields: object, message: string): void };
  /** See {@link import("./lost-links.ts").watchLostLinks}. */
  watchLostLinks(onLost: (name: string | undefined) => void): { close(): void };
}

/**
 * Maintains pods' objects on the node after their ADD: lost ports are restored, orphaned ones collected, and routes
 * follow the annotations.
 */
export class PodUpkeep {
  readonly #deps: PodUpkeepDependencies;
  readonly #lost: LostPorts;
  readonly #restoring: ReconcileLoop;
  readonly #collection: ReconcileLoop;
  readonly #routes: PodRoutes;
  readonly #routing: ReconcileLoop;
  /** The first collection with a complete list of pods and ports has run. */
  #isRunning = false;
  readonly #stops: (() => void)[] = [];

  constructor(deps: PodUpkeepDependencies) {
    const { log, clock, report } = deps;
    const loop = (run: () => Promise<void>, failure: string): ReconcileLoop =>
      new ReconcileLoop(run, (error, retryMs) => log.warn({ err: error, retryMs }, failure), {}, clock);
    this.#deps = deps;
    this.#lost = new LostPorts(deps);
    this.#restoring = loop(async () => {
      const { repairs, error } = await this.#lost.restore();
      this.#restoring.backOff(report.note(repairs));
      if (error !== undefined) throw error;
    }, "failed to restore ports that another program removed; retrying");
    this.#routes = new PodRoutes(deps);
    this.#routing = loop(() => this.#routes.apply(), "failed to change routes of pods; retrying");
    this.#collection = loop(() => this.#collect(), "failed to remove orphaned ports and interfaces; retrying");
  }

  start(): void {
    const { view, ports, pods } = this.#deps;
    const collect = (): void => this.collect();
    const lostLinks = this.#deps.watchLostLinks((name) => {
      // DEL removes the port before the interface, so an interface that it removes is not a loss.
      if (name === undefined || ports.byName(name) !== undefined) collect();
    });
    this.#stops.push(
      // If the runtime has lost the sandbox, it sends no DEL. The collection does not find what a DEL has removed.
      pods.subscribe(({ old, new: now }) => {
        if (old !== undefined && !old.uids.some((uid) => now?.uids.includes(uid))) collect();
        if (this.#routes.note(old, now)) this.#routing.trigger();
      }),
      () => lostLinks.close(),
      view.mirror.onSyncedChange(collect),
      view.mirror.subscribe((changes) => {
        if (changes.some(isBroken)) collect();
        if (changes.some((change) => this.#routes.concerns(change))) this.#routing.trigger();
        if (this.#lost.note(changes)) this.#restoring.trigger();
      }),
    );
    pods.whenSynced().then(collect, () => undefined);
  }

  /** There may be orphaned ports or interfaces. */
  collect(): void {
    this.#collection.trigger();
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops) stop();
    await Promise.all([this.#collection.stop(), this.#restoring.stop(), this.#routing.stop()]);
  }

  async #collect(): Promise<void> {
    const { view } = this.#deps;
    if (!view.synced || view.bridge() === undefined) return;
    const isLost = await collectOrphans({ ...this.#deps, lost: this.#lost });
    if (isLost) this.#restoring.trigger();
    // Once the ports are known: anything may have changed while no daemon ran.
    if (this.#isRunning || !this.#deps.pods.synced) return;
    this.#isRunning = true;
    this.#routes.noteAll();
    this.#routing.trigger();
  }
}

/** ovs-vswitchd has lost an interface: its namespace was removed, possibly without a DEL. */
function isBroken(change: OvsChange): boolean {
  return change.table === "Interface" && Boolean(change.new?.error) && change.old?.error !== change.new?.error;
}
