// SPDX-License-Identifier: Apache-2.0

import type { X509Certificate } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { TLSSocket } from "node:tls";
import { FLOWS_PATH, type FlowPage, readFlowPage } from "../../api/flow-page.ts";
import { lineDecoder } from "../../kube/lines.ts";
import { isIssuedBy, readCertificate } from "../../pki/certificate.ts";
import { Backoff } from "../../time/backoff.ts";
import type { Clock } from "../../time/clock.ts";

/** With what the controller and a node authenticate each other; PEM. */
export interface FlowCredentials {
  /** The controller's own key, and its certificate. */
  readonly pem: string;
  /** The certificates of authorities that sign nodes' certificates. */
  readonly authorities: readonly string[];
}

/** A node whose flows are read. */
export interface FlowNode {
  readonly name: string;
  readonly address: string;
  /** The common name of its certificate. */
  readonly chassis: string;
}

/** What a {@link NodeStream} needs. */
export interface NodeStreamParts {
  readonly node: FlowNode;
  readonly port: number;
  /** The flows of a page that is asked for. */
  readonly most: () => number;
  readonly credentials: () => Promise<FlowCredentials>;
  readonly clock: Clock;
  readonly onPage: (page: FlowPage) => void;
  /** It has answered, or failed: see {@link NodeStream.problem}. */
  readonly onState: () => void;
}

const CONNECT_MS = 5_000;
/** The daemon sends something every 15 s. */
const SILENCE_MS = 40_000;
const PAUSES = { firstMs: 1_000, maxMs: 30_000 };
/** The longest page in bytes: 8,192 flows have less than half of it. */
const MAX_PAGE = 4 * 1_024 * 1_024;

/** Reads the flows of one node as they change, until it is stopped: connects, and after a pause connects again. */
export class NodeStream {
  readonly #parts: NodeStreamParts;
  readonly #backoff: Backoff;
  #state: "waiting" | "answered" | { readonly problem: string } = "waiting";
  #since = 0;
  #end: () => void = () => undefined;
  #stopped = false;

  constructor(parts: NodeStreamParts) {
    this.#parts = parts;
    this.#backoff = new Backoff(PAUSES, parts.clock.random);
  }

  start(): void {
    this.#connect().catch((error: unknown) => this.#failed(error));
  }

  stop(): void {
    this.#stopped = true;
    this.#end();
  }

  /** Whether it is known how the node answers. */
  get settled(): boolean {
    return this.#state !== "waiting";
  }

  /** Why the node's flows are not read now. */
  get problem(): string | undefined {
    if (this.#state === "waiting") return "it has not answered yet";
    return this.#state === "answered" ? undefined : this.#state.problem;
  }

  async #connect(): Promise<void> {
    const { credentials, node, port, most, clock } = this.#parts;
    const { pem, authorities } = await credentials();
    if (this.#stopped) return;
    const path = `${FLOWS_PATH}?since=${this.#since}&most=${most()}`;
    const asked = request({
      ...{ host: node.address, port, path, agent: false, key: pem, cert: pem, minVersion: "TLSv1.3" },
      // A node's certificate is one for clients, which OpenSSL does not accept of a server: `whyNot` checks it.
      rejectUnauthorized: false,
    });
    const ended = Promise.withResolvers<never>();
    let cancel = clock.after(CONNECT_MS, () => asked.destroy(new Error(`no answer in ${CONNECT_MS / 1_000} s`)));
    const heard = (): void => {
      cancel();
      cancel = clock.after(SILENCE_MS, () => asked.destroy(new Error(`silent for ${SILENCE_MS / 1_000} s`)));
    };
    this.#end = () => asked.destroy();
    asked.on("error", ended.reject);
    asked.on("socket", (socket) =>
      socket.once("secureConnect", () => {
        const shown = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined;
        const reason = whyNot(shown, authorities, node.chassis, clock.wall());
        if (reason !== undefined) asked.destroy(new Error(reason));
      }),
    );
    asked.on("response", (response) => {
      heard();
      response.on("error", ended.reject);
      response.on("close", () => ended.reject(new Error("the connection has ended")));
      if (response.statusCode === 200) this.#read(response, heard);
      else asked.destroy(new Error(`it answers with status ${response.statusCode}`));
    });
    asked.end();
    try {
      await ended.promise;
    } finally {
      cancel();
      asked.destroy();
    }
  }

  #read(response: IncomingMessage, heard: () => void): void {
    const { onPage, onState } = this.#parts;
    const lines = lineDecoder(MAX_PAGE, (line) => {
      const page = readFlowPage(JSON.parse(line));
      this.#since = page.sequence;
      this.#backoff.reset();
      this.#state = page.enabled ? "answered" : { problem: "it does not collect flows" };
      onPage(page);
      onState();
    });
    response.on("data", (chunk: Buffer) => {
      heard();
      try {
        lines.push(chunk);
      } catch (error) {
        response.destroy(error instanceof Error ? error : new Error(String(error)));
      }
    });
  }

  #failed(error: unknown): void {
    if (this.#stopped) return;
    this.#state = { problem: error instanceof Error ? error.message : String(error) };
    this.#end = this.#parts.clock.after(this.#backoff.next(), () => this.start());
    this.#parts.onState();
  }
}

/** Why a server is not the node with that chassis: its certificate has to be of the nodes' authority, and valid at `now`. TLS has shown that it has the key. */
function whyNot(
  shown: X509Certificate | undefined,
  authorities: readonly string[],
  chassis: string,
  now: number,
): string | undefined {
  if (shown === undefined) return "it shows no certificate";
  const { subject, validFrom, validTo } = shown;
  if (subject !== `CN=${chassis}`) return `its certificate is of ${subject.slice(0, 100)}, not of CN=${chassis}`;
  if (now < Date.parse(validFrom) || now > Date.parse(validTo)) return `its certificate is valid until ${validTo}`;
  const pem = shown.toString();
  const issued = authorities.some((authority) => readCertificate(authority).ca && isIssuedBy(pem, authority));
  return issued ? undefined : "its certificate is not of the nodes' authority";
}
