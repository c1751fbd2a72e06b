// SPDX-License-Identifier: Apache-2.0

import type { RequestOptions } from "node:https";
import type { KubeConfig } from "@kubernetes/client-node";
import { isObject } from "../collections/plain.ts";
import type { Credentials, Identity } from "./credentials.ts";
import { KubeError } from "./errors.ts";
import type { KubeconfigUser } from "./kubeconfig.ts";

/** Characters of a credential plugin's stderr that an error contains. */
const MAX_MESSAGE = 1_000;

/**
 * The credentials of a kubeconfig's user except certificate files, as client-node's KubeConfig finds them: token,
 * token file, password, impersonation, credential plugin (`exec`), `auth-provider`. A plugin is run when it is first
 * needed, and again when its credentials have expired or are refused. Requests that wait for it share one run.
 */
export function kubeconfigCredentials(user: KubeconfigUser, newConfig: () => KubeConfig): Credentials {
  const caller = callerOf(user);
  const renewable = Boolean(user.exec || user.authProvider);
  let config: KubeConfig | undefined;
  let pending: Promise<Identity> | undefined;
  const load = async (): Promise<Identity> => {
    if (config === undefined) {
      config = newConfig();
      // The KubeConfig does not open the connection, so any cluster will do; without TLS it would require to skip the
      // verification.
      config.loadFromClusterAndUser({ name: "any", server: "https://any", skipTLSVerify: true }, caller);
    }
    try {
      return await identityOf(config, caller);
    } catch (cause) {
      // The KubeConfig caches a plugin's answer even if it is invalid.
      config = undefined;
      const text = (cause instanceof Error ? cause.message : String(cause)).trim().slice(0, MAX_MESSAGE);
      const what = user.exec ? "credential plugin" : "credentials";
      throw new KubeError("config", `${what} of user ${user.name}: ${text || "failed and wrote nothing to stderr"}`, {
        cause,
      });
    }
  };
  return {
    identity() {
      pending ??= load().finally(() => {
        pending = undefined;
      });
      return pending;
    },
    refused() {
      // A KubeConfig cannot be made to drop a plugin's answer.
      config = undefined;
      return renewable;
    },
  };
}

async function identityOf(config: KubeConfig, user: KubeconfigUser): Promise<Identity> {
  const options: RequestOptions & { readonly headers: Record<string, string> } = { headers: {} };
  await config.applyToHTTPSOptions(options);
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(options.headers)) headers[name.toLowerCase()] = value.trim();
  if (options.auth && headers["authorization"] === undefined) {
    headers["authorization"] = `Basic ${Buffer.from(options.auth).toString("base64")}`;
  }
  const { cert, key } = options;
  if (user.authProvider && headers["authorization"] === undefined) {
    const name = isObject(user.authProvider) ? user.authProvider["name"] : undefined;
    throw new Error(`auth-provider ${String(name)} is not supported, or has no token`);
  }
  return {
    headers,
    ...(typeof cert === "string" ? { cert } : {}),
    ...(typeof key === "string" ? { key } : {}),
  };
}

/**
 * The user without its certificates, whose files would be read for each request, and with the information for
 * plugins.
 */
function callerOf({ certData: _a, certFile: _b, keyData: _c, keyFile: _d, ...user }: KubeconfigUser): KubeconfigUser {
  const exec: unknown = user.exec;
  return {
    ...user,
    password: user.password ?? "",
    ...(isObject(exec) ? { exec: { ...exec, env: [...listOf(exec["env"]), execInfo(exec["apiVersion"])] } } : {}),
  };
}

/**
 * kubectl passes the API version of the answer to a plugin, and some plugins require it; client-node does not pass
 * it.
 */
function execInfo(apiVersion: unknown): { readonly name: string; readonly value: string } {
  const value = JSON.stringify({ kind: "ExecCredential", apiVersion, spec: { interactive: false } });
  return { name: "KUBERNETES_EXEC_INFO", value };
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
