// SPDX-License-Identifier: Apache-2.0

import { connect } from "node:net";

/** The longest answer that is read; the daemon's are a few hundred bytes. */
const MAX_ANSWER_BYTES = 1024 * 1024;

/** A response of the daemon. */
export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
}

/**
 * Why there is no response; `refused` means that nothing was done, in the other cases the daemon may have done
 * something.
 */
export class ExchangeError extends Error {
  override readonly name = "ExchangeError";
  readonly code: "refused" | "deadline" | "broken";

  constructor(code: "refused" | "deadline" | "broken", message: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }
}

/**
 * Sends one POST over a unix socket. Written over node:net because loading an HTTP client costs more than the whole
 * exchange.
 */
export function post(socket: string, path: string, body: string, deadlineMs: number): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    let connected = false;
    const connection = connect({ path: socket });
    // Closing the connection at the deadline makes the daemon abort and roll back.
    const timer = setTimeout(() => {
      fail(new ExchangeError("deadline", `no answer within ${deadlineMs / 1000} s`));
    }, deadlineMs);

    function fail(error: ExchangeError): void {
      clearTimeout(timer);
      connection.destroy();
      reject(error);
    }
    function tryFinish(ended: boolean): void {
      try {
        const answer = parseAnswer(Buffer.concat(chunks), ended);
        if (answer === undefined) return;
        clearTimeout(timer);
        connection.destroy();
        resolve(answer);
      } catch (error) {
        fail(error instanceof ExchangeError ? error : new ExchangeError("broken", String(error), error));
      }
    }

    connection.on("connect", () => {
      connected = true;
      connection.write(requestText(path, body));
    });
    connection.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      length += chunk.length;
      if (length > MAX_ANSWER_BYTES) fail(new ExchangeError("broken", "the answer is longer than 1 MiB"));
      else tryFinish(false);
    });
    connection.on("end", () => tryFinish(true));
    connection.on("error", (cause) => {
      fail(new ExchangeError(connected ? "broken" : "refused", cause.message, cause));
    });
  });
}

/** The request as bytes on the wire (RFC 9112); the daemon closes the connection after its response. */
function requestText(path: string, body: string): string {
  return [
    `POST ${path} HTTP/1.1`,
    "Host: dummy",
    "Content-Type: application/json",
    `Content-Length: ${Buffer.byteLength(body)}`,
    "Connection: close",
    "",
    body,
  ].join("\r\n");
}

/**
 * Parses an HTTP/1.1 response from the bytes received so far.
 * @returns undefined while it is incomplete.
 * @throws ExchangeError `broken` if the bytes are not a response, or the peer ended before it was complete.
 */
export function parseAnswer(bytes: Buffer, ended: boolean): HttpAnswer | undefined {
  const headEnd = bytes.indexOf("\r\n\r\n");
  if (headEnd < 0) {
    if (ended) throw new ExchangeError("broken", "the connection was closed before an answer came");
    return undefined;
  }
  const [statusLine = "", ...headers] = bytes.toString("latin1", 0, headEnd).split("\r\n");
  const status = Number(/^HTTP\/1\.[01] ([0-9]{3})(?: |$)/.exec(statusLine)?.[1]);
  if (!(status >= 100)) throw new ExchangeError("broken", `not an HTTP answer: ${JSON.stringify(statusLine)}`);
  const rest = bytes.subarray(headEnd + 4);
  if (status === 204) return { status, body: "" };

  const header = (name: string): string | undefined => {
    const line = headers.find((text) => text.toLowerCase().startsWith(`${name}:`));
    return line?.slice(name.length + 1).trim();
  };
  if (header("transfer-encoding")?.toLowerCase() === "chunked") return finish(status, unchunk(rest), ended);
  const declared = header("content-length");
  if (declared === undefined) return finish(status, ended ? rest : undefined, ended);
  const size = Number(declared);
  if (!Number.isInteger(size) || size < 0) throw new ExchangeError("broken", `bad Content-Length ${declared}`);
  return finish(status, rest.length >= size ? rest.subarray(0, size) : undefined, ended);
}

function finish(status: number, body: Buffer | undefined, ended: boolean): HttpAnswer | undefined {
  if (body !== undefined) return { status, body: body.toString("utf8") };
  if (ended) throw new ExchangeError("broken", "the connection was closed in the middle of the answer");
  return undefined;
}

/** Decodes the chunked coding (RFC 9112 §7.1); undefined while the last chunk is missing. */
function unchunk(bytes: Buffer): Buffer | undefined {
  const parts: Buffer[] = [];
  let at = 0;
  for (;;) {
    const lineEnd = bytes.indexOf("\r\n", at);
    if (lineEnd < 0) return undefined;
    const size = Number.parseInt(bytes.toString("latin1", at, lineEnd), 16);
    if (!(size >= 0)) throw new ExchangeError("broken", "malformed chunk size");
    if (size === 0) return Buffer.concat(parts);
    const start = lineEnd + 2;
    if (bytes.length < start + size + 2) return undefined;
    parts.push(bytes.subarray(start, start + size));
    at = start + size + 2;
  }
}
