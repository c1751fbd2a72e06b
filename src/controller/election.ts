import { type PublishedLease, publishLease } from "../kube/lease.ts";
import type { Controller, ControllerParts } from "./controller.ts";

/** The Lease that shows people who leads; its name is Kube-OVN's. */
const LEASE = "kube-ovn-controller";

/**
 * One candidate for the lead: reads everything, leads while it holds the lock of the northbound database, follows
 * otherwise. The Lease says so to people, and decides nothing.
 */
export class Election {
  readonly #parts: ControllerParts;
  readonly #controller: Controller;
  readonly #onFailure: () => void;
  readonly #stop = new AbortController();
  #lease: PublishedLease | undefined;
  /** The release of the last term's Lease. */
  #released: Promise<void> = Promise.resolve();
  #synced = false;

  /** `onFailure`: leading could not begin; the process is to be given up, so that another one can. */
  constructor(parts: ControllerParts, controller: Controller, onFailure: () => void) {
    this.#parts = parts;
    this.#controller = controller;
    this.#onFailure = onFailure;
  }

  /** Whether everything has been read once. */
  get synced(): boolean {
    return this.#synced;
  }

  /** Begins to read, and to stand for election. */
  start(): void {
    const { northbound, log } = this.#parts;
    northbound.lock.onChange((state) => (state === "held" ? this.#lead() : this.#follow()));
    this.#controller.sync(this.#stop.signal).then(
      () => {
        this.#synced = true;
        log.info({ ...this.#controller.counts() }, "everything is read");
        this.#lead();
      },
      (error: unknown) => {
        if (!this.#stop.signal.aborted) log.error({ err: error }, "reading everything failed");
      },
    );
  }

  /** Ends everything but the connections. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#controller.stop();
    this.#release();
    await this.#released;
  }

  #lead(): void {
    const { kube, northbound, log, settings, clock } = this.#parts;
    if (!this.#synced || northbound.lock.state !== "held" || this.#controller.leading) return;
    log.info("this process leads");
    this.#lease = publishLease(kube, {
      namespace: settings.namespace,
      name: LEASE,
      holder: settings.identity,
      onError: (error) => log.warn({ err: error }, "the Lease could not be written"),
      clock,
      after: this.#released,
    });
    this.#controller.lead().catch((error: unknown) => {
      if (this.#stop.signal.aborted) return;
      log.error({ err: error }, "leading could not begin; giving the process up, so that another one can");
      this.#onFailure();
    });
  }

  #follow(): void {
    if (!this.#controller.leading) return;
    this.#parts.log.warn("this process leads no more");
    this.#controller.follow();
    this.#release();
  }

  #release(): void {
    const lease = this.#lease;
    this.#lease = undefined;
    if (lease !== undefined) this.#released = lease.stop();
  }
}
