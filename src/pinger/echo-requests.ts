// SPDX-License-Identifier: Apache-2.0

import { randomBytes } from "node:crypto";
import type { Family } from "../net/address.ts";
import type { PingSocket } from "../netlink/ping-socket.ts";
import type { Clock } from "../time/clock.ts";
import { afterReading } from "./after-reading.ts";
import type { ProbedAddress } from "./targets.ts";

/** What became of the echo requests to an address. */
export interface EchoResult {
  readonly sent: number;
  readonly lost: number;
  /** Of the requests that were answered; undefined if none was. */
  readonly averageMs: number | undefined;
  /** The kernel's error, if a request could not be sent; it counts as lost. */
  readonly problem?: string;
}

/** As in Kube-OVN. */
const COUNT = 3;
const PAUSE_MS = 100;
/** After this time without a reply a request is lost. */
const DEADLINE_MS = 1_000;
/** A payload that no other host knows: only the receiver of a request can answer it. */
const PAYLOAD = 16;

interface Waiting {
  readonly payload: Buffer;
  readonly done: (replied: boolean) => void;
}

/** Opens a socket for a family. */
export type OpenPing = (family: Family, onReply: (sequence: number, payload: Buffer) => void) => PingSocket;

/** Sends echo requests and matches replies. A call ends within {@link DEADLINE_MS} after its last request, so as many wait as callers start at once. */
export class EchoRequests {
  readonly #clock: Pick<Clock, "now" | "after">;
  readonly #sockets = new Map<Family, PingSocket>();
  /** Family and sequence number → the request that waits. */
  readonly #waiting = new Map<string, Waiting>();
  #sequence = 0;

  /** Opens a socket for each family. Throws a NetlinkError. */
  constructor(open: OpenPing, families: ReadonlySet<Family>, clock: Pick<Clock, "now" | "after">) {
    this.#clock = clock;
    for (const family of families)
      this.#sockets.set(
        family,
        open(family, (sequence, payload) => {
          const waiting = this.#waiting.get(`${family} ${sequence}`);
          if (waiting?.payload.equals(payload)) waiting.done(true);
        }),
      );
  }

  /** Sends requests to an address and waits for their replies. Never rejects. */
  async ping({ family, text }: ProbedAddress): Promise<EchoResult> {
    let problem: string | undefined;
    const times = await Promise.all(
      Array.from({ length: COUNT }, async (_, index) => {
        await this.#pause(index * PAUSE_MS);
        try {
          return await this.#echo(family, text);
        } catch (error) {
          problem = error instanceof Error ? error.message : String(error);
          return undefined;
        }
      }),
    );
    const answered = times.filter((time) => time !== undefined);
    const sum = answered.reduce((all, time) => all + time, 0);
    return {
      ...{ sent: COUNT, lost: COUNT - answered.length },
      averageMs: answered.length === 0 ? undefined : sum / answered.length,
      ...(problem !== undefined && { problem }),
    };
  }

  /** Closes the sockets; requests that wait are lost. */
  close(): void {
    for (const socket of this.#sockets.values()) socket.close();
    this.#sockets.clear();
    for (const { done } of [...this.#waiting.values()]) done(false);
  }

  /** The time until the reply in ms; undefined if there was none in time. Throws the kernel's error. */
  #echo(family: Family, address: string): Promise<number | undefined> {
    const socket = this.#sockets.get(family);
    if (socket === undefined) throw new Error(`no socket of IPv${family} is open`);
    do this.#sequence = (this.#sequence + 1) & 0xffff;
    while (this.#waiting.has(`${family} ${this.#sequence}`));
    const key = `${family} ${this.#sequence}`;
    const payload = randomBytes(PAYLOAD);
    const { promise, resolve } = Promise.withResolvers<number | undefined>();
    const started = this.#clock.now();
    const done = (replied: boolean): void => {
      if (this.#waiting.get(key)?.payload !== payload) return;
      cancel();
      this.#waiting.delete(key);
      resolve(replied ? this.#clock.now() - started : undefined);
    };
    const cancel = this.#clock.after(DEADLINE_MS, () => afterReading(() => done(false)));
    this.#waiting.set(key, { payload, done });
    try {
      socket.send(address, this.#sequence, payload);
    } catch (error) {
      done(false);
      throw error;
    }
    return promise;
  }

  #pause(ms: number): Promise<void> {
    return ms === 0 ? Promise.resolve() : new Promise((resolve) => void this.#clock.after(ms, resolve));
  }
}
