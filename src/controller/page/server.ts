// SPDX-License-Identifier: Apache-2.0

import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { parseIp } from "../../net/address.ts";
import { cidrOf } from "../../net/cidr.ts";
import type { ApiError, ApiErrorCode } from "../../page/contract.ts";
import { PageError } from "../../page/page-error.ts";
import type { Viewer } from "../../page/viewer.ts";
import type { CertifiedKey } from "../../pki/authority.ts";
import { requestTarget } from "../../telemetry/request-target.ts";
import type { Clock } from "../../time/clock.ts";
import type { Accounts } from "./accounts.ts";
import { CpuShare } from "./cpu-share.ts";
import type { EventStreams } from "./event-streams.ts";
import { Rates } from "./rate-limit.ts";
import { answer, me, type RouteParts } from "./routes.ts";
import { LONGEST_TOKEN, type TokenSeal } from "./sealed-token.ts";
import { encoded, type StaticFile } from "./static-files.ts";

/** What the page's server is made of. */
export interface PageServerParts {
  readonly routes: RouteParts;
  readonly accounts: Pick<Accounts, "viewerOf" | "knows">;
  readonly seal: TokenSeal;
  readonly streams: EventStreams;
  readonly files: ReadonlyMap<string, StaticFile>;
  readonly clock: Pick<Clock, "now" | "wall" | "after">;
  /** Why nothing can be answered yet. */
  readonly notReady: () => string | undefined;
  /** Called for a failure of our own. */
  readonly onError: (error: unknown) => void;
  /** A connection on which nothing is sent or received for so many ms is closed. Default: longer than a plan may take. */
  readonly silentMs?: number;
}

/** The cookie of a login. The prefix has browsers refuse it without TLS, or from another host. */
const COOKIE = "__Host-weft-page";
/** How long a login lasts, in ms; the token may end before. */
const LOGIN_MS = 8 * 3_600_000;
const MAX_CONNECTIONS = 256;
/** Requests that are answered at a time, streams of events apart, and those of one account. */
const MAX_RUNNING = 32;
const MAX_OF_ACCOUNT = 16;
const SILENT_MS = 90_000;
const MAX_BODY = 256 * 1_024;
/** Requests of one account, and logins and unknown tokens of one address: a second, and at once. */
const RATE = { perSecond: 20, burst: 60 };
const LOGIN_RATE = { perSecond: 1, burst: 10 };

const STATUS: Readonly<Record<ApiErrorCode, number>> = {
  ...{ invalid: 400, unauthenticated: 401, forbidden: 403, "not-found": 404, "method-not-allowed": 405 },
  ...{ "too-large": 413, "too-many-requests": 429, internal: 500, busy: 503, unavailable: 503 },
};

/** No inline script or style, nothing from elsewhere, no frame around the page. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

const HEADERS = {
  "content-security-policy": POLICY,
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
};

/** Serves the web page and its API: see `src/page/contract.ts`. No header allows other sites anything (no CORS). */
export class PageServer {
  readonly #parts: PageServerParts;
  readonly #rates: Rates;
  readonly #logins: Rates;
  readonly #share: CpuShare;
  /** Account → its requests that are being answered. */
  readonly #running = new Map<string, number>();

  constructor(parts: PageServerParts) {
    this.#parts = parts;
    this.#rates = new Rates(parts.clock, RATE.perSecond, RATE.burst);
    this.#logins = new Rates(parts.clock, LOGIN_RATE.perSecond, LOGIN_RATE.burst);
    this.#share = new CpuShare(parts.clock);
  }

  /**
   * Listens; `port` 0: on one that the kernel chooses. `key`: absent only in tests: tokens are not to be sent in the clear. Resolves when it listens; rejects with the error of listen(2).
   */
  async listen(port: number, key: CertifiedKey | undefined, host?: string): Promise<Server> {
    const handle = (request: IncomingMessage, response: ServerResponse): void => {
      for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
      this.#handle(request, response).catch((error: unknown) => this.#refuse(response, error));
    };
    const limits = { requestTimeout: 15_000, headersTimeout: 10_000, keepAliveTimeout: 30_000, maxHeaderSize: 32_768 };
    const server =
      key === undefined
        ? createServer(limits, handle)
        : createTlsServer({ ...limits, key: key.privateKey, cert: key.certificate, handshakeTimeout: 10_000 }, handle);
    server.maxConnections = MAX_CONNECTIONS;
    // A client that does not read its answer; streams of events are sent something every 15 s.
    server.setTimeout(this.#parts.silentMs ?? SILENT_MS, (socket) => socket.destroy());
    server.on("clientError", (_, socket) => socket.destroy());
    const listening = Promise.withResolvers<void>();
    server.once("error", listening.reject);
    server.listen({ port, ...(host !== undefined && { host }) }, () => listening.resolve());
    await listening.promise;
    // accept(2) may fail, for example for lack of memory: that is no reason to end.
    server.on("error", this.#parts.onError);
    return server;
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { path, query } = requestTarget(request.url);
    if (!path.startsWith("/api/")) {
      this.#file(request, response, path);
      return;
    }
    response.setHeader("cache-control", "no-store");
    // A browser says where a request comes from; programs do not.
    const site = request.headers["sec-fetch-site"];
    if (site !== undefined && site !== "same-origin" && site !== "none")
      throw new PageError("forbidden", "requests of other sites are not answered");
    const method = request.method ?? "GET";
    if (method !== "GET" && method !== "HEAD" && request.headers["x-weft-page"] !== "1")
      throw new PageError("forbidden", "POST and DELETE need the header X-Weft-Page: 1");
    const names = segments(path);
    if (names[0] !== "v1") throw new PageError("not-found", "the API is at /api/v1/");
    if (names[1] === "login" && names.length === 2) {
      await this.#login(method, request, response);
      return;
    }
    const { token, expires, sealed } = this.#tokenOf(request);
    const { accounts, notReady, routes, streams } = this.#parts;
    const unready = notReady();
    if (unready !== undefined) throw new PageError("unavailable", unready, { retryAfter: 1 });
    // Each token that is not known is a question to the API server; that of a cookie was known when it was sealed.
    if (!sealed && !accounts.knows(token) && !this.#logins.take(sourceOf(request))) throw tooMany();
    if (!this.#rates.take(digest(token))) throw tooMany();
    const viewer = await accounts.viewerOf(token);
    if (names[1] === "events" && names.length === 2) {
      if (method !== "GET") throw new PageError("method-not-allowed", "events are followed by GET");
      const last = request.headers["last-event-id"];
      const flows = query.get("flows") === "true" && routes.flows !== undefined;
      streams.open(response, {
        ...{ viewer, flows, again: () => this.#again(token, expires) },
        last: typeof last === "string" ? last : undefined,
      });
      return;
    }
    const { user } = viewer;
    this.#begin(user);
    try {
      const body = (): Promise<string> => readBody(request);
      const compute = await answer(routes, { method, path: names.slice(1), query, viewer, expires, body });
      await this.#share.run(user, () => {
        if (!response.destroyed) json(response, 200, compute());
      });
    } finally {
      this.#end(user);
    }
  }

  #begin(user: string): void {
    const own = this.#running.get(user) ?? 0;
    const all = [...this.#running.values()].reduce((sum, count) => sum + count, 0);
    if (all >= MAX_RUNNING || own >= MAX_OF_ACCOUNT)
      throw new PageError("busy", "too many requests at a time, of this account or of all", { retryAfter: 1 });
    this.#running.set(user, own + 1);
  }

  #end(user: string): void {
    const own = this.#running.get(user) ?? 0;
    if (own > 1) this.#running.set(user, own - 1);
    else this.#running.delete(user);
  }

  /** The viewer of a stream, as of now. */
  async #again(token: string, expires: number): Promise<Viewer> {
    if (this.#parts.clock.wall() >= expires) throw new PageError("unauthenticated", "the login has ended");
    return await this.#parts.accounts.viewerOf(token);
  }

  async #login(method: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (method === "DELETE") {
      response.setHeader("set-cookie", `${COOKIE}=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0`);
      response.writeHead(204).end();
      return;
    }
    if (method !== "POST") throw new PageError("method-not-allowed", "log in by POST, log out by DELETE");
    if (!this.#logins.take(sourceOf(request))) throw tooMany();
    const token = tokenIn(await readBody(request));
    if (token.length > LONGEST_TOKEN)
      throw new PageError(
        "invalid",
        `the token has ${token.length} characters; at most ${LONGEST_TOKEN} fit into a cookie: use that of a ServiceAccount (kubectl create token)`,
      );
    const { accounts, seal, clock, routes } = this.#parts;
    const viewer = await accounts.viewerOf(token);
    const expires = clock.wall() + LOGIN_MS;
    const value = seal.seal({ token, expires });
    response.setHeader(
      "set-cookie",
      `${COOKIE}=${value}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=${LOGIN_MS / 1_000}`,
    );
    json(response, 200, me(routes, viewer, expires));
  }

  /** `sealed`: it is that of a cookie. */
  #tokenOf({ headers }: IncomingMessage): {
    readonly token: string;
    readonly expires: number;
    readonly sealed: boolean;
  } {
    const { seal, clock } = this.#parts;
    const bearer = /^Bearer +([^\s]+)$/i.exec(headers.authorization ?? "")?.[1];
    if (bearer !== undefined) return { token: bearer, expires: clock.wall() + LOGIN_MS, sealed: false };
    for (const part of (headers.cookie ?? "").split("; ")) {
      const opened = part.startsWith(`${COOKIE}=`) ? seal.open(part.slice(COOKIE.length + 1), clock.wall()) : undefined;
      if (opened !== undefined) return { ...opened, sealed: true };
    }
    throw new PageError("unauthenticated", "log in, or send a bearer token");
  }

  #file(request: IncomingMessage, response: ServerResponse, path: string): void {
    if (request.method !== "GET" && request.method !== "HEAD") {
      response.writeHead(405, { allow: "GET, HEAD" }).end();
      return;
    }
    const file = this.#parts.files.get(path === "/" ? "index.html" : path.slice(1));
    if (file === undefined) {
      response.writeHead(404, { "content-type": "text/plain" }).end("not found\n");
      return;
    }
    const { type, etag, immutable } = file;
    response.setHeader("etag", etag);
    response.setHeader("vary", "accept-encoding");
    response.setHeader("cache-control", immutable ? "public, max-age=31536000, immutable" : "no-cache");
    if (request.headers["if-none-match"]?.includes(etag) === true) {
      response.writeHead(304).end();
      return;
    }
    const { body, encoding } = encoded(file, String(request.headers["accept-encoding"] ?? ""));
    response.writeHead(200, {
      "content-type": type,
      "content-length": body.length,
      ...(encoding !== undefined && { "content-encoding": encoding }),
    });
    response.end(request.method === "HEAD" ? undefined : body);
  }

  #refuse(response: ServerResponse, error: unknown): void {
    const known =
      error instanceof PageError ? error : new PageError("internal", "the controller failed; its log says why");
    if (!(error instanceof PageError)) this.#parts.onError(error);
    if (response.headersSent) {
      response.destroy();
      return;
    }
    const { code, message, retryAfter } = known;
    if (retryAfter !== undefined) response.setHeader("retry-after", retryAfter);
    if (code === "too-large") response.setHeader("connection", "close");
    const told: ApiError = { error: { code, message, ...(retryAfter !== undefined && { retryAfter }) } };
    json(response, STATUS[code], told);
  }
}

function tooMany(): PageError {
  return new PageError("too-many-requests", "too many requests", { retryAfter: 1 });
}

function digest(token: string): string {
  return createHash("sha256").update(token).digest("base64");
}

/** The address of a client; of IPv6 its /64, all of which a host may have. */
function sourceOf({ socket: { remoteAddress = "" } }: IncomingMessage): string {
  const ip = parseIp(remoteAddress.replace(/^::ffff:(?=\d+\.)/i, ""));
  return ip?.family === 6 ? (cidrOf(ip, 64)?.text ?? remoteAddress) : remoteAddress;
}

/** The decoded parts of a path below `/api/`. Throws a `PageError`. */
function segments(path: string): readonly string[] {
  try {
    return path.slice("/api/".length).split("/").map(decodeURIComponent);
  } catch (cause) {
    throw new PageError("invalid", "the path is not percent-encoded text", { cause });
  }
}

function tokenIn(body: string): string {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch (cause) {
    throw new PageError("invalid", 'the body is to be {"token": "…"}', { cause });
  }
  const token = typeof value === "object" && value !== null && "token" in value ? value.token : undefined;
  if (typeof token !== "string") throw new PageError("invalid", 'the body is to be {"token": "…"}');
  return token.trim();
}

/** The body as text. One that is too large is not read to its end, so that the refusal is sent before the connection ends. */
function readBody(request: IncomingMessage): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const chunks: Buffer[] = [];
  let size = 0;
  request.on("data", (chunk: Buffer) => {
    size += chunk.length;
    if (size <= MAX_BODY) {
      chunks.push(chunk);
      return;
    }
    request.pause();
    reject(new PageError("too-large", `the body has more than ${MAX_BODY / 1_024} KiB`));
  });
  request.on("end", () => resolve(Buffer.concat(chunks).toString("utf8")));
  request.on("error", (cause) => reject(new PageError("invalid", "the body ended early", { cause })));
  request.on("close", () => reject(new PageError("invalid", "the body ended early")));
  return promise;
}

function json(response: ServerResponse, status: number, value: unknown): void {
  const body = Buffer.from(JSON.stringify(value));
  response.writeHead(status, { "content-type": "application/json; charset=utf-8", "content-length": body.length });
  response.end(body);
}
