import { readFile } from "node:fs/promises";
import type { User } from "@kubernetes/client-node/dist/config_types.js";
import type { Clock } from "../time/clock.ts";
import { KubeError } from "./errors.ts";

/** What a request needs to say who sends it. */
export interface Identity {
  readonly headers: Readonly<Record<string, string>>;
  /** A client certificate and its key in PEM, where a credential plugin hands them out. */
  readonly cert?: string;
  readonly key?: string;
}

/** Where identities come from. */
export interface Credentials {
  /** The identity to use now. Rejects with the code `config` if there is none. */
  identity(): Promise<Identity>;
  /** The API server refused the identity (401): the next one is read anew. False if that cannot make a difference. */
  refused(): boolean;
}

/** Credentials that never change. */
export function staticCredentials(headers: Readonly<Record<string, string>>): Credentials {
  return { identity: async () => ({ headers }), refused: () => false };
}

/** How long a token from a file is used before the file is read again: kubelet renews it at 80 % of its life, an hour or less. */
const TOKEN_FRESH_MS = 60_000;

/**
 * A bearer token in a file that others rewrite (a projected service account token). It is read again by the first request
 * after a minute and after a refusal. If the file cannot be read then, the last token is still used: it may be valid for long.
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

/** The `exec` entry of a kubeconfig user (client.authentication.k8s.io). */
interface ExecEntry {
  readonly apiVersion?: string;
  readonly env?: readonly { readonly name: string; readonly value: string }[] | null;
}

/** Credentials from a plugin that a kubeconfig names under `exec`. It is run again when what it gave has expired or is refused. */
export function execCredentials(user: User): Credentials {
  const exec = user.exec as ExecEntry;
  // kubectl tells the plugin which API version to answer in; some plugins refuse to run without it.
  const info = { kind: "ExecCredential", apiVersion: exec.apiVersion, spec: { interactive: false } };
  const env = [...(exec.env ?? []), { name: "KUBERNETES_EXEC_INFO", value: JSON.stringify(info) }];
  const caller: User = { ...user, exec: { ...exec, env } };
  let auth: { applyAuthentication(user: User, options: ExecAnswer): Promise<void> } | undefined;
  return {
    async identity() {
      const answer: ExecAnswer = { headers: {} };
      try {
        if (auth === undefined) {
          // Loaded only here: a pod with a service account never needs it.
          const { ExecAuth } = await import("@kubernetes/client-node/dist/exec_auth.js");
          auth = new ExecAuth();
        }
        await auth.applyAuthentication(caller, answer);
      } catch (cause) {
        throw new KubeError("config", `credential plugin of user ${user.name}: ${textOf(cause)}`, { cause });
      }
      const authorization = answer.headers["Authorization"];
      return {
        headers: authorization === undefined ? {} : { authorization },
        ...(answer.cert === undefined ? {} : { cert: answer.cert }),
        ...(answer.key === undefined ? {} : { key: answer.key }),
      };
    },
    refused() {
      auth = undefined;
      return true;
    },
  };
}

/** What client-node's ExecAuth fills in. */
interface ExecAnswer {
  headers: Record<string, string>;
  cert?: string;
  key?: string;
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
