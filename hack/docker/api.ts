// SPDX-License-Identifier: Apache-2.0

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { z } from "zod";
import type { DockerEngine } from "./engine.ts";
import { EngineError } from "./error.ts";
import { Executions } from "./executions.ts";
import { containerJson, containerSummaryJson, networkJson } from "./json.ts";

/** The newest version of the API whose objects these are; clients choose their own or an older one. */
const API_VERSION = "1.47";
/** Largest body of a request, in bytes. */
const MAX_BODY = 1 << 20;

const filters = z.record(z.string(), z.union([z.array(z.string()), z.record(z.string(), z.boolean())]));
const newNetwork = z.object({
  Name: z.string().min(1),
  EnableIPv6: z.boolean().nullish(),
  IPAM: z.object({ Config: z.array(z.object({ Subnet: z.string() })).nullish() }).nullish(),
});
const member = z.object({ Container: z.string().min(1) });
const newContainer = z.object({
  Image: z.string(),
  Cmd: z.array(z.string()).nullish(),
  NetworkingConfig: z.object({ EndpointsConfig: z.record(z.string(), z.unknown()).nullish() }).nullish(),
});
const newExec = z.object({ Cmd: z.array(z.string()).min(1), Env: z.array(z.string()).nullish() });

/** A response: its status, and the object, if it has one. */
type Answer = readonly [status: number, body?: unknown];

/** A request: the parts of its path that are not fixed, its parameters and its parsed body. */
interface Call {
  readonly args: readonly string[];
  readonly query: URLSearchParams;
  readonly body: unknown;
}

type Route = readonly [method: string, path: RegExp, handle: (call: Call) => Answer | Promise<Answer>];

/** A server of the parts of the Docker Engine API that the routes name: networks, containers and commands in them. Everything else is answered by 501. */
export function createApi(engine: DockerEngine): Server {
  const executions = new Executions(engine.host);
  const all = routes(engine, executions);
  const server = createServer((request, response) => {
    void answer(all, request).then(([status, body]) => send(response, status, body));
  });
  server.on("upgrade", (request: IncomingMessage, socket: Duplex) => {
    socket.on("error", () => socket.destroy());
    // Commands have no input here: what comes, the rest of the request first, is not needed.
    socket.resume();
    void startUpgraded(executions, request, socket);
  });
  return server;
}

function routes(engine: DockerEngine, executions: Executions): readonly Route[] {
  const { network, container } = {
    network: (name = "") => engine.network(name),
    container: (name = "") => engine.container(name),
  };
  return [
    ["GET", /^\/_ping$/, () => [200]],
    ["GET", /^\/version$/, () => [200, { ApiVersion: API_VERSION, MinAPIVersion: "1.24", Version: "0", Os: "linux" }]],
    ["GET", /^\/networks$/, ({ query }) => [200, listNetworks(engine, filtersOf(query))]],
    ["GET", /^\/networks\/([^/]+)$/, ({ args: [name] }) => [200, networkJson(engine, network(name))]],
    [
      "POST",
      /^\/networks\/create$/,
      async ({ body }) => {
        const { Name, EnableIPv6, IPAM } = parsed(newNetwork, body);
        const [config, ...more] = IPAM?.Config ?? [];
        if (more.length > 0 || (config !== undefined) !== (EnableIPv6 === true))
          throw new EngineError(
            "not-supported",
            "a network has one configured subnet, of IPv6, if EnableIPv6 is true, else none",
          );
        return [201, { Id: (await engine.createNetwork(Name, config?.Subnet)).id, Warning: "" }];
      },
    ],
    [
      "DELETE",
      /^\/networks\/([^/]+)$/,
      async ({ args: [name = ""] }) => {
        await engine.removeNetwork(name);
        return [204];
      },
    ],
    [
      "POST",
      /^\/networks\/([^/]+)\/connect$/,
      async ({ args: [name = ""], body }) => {
        await engine.connect(name, parsed(member, body).Container);
        return [200];
      },
    ],
    [
      "POST",
      /^\/networks\/([^/]+)\/disconnect$/,
      async ({ args: [name = ""], body }) => {
        await engine.disconnect(name, parsed(member, body).Container);
        return [200];
      },
    ],
    ["GET", /^\/containers\/json$/, ({ query }) => [200, listContainers(engine, filtersOf(query))]],
    ["GET", /^\/containers\/([^/]+)\/json$/, ({ args: [name] }) => [200, containerJson(engine, container(name))]],
    [
      "POST",
      /^\/containers\/create$/,
      ({ query, body }) => {
        const { Image, Cmd, NetworkingConfig } = parsed(newContainer, body);
        const [networkName] = Object.keys(NetworkingConfig?.EndpointsConfig ?? {});
        const name = query.get("name") ?? "";
        if (!/^[\w.-]+$/.test(name)) throw new EngineError("bad-request", `invalid container name "${name}"`);
        return [201, { Id: engine.createContainer(name, Image, Cmd ?? [], networkName).id, Warnings: [] }];
      },
    ],
    [
      "POST",
      /^\/containers\/([^/]+)\/start$/,
      async ({ args: [name = ""] }) => {
        await engine.startContainer(name);
        return [204];
      },
    ],
    [
      "DELETE",
      /^\/containers\/([^/]+)$/,
      async ({ args: [name = ""] }) => {
        await engine.removeContainer(name);
        return [204];
      },
    ],
    [
      "POST",
      /^\/containers\/([^/]+)\/exec$/,
      ({ args: [name], body }) => {
        const { Cmd, Env } = parsed(newExec, body);
        return [201, { Id: executions.create(container(name), Cmd, Env ?? []).id }];
      },
    ],
    [
      "GET",
      /^\/exec\/([^/]+)\/json$/,
      ({ args: [id = ""] }) => {
        const { started, code, containerId } = executions.get(id);
        return [200, { ID: id, ContainerID: containerId, Running: started && code === undefined, ExitCode: code ?? 0 }];
      },
    ],
  ];
}

function listNetworks(
  engine: DockerEngine,
  { name = [], ...others }: Readonly<Record<string, readonly string[]>>,
): unknown {
  refuse(others);
  // As Docker's, the filter matches parts of names.
  const isAsked = (network: string): boolean => name.length === 0 || name.some((part) => network.includes(part));
  return engine
    .networks()
    .filter((network) => isAsked(network.name))
    .map((network) => networkJson(engine, network));
}

function listContainers(
  engine: DockerEngine,
  { label = [], ...others }: Readonly<Record<string, readonly string[]>>,
): unknown {
  refuse(others);
  return engine.containers(label).map((container) => containerSummaryJson(engine, container));
}

function refuse(filters: Readonly<Record<string, unknown>>): void {
  const [name] = Object.keys(filters);
  if (name !== undefined) throw new EngineError("not-supported", `the filter ${name} is not supported`);
}

/** The filters of a list: name → values. Clients send values as a list, or as an object with values as keys. */
function filtersOf(query: URLSearchParams): Readonly<Record<string, readonly string[]>> {
  const parsedFilters = parsed(filters, jsonOf(query.get("filters") ?? "{}"));
  return Object.fromEntries(
    Object.entries(parsedFilters).map(([name, values]) => [name, Array.isArray(values) ? values : Object.keys(values)]),
  );
}

async function answer(all: readonly Route[], request: IncomingMessage): Promise<Answer> {
  try {
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://docker");
    const path = pathname.replace(/^\/v\d+\.\d+(?=\/)/, "");
    const method = request.method === "HEAD" ? "GET" : (request.method ?? "GET");
    const body = await bodyOf(request);
    for (const [wanted, pattern, handle] of all) {
      const found = wanted === method ? pattern.exec(path) : null;
      if (found === null) continue;
      const args = found.slice(1).map(decodeURIComponent);
      return await handle({ args, query: searchParams, body: body === "" ? {} : jsonOf(body) });
    }
    throw new EngineError("not-supported", `${method} ${path} is not supported`);
  } catch (error) {
    const status = error instanceof EngineError ? error.status : 500;
    return [status, { message: error instanceof Error ? error.message : String(error) }];
  }
}

function send(response: ServerResponse, status: number, body: unknown): void {
  const text = body === undefined ? "" : JSON.stringify(body);
  const headers = { "Api-Version": API_VERSION, Ostype: "linux", "Content-Type": "application/json" };
  // A response to HEAD has the same headers; Node leaves its body out.
  response.writeHead(status, headers).end(text);
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request) {
    length += chunk.length;
    if (length > MAX_BODY) throw new EngineError("bad-request", `a body must not be longer than ${MAX_BODY} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new EngineError("bad-request", "the request is not JSON", { cause });
  }
}

function parsed<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new EngineError("bad-request", z.prettifyError(result.error), { cause: result.error });
}

/** `POST /exec/ID/start`: after the response, the connection carries the command's output. */
async function startUpgraded(executions: Executions, request: IncomingMessage, socket: Duplex): Promise<void> {
  const id = /^(?:\/v\d+\.\d+)?\/exec\/([^/]+)\/start$/.exec(request.url ?? "")?.[1] ?? "";
  try {
    executions.get(id);
  } catch (error) {
    const text = JSON.stringify({ message: error instanceof Error ? error.message : String(error) });
    const headers = `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\nConnection: close`;
    socket.end(`HTTP/1.1 404 Not Found\r\n${headers}\r\n\r\n${text}`);
    return;
  }
  const type = "Content-Type: application/vnd.docker.multiplexed-stream";
  socket.write(`HTTP/1.1 101 UPGRADED\r\n${type}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n`);
  // A second start of one execution, or a host that has gone: the client sees the end of the stream.
  await executions.start(id, socket).catch(() => socket.destroy());
}
