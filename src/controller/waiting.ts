import type { Refusal } from "../ipam/refusal.ts";

/** Somebody who waits: how to try again, and the reason that was told. */
interface Waiting {
  readonly serve: () => void;
  readonly reason: string;
  /** What is the same for all who would be refused if one of them is: that there is no address left of the kind that they want. */
  readonly alike: string | undefined;
}

/** Who waits for an address, and why. Each is tried once for each cause: there is no timer here. */
export class WaitingList {
  /** Who was refused → how that stands, in the order in which they came. */
  readonly #waiting = new Map<string, Waiting>();

  /** How many wait. */
  get size(): number {
    return this.#waiting.size;
  }

  /** Whether somebody waits and was told why. */
  isTold(id: string): boolean {
    return (this.#waiting.get(id)?.reason ?? "") !== "";
  }

  /** Waits no more: it is served, or gone. */
  delete(id: string): void {
    this.#waiting.delete(id);
  }

  /** Nobody waits any more. */
  clear(): void {
    this.#waiting.clear();
  }

  /**
   * Waits from now on, for the reason of `refusal`; `serve` tries again. Returns whether that reason is news. `alike` is the same for all
   * who would find nothing left if this one does.
   */
  refused(id: string, refusal: Refusal, alike: string | undefined, serve: () => void): boolean {
    // Not the whole sentence: who else holds addresses of a pool changes all the time.
    const reason = [refusal.code, refusal.subnet, refusal.value, refusal.holder].join(" ");
    const news = this.#waiting.get(id)?.reason !== reason;
    this.#waiting.set(id, { reason, alike: refusal.code === "NoAvailableAddress" ? alike : undefined, serve });
    return news;
  }

  /**
   * Something that was refused may now be met. Those who wait are served in the order in which they came; where one finds nothing left,
   * the others who want the same are not tried: addresses are only taken here, and a thousand may wait for the one that has come free.
   */
  serveAll(): void {
    const nothingLeft = new Set<string>();
    for (const [id, { serve, alike }] of [...this.#waiting]) {
      if (alike !== undefined && nothingLeft.has(alike)) continue;
      serve();
      const still = this.#waiting.get(id)?.alike;
      if (still !== undefined) nothingLeft.add(still);
    }
  }
}
