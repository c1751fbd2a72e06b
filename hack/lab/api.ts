import { readFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { Agent, request } from "node:https";
import { LabError } from "./error.ts";
import { hostServer } from "./kubeconfig.ts";
import type { LabPaths } from "./paths.ts";
import { CERTIFICATE, certificatePath, keyPath } from "./pki.ts";
import type { LabSettings } from "./settings.ts";

/** An answer of the API server. */
export interface ApiAnswer {
  readonly status: number;
  readonly body: string;
}

/** One event of a watch. */
export interface WatchEvent {
  readonly type: string;
  readonly object: unknown;
}

/**
 * The API server as the administrator, for the few calls that bring a cluster up. The lab must work when nothing of the
 * project does, so it does not use the project's own client.
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

  /** One request; any HTTP status is an answer. Rejects with LabError `api` where there is none within `timeoutMs`. */
  async call(
    method: string,
    path: string,
    body?: unknown,
    contentType = "application/json",
    timeoutMs = 10_000,
  ): Promise<ApiAnswer> {
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

  /** Watches `path` (a collection), with what is there already as events first, until `seen` returns true or `signal` aborts. */
  async watch(path: string, signal: AbortSignal, seen: (event: WatchEvent) => boolean): Promise<void> {
    const stop = new AbortController();
    const response = await this.#open(
      "GET",
      `${path}${path.includes("?") ? "&" : "?"}watch=1`,
      AbortSignal.any([signal, stop.signal]),
    );
    let partial = "";
    for await (const chunk of response.setEncoding("utf8")) {
      const lines = (partial + String(chunk)).split("\n");
      partial = lines.pop() ?? "";
      for (const line of lines) {
        if (!seen(JSON.parse(line) as WatchEvent)) continue;
        stop.abort();
        return;
      }
    }
    throw new LabError("api", `the API server ended the watch of ${path}`);
  }

  /** Ends idle connections, so that the process can. */
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
