// SPDX-License-Identifier: Apache-2.0

import { readFile } from "node:fs/promises";
import { connect as connectTcp } from "node:net";
import type { Duplex } from "node:stream";
import { connect as connectTls } from "node:tls";
import type { TlsFiles } from "./client.ts";
import { OvsdbError } from "./errors.ts";
import type { Remote } from "./parse-remote.ts";

/** Opens connections; tests pass another one. */
export type Dial = (remote: string, signal: AbortSignal) => Promise<Duplex>;

/**
 * Connects to a remote; the stream is ready to write. Rejects OvsdbError `connection`. With `ssl:` the server's
 * certificate must be signed by `tls.caCertificate`; its name is not compared with the host, as Open vSwitch does not
 * do that either and the certificates of `ovs-pki` have no matching name.
 */
export async function dialRemote(remote: Remote, tls: TlsFiles | undefined, signal: AbortSignal): Promise<Duplex> {
  try {
    switch (remote.kind) {
      case "unix":
        return await connected(connectTcp({ path: remote.path }), "connect", signal);
      case "tcp":
        return await connected(connectTcp({ host: remote.host, port: remote.port, noDelay: true }), "connect", signal);
      case "ssl": {
        if (tls === undefined) throw new OvsdbError("connection", "no key and certificates for an ssl: remote");
        const [key, cert, ca] = await Promise.all([
          readFile(tls.privateKey, { signal }),
          readFile(tls.certificate, { signal }),
          readFile(tls.caCertificate, { signal }),
        ]);
        const socket = connectTls({
          host: remote.host,
          port: remote.port,
          key,
          cert,
          ca,
          minVersion: "TLSv1.2",
          checkServerIdentity: () => undefined,
        });
        return await connected(socket.setNoDelay(true), "secureConnect", signal);
      }
    }
  } catch (reason) {
    throw OvsdbError.from(reason, "connection");
  }
}

function connected<Stream extends Duplex>(stream: Stream, event: string, signal: AbortSignal): Promise<Stream> {
  // Until the session listens, and after an abort, no listener handles an error; `close` follows it and reports the
  // same.
  stream.on("error", () => {});
  return new Promise((resolve, reject) => {
    const settle = (error?: unknown): void => {
      signal.removeEventListener("abort", onAbort);
      stream.off("error", settle);
      stream.off(event, onConnect);
      if (error === undefined) resolve(stream);
      else reject(error instanceof Error ? error : new OvsdbError("connection", String(error)));
    };
    const onConnect = (): void => settle();
    const onAbort = (): void => {
      stream.destroy();
      settle(signal.reason);
    };
    stream.on("error", settle);
    stream.on(event, onConnect);
    signal.addEventListener("abort", onAbort);
    if (signal.aborted) onAbort();
  });
}
