// SPDX-License-Identifier: Apache-2.0

import { CONTROLLER_POD } from "../../api/annotations.ts";
import { KubeError } from "../../kube/errors.ts";
import { type PublishedLease, publishLease } from "../../kube/published-lease.ts";
import { PODS } from "../../kube/resources.ts";
import type { Controller } from "../controller.ts";
import type { ControllerParts } from "../controller-parts.ts";
import { findForeignRows, foreignRowsMessage, isForeign } from "./kube-ovn-rows.ts";

/** The Lease that shows the leader; its name is Kube-OVN's. */
const LEASE = "kube-ovn-controller";

/**
 * One candidate for leadership: reads everything, leads while it holds the lock of the northbound database, and is a standby otherwise. The Lease is
 * for information only. It does not lead if the database has rows of Kube-OVN.
 */
export class Election {
  readonly #parts: ControllerParts;
  readonly #controller: Controller;
  readonly #onFailure: () => void;
  readonly #stop = new AbortController();
  #lease: PublishedLease | undefined;
  /** The pending release of the last term's Lease. */
  #released: Promise<void> = Promise.resolve();
  #synced = false;
  /** A check whether it may lead is in progress. */
  #looking = false;
  #blocked: string | undefined;
  /** The first check whether it may lead is complete. */
  #judged = false;
  /** Writes of the annotation with the reason, one after the other. */
  #annotated: Promise<void> = Promise.resolve();

  /** `onFailure`: it failed to start leading; the process must exit so that another replica can lead. */
  constructor(parts: ControllerParts, controller: Controller, onFailure: () => void) {
    this.#parts = parts;
    this.#controller = controller;
    this.#onFailure = onFailure;
  }

  /** Whether everything has been read once. */
  get synced(): boolean {
    return this.#synced;
  }

  /** Why this process does not lead although it holds the lock: the foreign rows in the database, and what to do. */
  get blocked(): string | undefined {
    return this.#blocked;
  }

  /** Starts to read and becomes a candidate. */
  start(): void {
    const { northbound, log } = this.#parts;
    northbound.lock.onChange((state) => (state === "held" ? this.#stand() : this.#follow()));
    northbound.subscribe((changes) => {
      if (this.#blocked !== undefined && changes.some((change) => isForeign(change.old ?? {}))) this.#stand();
    });
    this.#controller.sync(this.#stop.signal).then(
      () => {
        this.#synced = true;
        log.info({ ...this.#controller.counts() }, "initial state read");
        this.#stand();
      },
      (error: unknown) => {
        if (!this.#stop.signal.aborted) log.error({ err: error }, "failed to read the initial state");
      },
    );
  }

  /** Stops everything except the connections. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#controller.stop();
    this.#release();
    await this.#released;
  }

  /** Starts to lead, unless the database has rows of Kube-OVN. */
  #stand(): void {
    const { northbound } = this.#parts;
    if (!this.#mayLead() || this.#looking) return;
    this.#looking = true;
    northbound.whenReady(this.#stop.signal).then(
      () => {
        this.#looking = false;
        if (!this.#mayLead()) return;
        const foreign = findForeignRows(northbound.rows());
        this.#block(foreign.length === 0 ? undefined : foreignRowsMessage(foreign));
        if (this.#blocked === undefined) this.#lead();
      },
      // The connection was closed, or the candidate was stopped.
      () => {
        this.#looking = false;
      },
    );
  }

  #mayLead(): boolean {
    return this.#synced && this.#parts.northbound.lock.state === "held" && !this.#controller.leading;
  }

  #block(reason: string | undefined): void {
    const { log } = this.#parts;
    const before = this.#blocked;
    if (this.#judged && reason === before) return;
    this.#judged = true;
    this.#blocked = reason;
    if (reason !== undefined) log.error(reason);
    else if (before !== undefined) log.info("the northbound database has no more rows of Kube-OVN");
    // Also if there is no reason at first: an earlier process of this pod may have left the annotation.
    this.#annotated = this.#annotated.then(() => this.#annotateReason(reason));
  }

  /** Writes to this process's own pod why it does not lead, for `weftctl status`. Outside of a pod only the log has it. */
  async #annotateReason(reason: string | undefined): Promise<void> {
    const { kube, settings, log } = this.#parts;
    const ref = { namespace: settings.namespace, name: settings.identity };
    const key = CONTROLLER_POD.notLeading;
    const options = { signal: this.#stop.signal, metadataOnly: true };
    try {
      const { annotations = {} } = (await kube.get(PODS, ref, options)).metadata;
      if (annotations[key] === reason) return;
      const body = { metadata: { annotations: { [key]: reason ?? null } } };
      await kube.patch(PODS, ref, { type: "merge", body }, options);
    } catch (error) {
      if (this.#stop.signal.aborted || (error instanceof KubeError && error.code === "not-found")) return;
      log.warn({ err: error }, "failed to annotate the controller's pod");
    }
  }

  #lead(): void {
    const { kube, log, settings, clock, onLeading } = this.#parts;
    log.info("started leading");
    onLeading?.(true);
    this.#lease = publishLease(kube, {
      namespace: settings.namespace,
      name: LEASE,
      holder: settings.identity,
      onError: (error) => log.warn({ err: error }, "failed to write the Lease"),
      clock,
      after: this.#released,
    });
    this.#controller.lead().catch((error: unknown) => {
      if (this.#stop.signal.aborted) return;
      log.error({ err: error }, "failed to start leading; exiting so that another replica can");
      this.#onFailure();
    });
  }

  #follow(): void {
    if (!this.#controller.leading) return;
    this.#parts.log.warn("lost leadership");
    this.#parts.onLeading?.(false);
    this.#controller.follow();
    this.#release();
  }

  #release(): void {
    const lease = this.#lease;
    this.#lease = undefined;
    if (lease !== undefined) this.#released = lease.stop();
  }
}
