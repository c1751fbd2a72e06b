// SPDX-License-Identifier: Apache-2.0

import { readFile } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import { join } from "node:path";
import { TLSSocket } from "node:tls";
import { CERTIFICATE_FILE, CONTROLLER_NAME, TRUST_FILE } from "../../api/certificates.ts";
import { FLOWS_PATH, type FlowPage } from "../../api/flow-page.ts";
import { requestTarget } from "../../telemetry/request-target.ts";
import type { Clock } from "../../time/clock.ts";
import { ReconcileLoop } from "../../time/reconcile-loop.ts";

/** The dependencies of a {@link FlowServer}. */
export interface FlowServerDependencies {
  /** 0: one that the kernel chooses, for tests. */
  readonly port: number;
  /** The folder of the node's certificate, and of the authority of the controller's (`NodeCertificate`). */
  readonly folder: string;
  readonly flows: {
    page(sequence: number, most: number): FlowPage;
    subscribe(listener: () => void): () => void;
  };
  readonly clock: Clock;
  readonly log: Record<"info" | "warn", (fields: object, message: string) => void>;
}

/** Pages of one stream follow each other after so many ms at least. */
const PAUSE_MS = 1_000;
/** An empty line is sent so often, in ms: both ends notice that the other one has gone. */
const BEAT_MS = 15_000;
/** Streams at a time: one for each replica of the controller, and those that a broken connection has left. */
const MAX_STREAMS = 16;
const MAX_CONNECTIONS = 32;
const MOST = 8_192;
const HANDSHAKE_MS = 5_000;

/**
 * Serves the flows of this node to the controller, which shows them on its page: by TLS, with the node's certificate, to a client with the controller's certificate and to no other client. It listens once the node
 * has a certificate. Nothing is kept for a client: one that reads slowly misses flows, and is told how many.
 */
export class FlowServer {
  readonly #deps: FlowServerDependencies;
  readonly #loop: ReconcileLoop;
  readonly #ends = new Set<() => void>();
  #server: Server | undefined;
  #files = "";

  constructor(deps: FlowServerDependencies) {
    const { clock, log } = deps;
    this.#deps = deps;
    this.#loop = new ReconcileLoop(
      () => this.#reconcile(),
      (err, retryMs) => log.warn({ err, retryMs }, "failed to serve flows to the controller; retrying"),
      {},
      clock,
    );
  }

  /** The port that it listens on; undefined while it does not. */
  get port(): number | undefined {
    const address = this.#server?.address();
    return typeof address === "object" && address !== null ? address.port : undefined;
  }

  /** The files of certificates may have changed. */
  trigger(): void {
    this.#loop.trigger();
  }

  async stop(): Promise<void> {
    await this.#loop.stop();
    for (const end of [...this.#ends]) end();
    this.#server?.close();
    this.#server?.closeAllConnections();
  }

  async #reconcile(): Promise<void> {
    const { folder, port, log } = this.#deps;
    const [pem, ca] = await Promise.all(
      [CERTIFICATE_FILE, TRUST_FILE].map((name) => readFile(join(folder, name), "utf8").catch(() => "")),
    );
    if (!pem || !ca || this.#files === pem + ca) return;
    const context = { key: pem, cert: pem, ca };
    if (this.#server === undefined) {
      this.#server = await this.#listen(context, port);
      log.info({ port: this.port }, "serving flows to the controller");
    } else this.#server.setSecureContext(context);
    this.#files = pem + ca;
  }

  async #listen(context: { key: string; cert: string; ca: string }, port: number): Promise<Server> {
    const limits = { handshakeTimeout: HANDSHAKE_MS, headersTimeout: HANDSHAKE_MS, requestTimeout: HANDSHAKE_MS };
    const server = createServer(
      { ...context, ...limits, requestCert: true, rejectUnauthorized: true, minVersion: "TLSv1.3" },
      (request, response) => this.#answer(request, response),
    );
    server.maxConnections = MAX_CONNECTIONS;
    const listening = Promise.withResolvers<void>();
    server.once("error", listening.reject);
    server.listen(port, () => listening.resolve());
    await listening.promise;
    server.on("error", (err) => this.#deps.log.warn({ err }, "failed to accept a connection for flows"));
    return server;
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { path, query } = requestTarget(request.url);
    const { socket } = request;
    // Central's certificate is of the same authority.
    const isController =
      socket instanceof TLSSocket && socket.getPeerX509Certificate()?.subject === `CN=${CONTROLLER_NAME}`;
    const status = !isController
      ? 403
      : path !== FLOWS_PATH || request.method !== "GET"
        ? 404
        : this.#ends.size >= MAX_STREAMS
          ? 503
          : 200;
    response.writeHead(status, { "content-type": "application/x-ndjson" });
    if (status === 200) this.#stream(response, numberOf(query, "since", 0), numberOf(query, "most", MOST));
    else response.end();
  }

  #stream(response: ServerResponse, since: number, most: number): void {
    const { flows, clock } = this.#deps;
    let sequence = since;
    let changed = false;
    let pause: (() => void) | undefined;
    const send = (): void => {
      changed = false;
      const page = flows.page(sequence, most);
      ({ sequence } = page);
      response.write(`${JSON.stringify(page)}\n`);
      pause = clock.after(PAUSE_MS, resume);
    };
    const resume = (): void => {
      pause = undefined;
      if (changed && !response.writableNeedDrain) send();
    };
    const unsubscribe = flows.subscribe(() => {
      changed = true;
      if (pause === undefined) resume();
    });
    response.on("drain", () => pause === undefined && resume());
    let beat: () => void = () => undefined;
    const onBeat = (): void => {
      // What was written a beat ago has not been read: the client hangs, or has gone.
      if (response.writableNeedDrain) return void response.destroy();
      response.write("\n");
      beat = clock.after(BEAT_MS, onBeat);
    };
    beat = clock.after(BEAT_MS, onBeat);
    const end = (): void => {
      this.#ends.delete(end);
      unsubscribe();
      pause?.();
      beat();
    };
    this.#ends.add(end);
    response.on("close", end);
    send();
  }
}

/** A number from 0 to that of the largest sequence; of anything else `usual`. */
function numberOf(query: URLSearchParams, name: string, usual: number): number {
  const text = query.get(name) ?? "";
  return /^\d{1,16}$/.test(text) ? Number(text) : usual;
}
