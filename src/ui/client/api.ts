// SPDX-License-Identifier: Apache-2.0

import { ApiProblem, problemOf } from "../model/problem.ts";

/** The longest that a request may take, unless it says otherwise. */
const DEADLINE_MS = 30_000;

/** A request to the page's server. */
export interface PageRequest {
  readonly method?: "GET" | "POST" | "DELETE";
  readonly body?: string;
  readonly contentType?: string;
  readonly signal?: AbortSignal;
  readonly deadlineMs?: number;
}

/** The address of a path under `api/v1/`; relative, so that the page works behind the API server's proxy as well. */
export function apiUrl(path: string, query: Readonly<Record<string, string | undefined>> = {}): string {
  const given = Object.entries(query).filter((entry): entry is [string, string] => (entry[1] ?? "") !== "");
  const search = new URLSearchParams(given).toString();
  return `api/v1/${path}${search === "" ? "" : `?${search}`}`;
}

/** A path with names in it, each one segment. */
export function apiPath(...segments: readonly string[]): string {
  return segments.map(encodeURIComponent).join("/");
}

/**
 * The answer to a request. Rejects with an {@link ApiProblem}, or with the reason of `signal`.
 *
 * The shape is not checked: server and page come from one image and are built against one contract.
 */
export async function request<T>(url: string, options: PageRequest = {}): Promise<T> {
  const { method = "GET", body, contentType, signal, deadlineMs = DEADLINE_MS } = options;
  const deadline = AbortSignal.timeout(deadlineMs);
  const headers = {
    accept: "application/json",
    ...(method !== "GET" && { "x-weft-page": "1" }),
    ...(contentType !== undefined && { "content-type": contentType }),
  };
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, {
      method,
      headers,
      credentials: "same-origin",
      cache: "no-store",
      signal: signal === undefined ? deadline : AbortSignal.any([signal, deadline]),
      ...(body !== undefined && { body }),
    });
    text = await response.text();
  } catch (cause) {
    if (signal?.aborted === true) throw cause;
    throw new ApiProblem({ code: "unreachable", message: "" }, { cause });
  }
  const answer = text === "" ? undefined : parsed(text);
  if (!response.ok) throw new ApiProblem(problemOf(response.status, answer));
  return answer as T;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
