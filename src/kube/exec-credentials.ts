// SPDX-License-Identifier: Apache-2.0

import { execFile } from "node:child_process";
import { isObject } from "../collections/plain.ts";
import type { Clock } from "../time/clock.ts";
import { parseTime } from "../time/rfc3339.ts";
import type { Credentials, Identity } from "./credentials.ts";
import { KubeError } from "./errors.ts";
import type { ExecPlugin } from "./kubeconfig.ts";

/** A plugin prints a token or a certificate; what is longer is none. */
const MAX_OUTPUT = 1 << 20;

interface Answer {
  readonly identity: Identity;
  /** Milliseconds since the epoch; undefined: it does not expire. */
  readonly expires: number | undefined;
}

/**
 * Credentials from the plugin that a kubeconfig names under `exec` (client.authentication.k8s.io, KEP-541). It is run when they are first
 * needed, and again when what it printed has expired or is refused. Requests that wait for it share one run.
 */
export function execCredentials(user: string, plugin: ExecPlugin, clock: Pick<Clock, "wall">): Credentials {
  let answer: Promise<Answer> | undefined;
  const run = (): Promise<Answer> => {
    const started = runPlugin(plugin);
    answer = started;
    started.catch(() => {
      if (answer === started) answer = undefined;
    });
    return started;
  };
  return {
    async identity() {
      try {
        const former = answer ?? run();
        const { identity, expires } = await former;
        if (expires === undefined || expires > clock.wall()) return identity;
        if (answer === former) answer = undefined;
        return (await (answer ?? run())).identity;
      } catch (cause) {
        const text = cause instanceof Error ? cause.message : String(cause);
        throw new KubeError("config", `credential plugin of user ${user}: ${text}`, { cause });
      }
    },
    refused() {
      answer = undefined;
      return true;
    },
  };
}

async function runPlugin({ command, args, env, apiVersion }: ExecPlugin): Promise<Answer> {
  // kubectl tells the plugin which API version to answer in; some plugins refuse to run without it.
  const info = JSON.stringify({ kind: "ExecCredential", apiVersion, spec: { interactive: false } });
  const options = { env: { ...process.env, ...env, KUBERNETES_EXEC_INFO: info }, maxBuffer: MAX_OUTPUT };
  const output = await new Promise<string>((resolve, reject) => {
    execFile(command, args, options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(stderr.trim() || error.message, { cause: error }));
    });
  });
  return readAnswer(JSON.parse(output));
}

function readAnswer(document: unknown): Answer {
  const status = isObject(document) ? document["status"] : undefined;
  if (!isObject(status)) throw new Error("it printed no ExecCredential with a status");
  const text = (key: string): string | undefined => {
    const value = status[key];
    return typeof value === "string" && value !== "" ? value : undefined;
  };
  const [token, cert, key] = [text("token"), text("clientCertificateData"), text("clientKeyData")];
  const expires = text("expirationTimestamp");
  return {
    identity: {
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
    },
    // One that cannot be read has expired: the plugin is asked each time.
    expires: expires === undefined ? undefined : (parseTime(expires) ?? 0),
  };
}
