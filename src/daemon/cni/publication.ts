// SPDX-License-Identifier: Apache-2.0

import type { Clock } from "../../time/clock.ts";
import { ReconcileLoop } from "../../time/reconcile-loop.ts";
import type { HostIo } from "../host-io.ts";
import type { DaemonMetrics } from "../metrics.ts";
import type { DaemonOptions } from "../options.ts";
import type { RepairReport } from "../repair-report.ts";
import { conflist } from "./conflist.ts";

/** Dependencies of {@link Publication}. */
export interface PublicationDependencies {
  readonly options: Pick<DaemonOptions, "bindSocket" | "cniConfName" | "nonPrimary">;
  readonly hostIo: Pick<
    HostIo,
    "portmapVersions" | "writeConflist" | "ensureConflist" | "removeConflist" | "watchConflist" | "started"
  >;
  readonly metrics: Pick<DaemonMetrics, "ready">;
  readonly report: Pick<RepairReport, "note">;
  readonly clock: Clock;
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void };
  /** Why pods cannot get a network on this node; undefined if they can. */
  notReady(): string | undefined;
}

/**
 * Maintains the network configuration that the container runtime reads: it is written once pods can get a network on
 * this node, and restored if another program removes or changes it. It stays when the daemon ends, as do the pods'
 * networks.
 *
 * If another network plugin owns the runtime's configuration, none is written, and an earlier one is removed.
 */
export class Publication {
  readonly #deps: PublicationDependencies;
  readonly #loop: ReconcileLoop;
  #published: string | undefined;
  #watched: { close(): void } | undefined;

  constructor(deps: PublicationDependencies) {
    this.#deps = deps;
    this.#loop = new ReconcileLoop(
      () => this.#publish(),
      (error, retryMs) => deps.log.warn({ err: error, retryMs }, "failed to write the CNI configuration; retrying"),
      {},
      deps.clock,
    );
  }

  start(): void {
    const { options, hostIo, log } = this.#deps;
    if (options.nonPrimary) return;
    this.#watched = hostIo.watchConflist(
      () => this.trigger(),
      (error) =>
        log.warn({ err: error }, "failed to watch the folder of CNI configurations; changes there are not noticed"),
    );
  }

  /** The result of `notReady`, or the file, may have changed. */
  trigger(): void {
    this.#loop.trigger();
  }

  async stop(): Promise<void> {
    this.#watched?.close();
    await this.#loop.stop();
  }

  async #publish(): Promise<void> {
    const { options, hostIo, metrics, report, log } = this.#deps;
    const reason = this.#deps.notReady();
    metrics.ready = reason === undefined;
    if (this.#published !== undefined) {
      if (options.nonPrimary) return;
      if (!(await hostIo.ensureConflist(this.#published))) return;
      this.#loop.backOff(report.note([`conflist ${options.cniConfName}`]));
      return;
    }
    if (reason !== undefined) return;
    if (options.nonPrimary) {
      if (await hostIo.removeConflist())
        log.info(
          { file: options.cniConfName },
          "removed Weft's CNI configuration: it is not the primary network plugin",
        );
      this.#published = "";
      hostIo.started();
      return;
    }
    // After this the runtime calls the shim.
    const text = conflist(options.bindSocket, await hostIo.portmapVersions());
    await hostIo.writeConflist(text);
    this.#published = text;
    log.info({ file: options.cniConfName }, "ready: CNI configuration written");
    hostIo.started();
  }
}
