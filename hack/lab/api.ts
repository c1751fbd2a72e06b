// SPDX-License-Identifier: Apache-2.0

import { readFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { Agent, request } from "node:https";
import { setTimeout as delay } from "node:timers/promises";
import { LabError } from "./error.ts";
import { hostServer } from "./kubeconfig.ts";
import type { LabPaths } from "./paths.ts";
import { CERTIFICATE, certificatePath, keyPath } from "./pki.ts";
import type { LabSettings } from "./settings.ts";

/** An answer of the API server. */
export interface ApiResponse {
  readonly status: number;
  readonly body: string;
}

/** One event of a watch. */
export interface UntypedWatchEvent {
  readonly type: string;
  readonly object: unknown;
}

/**
 * The API server with administrator rights, for the few calls that start a cluster. The lab must work even if the
 * project's own client does not, so it does not use it.
 */
export class Api {
  readonly #server: URL;
  readonly #agent: Agent;

  constructor(paths: LabPaths, settings: LabSettings) {
    this.#server = new URL(hostServer(settings));
    this.#agent = new Agent({
      keepAlive: true,
      ca: readFileSync(certificatePath(paths, CERTIFICATE.authority)),
      cert: readFileSync(certificatePath(paths, CERTIFICATE.admin)),
      key: readFileSync(keyPath(paths, CERTIFICATE.admin)),
    });
  }

  /** One request; any HTTP status is an answer. Rejects with LabError `api` if there is none within `timeoutMs`. */
  async call(
    method: string,
    path: string,
    body?: unknown,
    contentType = "application/json",
    timeoutMs = 10_000,
  ): Promise<ApiResponse> {
    const signal = AbortSignal.timeout(timeoutMs);
    const response = await this.#open(method, path, signal, body, contentType);
    let text = "";
    for await (const chunk of response.setEncoding("utf8")) text += String(chunk);
    return { status: response.statusCode ?? 0, body: text };
  }

  /** Like `call`, and the answer's JSON; rejects with LabError `api` on a status of 400 or more. */
  async json<T>(method: string, path: string, body?: unknown, contentType?: string): Promise<T> {
    const answer = await this.call(method, path, body, contentType);
    if (answer.status >= 400)
      throw new LabError("api", `${method} ${path}: ${answer.status} ${answer.body.slice(0, 500)}`);
    return JSON.parse(answer.body) as T;
  }

  /**
   * Watches `path` (a collection), with existing objects first, until `seen` returns true. A watch that the server
   * refuses temporarily (429 while its caches fill, 5xx) or ends is started again, until `signal` aborts.
   */
  async watch(path: string, signal: AbortSignal, seen: (event: UntypedWatchEvent) => boolean): Promise<void> {
    // From the server's cache: a watch without a version needs an etcd of at least 3.4.25, and Debian 12 has 3.4.23.
    const url = `${path}${path.includes("?") ? "&" : "?"}watch=1&resourceVersion=0`;
    while (!(await this.#watchOnce(url, signal, seen))) await delay(200, undefined, { signal });
  }

  async #watchOnce(url: string, signal: AbortSignal, seen: (event: UntypedWatchEvent) => boolean): Promise<boolean> {
    const stop = new AbortController();
    const response = await this.#open("GET", url, AbortSignal.any([signal, stop.signal]));
    const status = response.statusCode ?? 0;
    if (status >= 400 && status < 500 && status !== 429) throw new LabError("api", `watch of ${url}: ${status}`);
    let partial = "";
    for await (const chunk of response.setEncoding("utf8")) {
      if (status !== 200) continue;
      const lines = (partial + String(chunk)).split("\n");
      partial = lines.pop() ?? "";
      for (const line of lines) {
        const event = JSON.parse(line) as UntypedWatchEvent;
        if (event.type === "ERROR" || !seen(event)) continue;
        stop.abort();
        return true;
      }
    }
    return false;
  }

  /** Ends idle connections, so that the process can exit. */
  close(): void {
    this.#agent.destroy();
  }

  #open(
    method: string,
    path: string,
    signal: AbortSignal,
    body?: unknown,
    contentType = "application/json",
  ): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const headers = body === undefined ? {} : { "content-type": contentType };
      const outgoing = request(new URL(path, this.#server), { method, headers, agent: this.#agent, signal }, resolve);
      outgoing.on("error", (cause) => reject(new LabError("api", `${method} ${path}: ${cause.message}`, { cause })));
      outgoing.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }
}
