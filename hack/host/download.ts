// SPDX-License-Identifier: Apache-2.0

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { writeFile } from "node:fs/promises";
import { errorText, HostError } from "./error.ts";

/** Milliseconds for the head of an answer; where a server cannot be reached, this is what the try costs at most. */
const ANSWER_MS = 4_000;

/** The text at `url`. Rejects with HostError `download` or `timed-out`. */
export async function fetchText(url: string): Promise<string> {
  return await (await fetchOk(url)).text();
}

/**
 * Downloads `url` to the file `path` and checks it. `sha256` is in hexadecimal; `onProgress` gets how far it is ("42 %").
 * Rejects with HostError `download`, also where the sum differs; the file may be left then. By Node's own fetch: a package (got, ky) would add retries,
 * which callers do not want, and check no sum.
 */
export async function download(
  url: string,
  path: string,
  sha256: string,
  onProgress: (text: string) => void,
): Promise<void> {
  const response = await fetchOk(url);
  const total = Number(response.headers.get("content-length") ?? 0);
  let received = 0;
  const counted = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of response.body ?? []) {
      received += chunk.length;
      onProgress(total === 0 ? `${received >> 20} MiB` : `${Math.floor((100 * received) / total)} %`);
      yield chunk;
    }
  };
  await writeFile(path, counted());
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) hash.update(chunk);
  const found = hash.digest("hex");
  if (found !== sha256) throw new HostError("download", `${url} has SHA-256 ${found}, expected ${sha256}`);
}

/** The response, once its head has come within the time allowed; the body may take longer. */
async function fetchOk(url: string): Promise<Response> {
  const abort = new AbortController();
  const late = new HostError("timed-out", `${url}: no response within ${ANSWER_MS} ms`);
  const timer = setTimeout(() => abort.abort(late), ANSWER_MS);
  try {
    const response = await fetch(url, { signal: abort.signal });
    if (!response.ok) throw new HostError("download", `${url}: HTTP ${response.status}`);
    return response;
  } catch (cause) {
    if (cause instanceof HostError) throw cause;
    const reason = cause instanceof Error && cause.cause !== undefined ? errorText(cause.cause) : errorText(cause);
    throw new HostError("download", `${url}: ${reason}`, { cause });
  } finally {
    clearTimeout(timer);
  }
}
