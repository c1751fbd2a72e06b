// SPDX-License-Identifier: Apache-2.0

import { signal } from "@preact/signals";
import { createParser } from "eventsource-parser";
import { backOff } from "../model/back-off.ts";
import { stepOf } from "../model/stream-event.ts";
import { apiUrl } from "./api.ts";
import { refresh } from "./resource.ts";
import { loginEnded } from "./session.ts";

/** Whether the page follows the cluster. */
export interface LiveState {
  readonly state: "connecting" | "live" | "lost";
  /** When the server was last heard, in ms since 1970; what is shown is of that time. */
  readonly asOf?: number;
}

/** The connection of this page. */
export const connection = signal<LiveState>({ state: "connecting" });

/** Whether a view follows flows: the server has the nodes asked for them only while one does. */
export const flowsFollowed = signal(false);

/** The server sends a comment every 15 s: after this long without a byte there is no server any more. */
const SILENCE_MS = 40_000;

/** Follows the cluster's changes until `stop` is aborted: connects, and connects again. */
export async function followChanges(stop: AbortSignal): Promise<void> {
  let failures = 0;
  let lastId: string | undefined;
  while (!stop.aborted) {
    const heard = (id: string | undefined): void => {
      failures = 0;
      lastId = id ?? lastId;
      connection.value = { state: "live", asOf: Date.now() };
    };
    const other = new AbortController();
    const flows = flowsFollowed.peek();
    const ignore = flowsFollowed.subscribe((now) => {
      if (now !== flows) other.abort();
    });
    const loggedIn = await followOnce(AbortSignal.any([stop, other.signal]), { lastId, flows, heard });
    ignore();
    if (stop.aborted) return;
    if (!loggedIn) return loginEnded();
    if (other.signal.aborted) continue;
    failures++;
    const { asOf } = connection.value;
    connection.value = { state: "lost", ...(asOf !== undefined && { asOf }) };
    await pause(backOff(failures, Math.random()), stop);
  }
}

interface Following {
  readonly lastId: string | undefined;
  readonly flows: boolean;
  readonly heard: (id: string | undefined) => void;
}

/** One connection, until it ends. Resolves whether the login is still valid. */
async function followOnce(stop: AbortSignal, { lastId, flows, heard }: Following): Promise<boolean> {
  const silence = new AbortController();
  let timer = setTimeout(() => silence.abort(), SILENCE_MS);
  const alive = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => silence.abort(), SILENCE_MS);
  };
  let loggedIn = true;
  try {
    const response = await fetch(apiUrl("events", { flows: flows ? "true" : "" }), {
      headers: { accept: "text/event-stream", ...(lastId !== undefined && { "last-event-id": lastId }) },
      credentials: "same-origin",
      cache: "no-store",
      signal: AbortSignal.any([stop, silence.signal]),
    });
    if (response.status === 401) return false;
    if (!response.ok || response.body === null) return true;
    const parser = createParser({
      onEvent({ data, id }) {
        heard(id);
        const step = stepOf(data);
        if (step.do === "refresh") refresh(step.kinds);
        if (step.do === "log-in") loggedIn = false;
      },
      onComment: () => heard(undefined),
      maxBufferSize: 1_000_000,
    });
    heard(undefined);
    for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
      alive();
      parser.feed(text);
    }
  } catch {
    // A connection that breaks is what this function waits for; that it is lost is shown, and it is made again.
  } finally {
    clearTimeout(timer);
  }
  return loggedIn;
}

/** Waits, but not beyond the return of the network or of the user to the page. */
function pause(ms: number, stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const over = new AbortController();
    const end = (): void => {
      clearTimeout(timer);
      over.abort();
      resolve();
    };
    const timer = setTimeout(end, ms);
    addEventListener("online", end, { signal: over.signal });
    stop.addEventListener("abort", end, { signal: over.signal });
  });
}
