// SPDX-License-Identifier: Apache-2.0

import { EventEmitter } from "node:events";
import type { Duplex } from "node:stream";
import type { Channel } from "./channel.ts";
import type { SimProcess } from "./process.ts";

/** The client's end of a connection: as much of a stream as `src/ovsdb/session.ts` uses. */
class Socket extends EventEmitter {
  readonly writableLength = 0;
  destroyed = false;
  readonly #send: (bytes: Uint8Array) => void;
  readonly #hangUp: () => void;

  constructor(send: (bytes: Uint8Array) => void, hangUp: () => void) {
    super();
    this.#send = send;
    this.#hangUp = hangUp;
  }

  write(bytes: Uint8Array): boolean {
    if (!this.destroyed) this.#send(bytes);
    return true;
  }

  destroy(): this {
    if (this.destroyed) return this;
    this.destroyed = true;
    this.#hangUp();
    return this;
  }
}

/** One connection between a process and a server, whose messages take time and can be lost with it. */
export class Wire {
  readonly process: SimProcess;
  /** The process's end. */
  readonly client: Duplex;
  readonly #socket: Socket;
  readonly #server: Duplex;
  readonly #up: Channel;
  readonly #down: Channel;

  /** `onArrival` is called before the server gets a message of this connection. */
  constructor(process: SimProcess, server: Duplex, up: Channel, down: Channel, onArrival: () => void) {
    this.process = process;
    this.#server = server;
    this.#up = up;
    this.#down = down;
    this.#socket = new Socket(
      (bytes) =>
        up.send(() => {
          onArrival();
          if (!server.destroyed) server.write(bytes);
        }),
      () => up.send(() => server.destroy()),
    );
    this.client = this.#socket as unknown as Duplex;
    server.on("data", (bytes: Uint8Array) => {
      down.send(() => process.deliver(() => !this.#socket.destroyed && this.#socket.emit("data", bytes)));
    });
    server.on("error", () => server.destroy());
    server.on("end", () => server.destroy());
    server.on("close", () => down.send(() => process.deliver(() => this.#close())));
  }

  /** Whether the server still has the connection. */
  get open(): boolean {
    return !this.#server.destroyed;
  }

  /**
   * Breaks the connection. Either all sent messages of a direction arrive first or none.
   */
  cut(options: { readonly upArrives: boolean; readonly downArrives: boolean }): void {
    if (options.upArrives) {
      this.#up.send(() => this.#server.destroy());
    } else {
      this.#up.close();
      this.#server.destroy();
    }
    if (!options.downArrives) {
      this.#down.close();
      this.process.deliver(() => this.#close());
    }
  }

  /** No message arrives until `release`. */
  hold(): void {
    this.#up.hold();
    this.#down.hold();
  }

  release(): void {
    this.#up.release();
    this.#down.release();
  }

  /** The server drops the connection without notice: the client's probes will detect it. */
  abandon(): void {
    this.#up.close();
    this.#down.close();
    this.#server.destroy();
  }

  #close(): void {
    if (this.#socket.destroyed) return;
    this.#socket.destroyed = true;
    this.#socket.emit("close");
  }
}
