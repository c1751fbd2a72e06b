// SPDX-License-Identifier: Apache-2.0

import { randomBytes, timingSafeEqual } from "node:crypto";
import {
  createServer,
  type IncomingMessage,
  request as requestPlain,
  type Server,
  type ServerResponse,
} from "node:http";
import { request as requestTls } from "node:https";

/** Where the page is served. */
export interface PageAddress {
  readonly port: number;
  /** Only in tests: without TLS. */
  readonly plain?: boolean;
}

/** A login at the page that fails. */
export class PageLoginError extends Error {
  override readonly name = "PageLoginError";
}

const LOCAL_COOKIE = "weft-ui";
const DEADLINE_MS = 20_000;
const MAX_ANSWER = 64 * 1_024;

/**
 * Shows the web page at a local address, to one user: the browser gets a key in the URL, and all requests that have it are passed on with the cookie of a login. The login itself stays here. `page`:
 * the end of a port-forward, which the API server's connection protects, because the certificate behind it is self-signed.
 */
export class LocalPage {
  readonly #page: PageAddress;
  readonly #cookie: string;
  readonly #key = randomBytes(24).toString("base64url");
  #server: Server | undefined;

  private constructor(page: PageAddress, cookie: string) {
    this.#page = page;
    this.#cookie = cookie;
  }

  /** Logs in with a token. Rejects with a {@link PageLoginError}. */
  static async login(page: PageAddress, token: string): Promise<LocalPage> {
    const { promise, resolve, reject } = Promise.withResolvers<LocalPage>();
    const headers = { "x-weft-page": "1", "content-type": "application/json" };
    const sent = send(page, { path: "/api/v1/login", method: "POST", headers, timeout: DEADLINE_MS }, (answer) => {
      let text = "";
      answer.setEncoding("utf8");
      answer.on("data", (part: string) => {
        if (text.length < MAX_ANSWER) text += part;
      });
      answer.on("end", () => {
        const cookie = answer.headers["set-cookie"]?.[0]?.split(";")[0];
        if (answer.statusCode === 200 && cookie !== undefined) resolve(new LocalPage(page, cookie));
        else
          reject(
            new PageLoginError(`the page does not accept the login (HTTP ${answer.statusCode}): ${messageIn(text)}`),
          );
      });
    });
    sent.on("timeout", () => sent.destroy(new Error(`no answer within ${DEADLINE_MS / 1_000} s`)));
    sent.on("error", (cause) => reject(new PageLoginError(`the page does not answer: ${cause.message}`, { cause })));
    sent.end(JSON.stringify({ token }));
    return await promise;
  }

  /** Listens on the loopback address; `port` 0: on one that the kernel chooses. Resolves with the URL to open; rejects with the error of listen(2). */
  async listen(port: number): Promise<string> {
    const server = createServer((request, response) => this.#handle(request, response));
    const listening = Promise.withResolvers<void>();
    server.once("error", listening.reject);
    server.listen(port, "127.0.0.1", () => listening.resolve());
    await listening.promise;
    this.#server = server;
    return `${this.#origin()}/?key=${this.#key}`;
  }

  close(): void {
    this.#server?.close();
    this.#server?.closeAllConnections();
  }

  #origin(): string {
    const address = this.#server?.address();
    return `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`;
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    const { url = "/", headers, method } = request;
    // Another site whose name leads here has another Host.
    if (`http://${headers.host}` !== this.#origin()) {
      refuse(response, 403, "open the URL that weftctl ui has printed");
      return;
    }
    const key = url.startsWith("/?key=") ? url.slice("/?key=".length) : undefined;
    if (key !== undefined && this.#isKey(key)) {
      const cookie = `${LOCAL_COOKIE}=${this.#key}; Path=/; HttpOnly; SameSite=Strict`;
      response.writeHead(303, { location: "/", "set-cookie": cookie, "cache-control": "no-store" }).end();
      return;
    }
    const own = (headers.cookie ?? "").split("; ").find((part) => part.startsWith(`${LOCAL_COOKIE}=`));
    if (own === undefined || !this.#isKey(own.slice(LOCAL_COOKIE.length + 1))) {
      refuse(response, 403, "open the URL that weftctl ui has printed");
      return;
    }
    const passed = { ...headers, cookie: this.#cookie };
    const sent = send(this.#page, { path: url, method, headers: passed }, (answer) => {
      // A login or logout in the browser would not change the one that is used.
      const { "set-cookie": _, ...told } = answer.headers;
      response.writeHead(answer.statusCode ?? 502, told);
      answer.pipe(response);
      answer.on("error", () => response.destroy());
    });
    sent.on("error", (error) => refuse(response, 502, `the page does not answer: ${error.message}`));
    response.on("close", () => sent.destroy());
    request.pipe(sent);
  }

  #isKey(text: string): boolean {
    const [given, own] = [Buffer.from(text), Buffer.from(this.#key)];
    return given.length === own.length && timingSafeEqual(given, own);
  }
}

function send(
  { port, plain = false }: PageAddress,
  options: {
    readonly path: string;
    readonly method: string | undefined;
    readonly headers: IncomingMessage["headers"];
    readonly timeout?: number;
  },
  onAnswer: (answer: IncomingMessage) => void,
): ReturnType<typeof requestPlain> {
  const all = { ...options, host: "127.0.0.1", port };
  return plain ? requestPlain(all, onAnswer) : requestTls({ ...all, rejectUnauthorized: false }, onAnswer);
}

function refuse(response: ServerResponse, status: number, message: string): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8" }).end(`${message}\n`);
}

function messageIn(text: string): string {
  try {
    const value: unknown = JSON.parse(text);
    const error = typeof value === "object" && value !== null && "error" in value ? value.error : undefined;
    if (typeof error === "object" && error !== null && "message" in error) return String(error.message);
  } catch {
    // Something else answers there.
  }
  return text.slice(0, 200);
}
