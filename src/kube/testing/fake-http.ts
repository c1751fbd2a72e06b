// SPDX-License-Identifier: Apache-2.0

import http from "node:http";
import https from "node:https";
import type { AddressInfo } from "node:net";
import { KubeError } from "../errors.ts";
import type { Kube, Patch } from "../kube.ts";
import type { KubeObject, ObjectRef } from "../object.ts";
import type { ResourceType } from "../resources.ts";
import { type PodStreamOptions, servePodStreams } from "./fake-pod-streams.ts";

/** A `Kube` served over HTTP on a loopback address. */
export interface ServedKube {
  /** `http://127.0.0.1:PORT` or `https://…`. */
  readonly url: string;
  /** For tests that count or break connections. */
  readonly server: http.Server;
  close(): Promise<void>;
}

/** Options of {@link serveKube}. */
export interface ServeOptions {
  /** Serves by TLS. */
  readonly tls?: { readonly key: string; readonly cert: string; readonly ca?: string; readonly requestCert?: boolean };
  /** Answers 401 if it returns false. */
  readonly authorize?: (request: http.IncomingMessage) => boolean;
  /** Answers requests that `kube` knows nothing of, for example for logs; false: not this one. */
  readonly answer?: (request: http.IncomingMessage, response: http.ServerResponse) => boolean;
  /** Commands in pods and forwarded ports. */
  readonly streams?: PodStreamOptions;
}

/**
 * Serves `kube` (usually a fake one) as the API server would, so that other processes and the HTTP layer can be
 * tested with it.
 */
export async function serveKube(kube: Kube, options: ServeOptions = {}): Promise<ServedKube> {
  const handle = (request: http.IncomingMessage, response: http.ServerResponse): void => {
    if (options.answer?.(request, response)) return;
    const answered = options.authorize?.(request) === false ? refuse(response) : answer(kube, request, response);
    answered.catch((error: unknown) => fail(response, error));
  };
  const server = options.tls === undefined ? http.createServer(handle) : https.createServer({ ...options.tls }, handle);
  const endStreams = servePodStreams(server, options.streams ?? {});
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `${options.tls === undefined ? "http" : "https"}://127.0.0.1:${port}`,
    server,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      endStreams();
      await closed;
    },
  };
}

const PATH =
  /^\/(?:api|apis\/(?<group>[^/]+))\/(?<version>[^/]+)(?:\/namespaces\/(?<namespace>[^/]+)(?=\/))?\/(?<plural>[^/]+)(?:\/(?<name>[^/]+))?(?:\/(?<subresource>[^/]+))?$/;

async function answer(kube: Kube, request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
  const url = new URL(request.url ?? "/", "http://localhost");
  const parts = PATH.exec(url.pathname)?.groups;
  const plural = parts?.["plural"];
  if (parts === undefined || plural === undefined) {
    response.writeHead(404).end("404 page not found\n");
    return;
  }
  const namespace = parts["namespace"] === undefined ? undefined : decodeURIComponent(parts["namespace"]);
  const type: ResourceType = {
    group: parts["group"] ?? "",
    version: parts["version"] ?? "",
    plural,
    namespaced: namespace !== undefined,
    kind: "",
  };
  const query = url.searchParams;
  const selection = optional({
    namespace,
    fieldSelector: query.get("fieldSelector") ?? undefined,
    labelSelector: query.get("labelSelector") ?? undefined,
  });
  const name = parts["name"] === undefined ? undefined : decodeURIComponent(parts["name"]);
  if (request.method === "GET" && name === undefined && query.get("watch") === "true") {
    const controller = new AbortController();
    response.once("close", () => controller.abort());
    const onOpen = (): void => {
      response.writeHead(200, { "content-type": "application/json" });
      response.flushHeaders();
    };
    const timeoutSeconds = Number(query.get("timeoutSeconds") ?? "300");
    const resourceVersion = query.get("resourceVersion") ?? "0";
    await kube.watch(
      type,
      { ...selection, resourceVersion, timeoutSeconds, signal: controller.signal, onOpen },
      (event) => {
        const object =
          event.type === "BOOKMARK" ? { metadata: { resourceVersion: event.resourceVersion } } : event.object;
        response.write(`${JSON.stringify({ type: event.type, object })}\n`);
      },
    );
    response.end();
    return;
  }
  if (request.method === "GET" && name === undefined) {
    const limit = query.get("limit");
    const next = query.get("continue") ?? undefined;
    const list = await kube.list(type, {
      ...selection,
      ...optional({ limit: limit === null ? undefined : +limit, continue: next }),
    });
    const metadata = optional({ resourceVersion: list.resourceVersion, continue: list.continue });
    send(response, 200, { kind: "List", apiVersion: "v1", metadata, items: list.items });
    return;
  }
  const body = await readJson(request);
  const write = optional({
    dryRun: query.get("dryRun") === "All" ? true : undefined,
    fieldManager: query.get("fieldManager") ?? undefined,
    subresource: parts["subresource"] as "status" | undefined,
    metadataOnly: /;as=PartialObjectMetadata;/.test(request.headers.accept ?? "") || undefined,
  });
  if (request.method === "POST" && name === undefined) {
    const object = body as KubeObject;
    const placed = { ...object, metadata: { ...object.metadata, ...optional({ namespace }) } };
    send(response, 201, await kube.create({ ...type, kind: object.kind ?? "" }, placed, write));
    return;
  }
  const ref: ObjectRef = { name: name ?? "", ...optional({ namespace }) };
  switch (request.method) {
    case "GET":
      send(response, 200, await kube.get(type, ref));
      return;
    case "PUT":
      send(response, 200, await kube.update(type, body as KubeObject, write));
      return;
    case "PATCH":
      send(response, 200, await kube.patch(type, ref, patchOf(request, query, body), write));
      return;
    case "DELETE":
      await kube.delete(type, ref, body as object);
      send(response, 200, { kind: "Status", apiVersion: "v1", status: "Success" });
      return;
    default:
      throw new KubeError("invalid", `method ${request.method}`, { status: 405, reason: "MethodNotAllowed" });
  }
}

function patchOf(request: http.IncomingMessage, query: URLSearchParams, body: unknown): Patch {
  switch (request.headers["content-type"]) {
    case "application/merge-patch+json":
      return { type: "merge", body: body as object };
    case "application/json-patch+json":
      return { type: "json", body: body as [] };
    case "application/apply-patch+yaml": {
      const fieldManager = query.get("fieldManager");
      if (fieldManager === null)
        throw new KubeError("invalid", "fieldManager is required for apply patch", { status: 400 });
      return { type: "apply", body: body as object, fieldManager, force: query.get("force") === "true" };
    }
    default:
      throw new KubeError("invalid", `media type ${request.headers["content-type"]}`, { status: 415 });
  }
}

/** The same without the keys that are undefined. */
function optional<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as never;
}

async function readJson(request: http.IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return chunks.length === 0 ? {} : JSON.parse(Buffer.concat(chunks).toString("utf8"));
}

async function refuse(response: http.ServerResponse): Promise<void> {
  send(response, 401, {
    kind: "Status",
    status: "Failure",
    message: "Unauthorized",
    reason: "Unauthorized",
    code: 401,
  });
}

function fail(response: http.ServerResponse, error: unknown): void {
  const known = KubeError.from(error, "fake");
  const code = known.status ?? STATUS[known.code] ?? 500;
  const status = {
    kind: "Status",
    apiVersion: "v1",
    status: "Failure",
    message: known.message,
    reason: known.reason,
    code,
  };
  // Within an open watch, the API server can report it only as an event; a broken connection is not even reported.
  if (!response.headersSent) send(response, code, status);
  else if (known.code === "gone") response.end(`${JSON.stringify({ type: "ERROR", object: status })}\n`);
  else response.destroy();
}

const STATUS: Readonly<Record<string, number>> = {
  "not-found": 404,
  conflict: 409,
  exists: 409,
  forbidden: 403,
  unauthorized: 401,
  invalid: 422,
  gone: 410,
  throttled: 429,
  unavailable: 503,
};

function send(response: http.ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}
