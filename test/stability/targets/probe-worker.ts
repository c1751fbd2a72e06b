// SPDX-License-Identifier: Apache-2.0

import { createSocket, type Socket } from "node:dgram";
import { Resolver } from "node:dns/promises";
import { Agent, get } from "node:http";
import { isIPv6, type Socket as TcpSocket } from "node:net";
import { createInterface } from "node:readline";
import type { Reply, Request } from "./target.ts";

/**
 * Runs in a pod's network namespace, see `pod-prober.ts`: each line of standard input is `{"id": …, "request": …}`, each line printed `{"id": …, "reply": …}`.
 * Ends when its standard input does.
 */

/** One socket for each destination: all datagrams to it are one flow. */
const sockets = new Map<string, { readonly socket: Socket; readonly waiting: Map<string, (reply: Reply) => void> }>();
let serial = 0;
const stream: { readonly agent: Agent; socket?: TcpSocket } = { agent: new Agent({ keepAlive: true, maxSockets: 1 }) };

function timed(
  timeoutMs: number,
  work: (resolve: (ok: boolean, detail?: string) => void) => () => void,
): Promise<Reply> {
  const since = performance.now();
  return new Promise((resolve) => {
    const done = (ok: boolean, detail?: string): void => {
      clearTimeout(timer);
      end();
      resolve({ ok, ms: performance.now() - since, ...(detail === undefined ? {} : { detail }) });
    };
    const timer = setTimeout(() => done(false, `no answer within ${timeoutMs} ms`), timeoutMs);
    const end = work(done);
  });
}

function udp({ address, port, timeoutMs }: Extract<Request, { kind: "udp" }>): Promise<Reply> {
  const key = `${address} ${port}`;
  let flow = sockets.get(key);
  if (flow === undefined) {
    const waiting = new Map<string, (reply: Reply) => void>();
    const socket = createSocket(isIPv6(address) ? "udp6" : "udp4");
    // A refusal (ICMP) is not an echo.
    socket.on("error", () => {});
    socket.on("message", (message) => waiting.get(message.toString())?.({ ok: true, ms: 0 }));
    flow = { socket, waiting };
    sockets.set(key, flow);
  }
  const { socket, waiting } = flow;
  const text = `${++serial}`;
  return timed(timeoutMs, (done) => {
    waiting.set(text, () => done(true));
    // agnhost's netexec: `echo TEXT` is answered with TEXT.
    socket.send(`echo ${text}`, port, address);
    return () => waiting.delete(text);
  });
}

function http({ address, port, timeoutMs }: Extract<Request, { kind: "http" }>): Promise<Reply> {
  return timed(timeoutMs, (done) => {
    const request = get({ host: address, port, path: "/hostname", agent: false }, (response) => {
      response.resume();
      response.on("end", () =>
        done(response.statusCode === 200, response.statusCode === 200 ? undefined : `HTTP ${response.statusCode}`),
      );
      response.on("error", (error) => done(false, error.message));
    });
    request.on("error", (error) => done(false, error.message));
    return () => request.destroy();
  });
}

function onStream({ address, port, timeoutMs }: Extract<Request, { kind: "stream" }>): Promise<Reply> {
  return timed(timeoutMs, (done) => {
    let answered = false;
    const request = get({ host: address, port, path: "/hostname", agent: stream.agent }, (response) => {
      response.resume();
      // Not `reusedSocket`, which Node.js leaves false on a request that waited for the connection.
      const again = stream.socket !== undefined && stream.socket !== response.socket;
      stream.socket = response.socket;
      response.on("end", () => {
        answered = true;
        if (again) done(false, "the connection had ended");
        else done(true);
      });
      response.on("error", (error) => done(false, error.message));
    });
    request.on("error", (error) => done(false, error.message));
    return () => {
      if (!answered) request.destroy();
    };
  });
}

function dns({ name, server, timeoutMs }: Extract<Request, { kind: "dns" }>): Promise<Reply> {
  return timed(timeoutMs, (done) => {
    const resolver = new Resolver({ timeout: timeoutMs, tries: 1 });
    resolver.setServers([isIPv6(server) ? `[${server}]:53` : `${server}:53`]);
    resolver.resolve4(name).then(
      (addresses) => done(addresses.length > 0, addresses.length > 0 ? undefined : "no address"),
      (error: Error) => done(false, error.message),
    );
    return () => resolver.cancel();
  });
}

function answer(request: Request): Promise<Reply> {
  switch (request.kind) {
    case "udp":
      return udp(request);
    case "http":
      return http(request);
    case "stream":
      return onStream(request);
    case "dns":
      return dns(request);
  }
}

process.stdout.write("ready\n");
for await (const line of createInterface({ input: process.stdin })) {
  const { id, request } = JSON.parse(line) as { readonly id: number; readonly request: Request };
  answer(request).then(
    (reply) => process.stdout.write(`${JSON.stringify({ id, reply })}\n`),
    (error: unknown) =>
      process.stdout.write(`${JSON.stringify({ id, reply: { ok: false, ms: 0, detail: String(error) } })}\n`),
  );
}
process.exit(0);
