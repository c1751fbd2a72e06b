// SPDX-License-Identifier: Apache-2.0

import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";
import type { ApiError, Me, Page, StreamEvent } from "../../page/contract.ts";
import type { FixtureCluster } from "./cluster.ts";

/** The token that the fixture's login accepts. */
export const TOKEN = "a-token";

/** The policy that the page must work under, as the controller sends it. */
export const CONTENT_SECURITY_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};

/** A page's server about a cluster of fixtures, as far as the page notices. */
export interface FixtureServer extends AsyncDisposable {
  /** With a slash at its end. */
  readonly url: string;
  /** The cluster it answers about; may be replaced. */
  cluster: FixtureCluster;
  /** Replaces who is logged in. */
  me: (me: Me) => Me;
  /** Whether a request is answered at all; what is not is cut. */
  up: boolean;
  /** Sends an event to all pages. */
  send(event: StreamEvent): void;
  /** Cuts all connections. */
  cut(): void;
  /** The paths of all requests to the API, with their parameters. */
  readonly asked: string[];
}

/** Starts a server of a built page (`folder`), below a path as an Ingress has it. */
export async function fixtureServer(folder: string, cluster: FixtureCluster): Promise<FixtureServer> {
  const streams = new Set<ServerResponse>();
  const asked: string[] = [];
  let id = 0;
  const http = createServer((request, response) => {
    if (!state.up) return void response.destroy();
    void answer(request, response).catch((error: unknown) => fail(response, 500, "internal", String(error)));
  });
  const write = (stream: ServerResponse, event: StreamEvent): void => {
    stream.write(`id: ${++id}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
  };
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { pathname, search, searchParams } = new URL(request.url ?? "/", "http://fixture");
    if (!pathname.startsWith("/weft/")) return fail(response, 404, "not-found", "");
    const path = pathname.slice("/weft/".length);
    if (!path.startsWith("api/v1/")) return file(response, path === "" ? "index.html" : path);
    asked.push(`${path}${search}`);
    const segments = path.slice("api/v1/".length).split("/").map(decodeURIComponent);
    if (path === "api/v1/login" && request.method === "POST") return login(request, response);
    if (request.headers.cookie !== "weft=1") return fail(response, 401, "unauthenticated", "log in with a token");
    if (request.method !== "GET" && request.headers["x-weft-page"] !== "1") return fail(response, 403, "forbidden", "");
    if (path === "api/v1/login") {
      response.setHeader("set-cookie", "weft=; Max-Age=0; Path=/; HttpOnly");
      return void response.writeHead(204).end();
    }
    if (path === "api/v1/events") {
      response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
      streams.add(response);
      response.on("close", () => streams.delete(response));
      return write(response, { type: "reset", reason: "connected" });
    }
    const data = reply(state, segments, searchParams);
    if (data === undefined) return fail(response, 404, "not-found", `${segments.join("/")} does not exist`);
    json(response, 200, data);
  };
  const login = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    let body = "";
    for await (const chunk of request) body += String(chunk);
    if (!body.includes(`"${TOKEN}"`)) return fail(response, 401, "unauthenticated", "the token is not valid");
    response.setHeader("set-cookie", "weft=1; Path=/; HttpOnly; SameSite=Strict");
    json(response, 200, state.me(state.cluster.me()));
  };
  const file = async (response: ServerResponse, path: string): Promise<void> => {
    const name = normalize(path);
    if (name.startsWith("..")) return fail(response, 404, "not-found", "");
    const bytes = await readFile(join(folder, name));
    response.writeHead(200, {
      "content-type": TYPES[extname(name)] ?? "application/octet-stream",
      "content-security-policy": CONTENT_SECURITY_POLICY,
      "x-content-type-options": "nosniff",
    });
    response.end(bytes);
  };
  const state: FixtureServer = {
    url: "",
    cluster,
    me: (me) => me,
    up: true,
    asked,
    send: (event) => {
      for (const stream of streams) write(stream, event);
    },
    cut: () => http.closeAllConnections(),
    async [Symbol.asyncDispose]() {
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  const { port } = http.address() as AddressInfo;
  return Object.assign(state, { url: `http://127.0.0.1:${port}/weft/` });
}

function reply(state: FixtureServer, segments: readonly string[], query: URLSearchParams): unknown {
  const { cluster } = state;
  const [what, first = "", second = "", third] = segments;
  const wanted = (name: string): string => query.get(name) ?? "";
  switch (what) {
    case "me":
      return state.me(cluster.me());
    case "overview":
      return cluster.overview();
    case "topology":
      return cluster.topology();
    case "subnets":
      return second === "addresses"
        ? cluster.addresses(first, wanted("prefix"), Number(wanted("bits")))
        : cluster.subnet(first);
    case "vpcs":
      return cluster.vpc(first);
    case "pods":
      if (first !== "") return cluster.pod(first, second);
      return paged(
        cluster.pods.filter(
          ({ namespace, name, addresses, subnet = "", node = "" }) =>
            (wanted("namespace") === "" || namespace === wanted("namespace")) &&
            (wanted("subnet") === "" || subnet === wanted("subnet")) &&
            (wanted("node") === "" || node === wanted("node")) &&
            `${namespace}/${name} ${addresses.join(" ")} ${node}`.includes(wanted("query")),
        ),
        query,
      );
    case "policies": {
      const all = cluster.policies();
      if (first === "")
        return paged(
          all.filter(({ name }) => name.includes(wanted("query"))),
          query,
        );
      const [namespace, name] = third === undefined ? [undefined, second] : [second, third];
      return all.find((one) => one.kind === first && one.namespace === namespace && one.name === name);
    }
    case "nodes":
      return first === "" ? paged(cluster.nodes(), query) : cluster.nodes().find(({ name }) => name === first);
    case "find":
      return { hits: cluster.find(wanted("q")), more: false };
    case "reach":
      return cluster.reach(wanted("from"), wanted("to"), `${wanted("protocol").toUpperCase()}/${wanted("port")}`);
    case "plan":
      return cluster.plan();
    case "flows":
      return { enabled: true, flows: cluster.flows(), more: 0, warnings: [] };
    default:
      return undefined;
  }
}

function paged<T>(all: readonly T[], query: URLSearchParams): Page<T> {
  const limit = Number(query.get("limit") ?? 500);
  const from = Number(query.get("continue") ?? 0);
  const next = from + limit;
  return { items: all.slice(from, next), total: all.length, ...(next < all.length && { continue: String(next) }) };
}

function json(response: ServerResponse, status: number, data: unknown): void {
  response.writeHead(status, { "content-type": "application/json", "cache-control": "no-store" });
  response.end(JSON.stringify(data));
}

function fail(response: ServerResponse, status: number, code: ApiError["error"]["code"], message: string): void {
  const body: ApiError = { error: { code, message } };
  json(response, status, body);
}
