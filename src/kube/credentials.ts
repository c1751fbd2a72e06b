// SPDX-License-Identifier: Apache-2.0

import { readFile } from "node:fs/promises";
import type { Clock } from "../time/clock.ts";
import { KubeError } from "./errors.ts";

/** The parts of a request that authenticate it. */
export interface Identity {
  readonly headers: Readonly<Record<string, string>>;
  /** A client certificate and its key in PEM, if a credential plugin returns them. */
  readonly cert?: string;
  readonly key?: string;
}

/** A source of identities. */
export interface Credentials {
  /** The identity to use now. Rejects with the code `config` if there is none. */
  identity(): Promise<Identity>;
  /** The API server refused the identity (401): the next one is read again. False if that cannot help. */
  refused(): boolean;
}

/** Credentials that never change. */
export function staticCredentials(headers: Readonly<Record<string, string>>): Credentials {
  return { identity: async () => ({ headers }), refused: () => false };
}

/** How long a token from a file is used before the file is read again: kubelet renews it at 80 % of its life, an hour or less. */
const TOKEN_FRESH_MS = 60_000;

/**
 * A bearer token in a file that is rewritten (a projected service account token). It is read again by the first
 * request after a minute and after a refusal. If the file cannot be read then, the last token is still used: it may
 * be valid for long.
 */
export function tokenFileCredentials(path: string, clock: Pick<Clock, "now">): Credentials {
  let token: string | undefined;
  let readAt = Number.NEGATIVE_INFINITY;
  return {
    async identity() {
      if (token === undefined || clock.now() - readAt >= TOKEN_FRESH_MS) {
        try {
          const text = (await readFile(path, "utf8")).trim();
          if (text === "") throw new Error("the file is empty");
          token = text;
          readAt = clock.now();
        } catch (cause) {
          if (token === undefined) throw new KubeError("config", `token file ${path}: ${textOf(cause)}`, { cause });
        }
      }
      return { headers: { authorization: `Bearer ${token}` } };
    },
    refused() {
      readAt = Number.NEGATIVE_INFINITY;
      return true;
    },
  };
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
