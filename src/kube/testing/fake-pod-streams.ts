// SPDX-License-Identifier: Apache-2.0

import { EventEmitter, once } from "node:events";
import type { IncomingMessage, Server } from "node:http";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";

/** A command that a client runs in a pod. */
export interface FakeExec {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  readonly command: readonly string[];
  readonly stdin: boolean;
  readonly tty: boolean;
  /** What was received so far. */
  readonly input: string;
  readonly inputEnded: boolean;
  /** Sizes of the terminal, as JSON. */
  readonly sizes: readonly string[];
  /** The connection has ended. */
  readonly gone: boolean;
  /** Resolves when something was received, or the connection has ended. */
  received(): Promise<void>;
  stdout(data: string | Uint8Array): void;
  stderr(text: string): void;
  exit(code: number): void;
  /** It cannot be run: the message of an internal error. */
  fail(message: string): void;
  /** Bytes that are not sent yet. */
  readonly unsent: number;
  /** Breaks the connection. */
  breakOff(): void;
}

/** What {@link servePodStreams} does with requests. */
export interface PodStreamOptions {
  /** Is called for each command. */
  readonly exec?: (running: FakeExec) => void | Promise<void>;
  /** Is called with what a client sends to a forwarded port; returns the answer, an Error if nothing listens there, undefined to close. */
  readonly forward?: (port: number, data: Buffer) => Buffer | Error | undefined;
  /** The status and the body of a refusal; undefined: accepted. */
  readonly refuse?: (request: IncomingMessage) => { readonly status: number; readonly body: object } | undefined;
  /** Subprotocols that it knows, by default those of Kubernetes 1.30 and later. */
  readonly protocols?: readonly string[];
  /** Answers no request. */
  readonly silent?: boolean;
}

const PATH = /^\/api\/v1\/namespaces\/([^/]+)\/pods\/([^/]+)\/(exec|portforward)$/;

/** Serves WebSockets of `pods/exec` and `pods/portforward` beside the requests of `server`, with the channels of Kubernetes (KEP-4006). Returns what ends them all. */
export function servePodStreams(server: Server, options: PodStreamOptions): () => void {
  const { protocols = ["v5.channel.k8s.io", "v4.channel.k8s.io"], silent = false } = options;
  const streams = new Set<Duplex>();
  const sockets = new WebSocketServer({
    noServer: true,
    handleProtocols: (wanted) => [...wanted].find((each) => protocols.includes(each)) ?? false,
  });
  server.on("upgrade", (request: IncomingMessage, stream: Duplex, head: Buffer) => {
    streams.add(stream);
    stream.once("close", () => streams.delete(stream));
    stream.on("error", () => undefined);
    if (silent) return;
    const refused = options.refuse?.(request);
    const url = new URL(request.url ?? "/", "http://localhost");
    const [, namespace = "", pod = "", kind] = PATH.exec(url.pathname) ?? [];
    if (refused !== undefined || kind === undefined) {
      const { status, body } = refused ?? { status: 404, body: { kind: "Status", message: "no such path", code: 404 } };
      const text = JSON.stringify(body);
      stream.end(
        `HTTP/1.1 ${status} Refused\r\ncontent-type: application/json\r\ncontent-length: ${text.length}\r\n\r\n${text}`,
      );
      return;
    }
    sockets.handleUpgrade(request, stream, head, (socket) => {
      if (kind === "exec") void options.exec?.(execOver(socket, namespace, pod, url.searchParams));
      else if (options.forward !== undefined)
        forwardOver(socket, Number(url.searchParams.get("ports")), options.forward);
    });
  });
  return () => {
    for (const stream of streams) stream.destroy();
  };
}

/** As the API server reads a query (apimachinery `Convert_Slice_string_To_bool`): only these values are false. */
function isTrue(value: string | null): boolean {
  return value !== null && value !== "false" && value !== "0";
}

function execOver(socket: WebSocket, namespace: string, pod: string, query: URLSearchParams): FakeExec {
  const changes = new EventEmitter();
  const state = { input: "", inputEnded: false, sizes: [] as string[], gone: false };
  const send = (channel: number, data: string | Uint8Array): void =>
    socket.send(Buffer.concat([Buffer.of(channel), Buffer.from(data)]));
  // As kube-apiserver begins each channel.
  for (const channel of [1, 2, 3]) send(channel, "");
  socket.on("message", (data: Buffer) => {
    if (data[0] === 0) state.input += data.subarray(1).toString("utf8");
    if (data[0] === 4) state.sizes.push(data.subarray(1).toString("utf8"));
    if (data[0] === 255 && data[1] === 0) state.inputEnded = true;
    changes.emit("change");
  });
  socket.on("close", () => {
    Object.assign(state, { gone: true, inputEnded: true });
    changes.emit("change");
  });
  const status = (body: object): void => {
    send(3, JSON.stringify({ metadata: {}, ...body }));
    socket.close(1000);
  };
  return {
    ...{ namespace, pod, container: query.get("container") ?? "", command: query.getAll("command") },
    ...{ stdin: isTrue(query.get("stdin")), tty: isTrue(query.get("tty")) },
    get input() {
      return state.input;
    },
    get inputEnded() {
      return state.inputEnded;
    },
    get sizes() {
      return state.sizes;
    },
    get gone() {
      return state.gone;
    },
    get unsent() {
      return socket.bufferedAmount;
    },
    async received() {
      await once(changes, "change");
    },
    stdout: (data) => send(1, data),
    stderr: (text) => send(2, text),
    exit(code) {
      if (code === 0) status({ status: "Success" });
      else
        status({
          ...{ status: "Failure", reason: "NonZeroExitCode", message: `command terminated with exit code ${code}` },
          details: { causes: [{ reason: "ExitCode", message: String(code) }] },
        });
    },
    fail: (message) => status({ status: "Failure", reason: "InternalError", message, code: 500 }),
    breakOff: () => socket.terminate(),
  };
}

function forwardOver(socket: WebSocket, port: number, forward: NonNullable<PodStreamOptions["forward"]>): void {
  const number = Buffer.of(port & 255, port >> 8);
  for (const channel of [0, 1]) {
    socket.send(Buffer.of(channel));
    socket.send(Buffer.concat([Buffer.of(channel), number]));
  }
  socket.on("message", (data: Buffer) => {
    const answer = forward(port, data.subarray(1));
    if (answer === undefined) socket.close();
    else if (answer instanceof Error) socket.send(Buffer.concat([Buffer.of(1), Buffer.from(answer.message)]));
    else socket.send(Buffer.concat([Buffer.of(0), answer]));
  });
}
