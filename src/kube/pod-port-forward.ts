// SPDX-License-Identifier: Apache-2.0

import { Duplex } from "node:stream";
import { KubeError } from "./errors.ts";
import type { ObjectRef } from "./object.ts";
import { objectPath } from "./paths.ts";
import { PODS } from "./resources.ts";
import type { SocketAccess } from "./transport.ts";
import { type KubeSocket, openWebSocket } from "./websocket.ts";

/** For one port: its data, and errors as text. Each begins with the port's number (kubelet's `portforward` package, websocket.go). */
const [DATA, ERROR] = [0, 1];
const PROTOCOL = "v4.channel.k8s.io";
const PORT_BYTES = 2;

/**
 * A TCP connection to a port of a pod, by a WebSocket of the API server. The account needs the verb `get` on `pods/portforward`, and from Kubernetes 1.35 on `create` as well. The stream is destroyed with a KubeError
 * if nothing listens there. The protocol cannot end one direction: `end` ends both. Rejects with a KubeError.
 */
export async function connectToPod(
  access: SocketAccess,
  pod: ObjectRef,
  port: number,
  signal: AbortSignal,
): Promise<Duplex> {
  const what = `connect to port ${port} of pod ${pod.name}`;
  const path = `${objectPath(PODS, pod, "portforward")}?ports=${port}`;
  const numberLeft = new Map<number, number>();
  const waiting: (() => void)[] = [];
  const taken = (): void => {
    for (const resolve of waiting.splice(0)) resolve();
  };
  let socket: KubeSocket | undefined;
  const stream = new Duplex({
    // When the API server has closed the connection, nothing can be written either.
    allowHalfOpen: false,
    read: taken,
    write(chunk: Buffer, _, done) {
      const message = Buffer.concat([Buffer.of(DATA), chunk]);
      if (socket === undefined) done(new KubeError("unavailable", `${what}: not connected`));
      else socket.send(message).then(() => done(), done);
    },
    final(done) {
      socket?.close();
      done();
    },
    destroy(error, done) {
      socket?.close();
      taken();
      done(error);
    },
  });
  const events = {
    message(data: Buffer): Promise<void> | undefined {
      const channel = data[0] ?? -1;
      const left = numberLeft.get(channel) ?? PORT_BYTES;
      numberLeft.set(channel, Math.max(0, left - (data.length - 1)));
      const content = data.subarray(1 + left);
      if (content.length === 0 || stream.destroyed) return undefined;
      if (channel === ERROR) {
        stream.destroy(new KubeError("unavailable", `${what}: ${content.toString("utf8").trim().slice(0, 1_000)}`));
        return undefined;
      }
      if (channel !== DATA || stream.push(content)) return undefined;
      const { promise, resolve } = Promise.withResolvers<void>();
      waiting.push(resolve);
      return promise;
    },
    closed(cause: KubeError | undefined): void {
      if (cause === undefined) stream.push(null);
      else stream.destroy(cause);
    },
  };
  socket = await openWebSocket(access, { what, path, protocols: [PROTOCOL], signal }, events);
  return stream;
}
