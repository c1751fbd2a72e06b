// SPDX-License-Identifier: Apache-2.0

import { isObject } from "../../collections/plain.ts";
import type { ApiErrorCode } from "../../page/contract.ts";

/** Why a request failed: what the server says, or that there was no answer. */
export type ProblemCode = ApiErrorCode | "unreachable";

/** A failed request. */
export interface PageProblem {
  readonly code: ProblemCode;
  /** For people, in English; "" if there is nothing to add. */
  readonly message: string;
}

/** The same as an error. */
export class ApiProblem extends Error {
  readonly problem: PageProblem;

  constructor(problem: PageProblem, options?: ErrorOptions) {
    super(problem.message === "" ? problem.code : problem.message, options);
    this.name = "ApiProblem";
    this.problem = problem;
  }
}

const CODES: Readonly<Record<ApiErrorCode, true>> = {
  invalid: true,
  unauthenticated: true,
  forbidden: true,
  "not-found": true,
  "method-not-allowed": true,
  "too-large": true,
  "too-many-requests": true,
  busy: true,
  unavailable: true,
  internal: true,
};

/** Reads the body of a failed request. A proxy between may have answered in its own way: then only the status counts. */
export function problemOf(status: number, body: unknown): PageProblem {
  const error = isObject(body) && isObject(body["error"]) ? body["error"] : {};
  const message = typeof error["message"] === "string" ? error["message"] : "";
  const code = Object.keys(CODES).find((one): one is ApiErrorCode => one === error["code"]);
  return { code: code ?? codeOf(status), message };
}

function codeOf(status: number): ApiErrorCode {
  if (status === 401) return "unauthenticated";
  if (status === 403) return "forbidden";
  if (status === 404) return "not-found";
  if (status === 429) return "too-many-requests";
  return status === 502 || status === 503 || status === 504 ? "unavailable" : "internal";
}
