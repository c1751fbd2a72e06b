// SPDX-License-Identifier: Apache-2.0

import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import type { KubeConfig } from "@kubernetes/client-node";
import { isObject } from "../collections/plain.ts";
import { KubeError } from "./errors.ts";

/**
 * A cluster in client-node's KubeConfig. Paths are absolute, data is base64; absent fields are undefined, null or
 * empty.
 */
export type KubeconfigCluster = KubeConfig["clusters"][number];

/** A user in client-node's KubeConfig, in the same form. */
export type KubeconfigUser = KubeConfig["users"][number];

/** The fields of a context. */
export interface KubeconfigContext {
  readonly cluster: KubeconfigCluster;
  /** Undefined if the context names none. */
  readonly user: KubeconfigUser | undefined;
  readonly namespace: string | undefined;
  /** Creates an empty KubeConfig; client-node is loaded only if there is a kubeconfig. */
  newConfig(): KubeConfig;
}

/**
 * Reads kubeconfigs and merges them as kubectl does: of two entries of one name the first one is used, and so is the
 * first current context. Files that do not exist are skipped if one does. `context` is the context to use, by default
 * the current one. Rejects with the code `config` and the file's name.
 */
export async function readKubeconfigs(
  paths: readonly string[],
  context: string | undefined,
): Promise<KubeconfigContext> {
  // Pods do not need it: the image has it in a separate file, which is not loaded before.
  const client = await import("@kubernetes/client-node");
  const merged = new client.KubeConfig();
  const missing: unknown[] = [];
  let current = context;
  for (const path of paths) {
    const file = new client.KubeConfig();
    try {
      const text = await readFile(path, "utf8");
      const document = checked(client.loadYaml<unknown>(text));
      file.loadFromString(text);
      const folder = dirname(resolve(path));
      file.makePathsAbsolute(folder);
      file.users = file.users.map((user, i) => withTokenFile(user, document.users[i]?.["tokenFile"], folder));
    } catch (cause) {
      // Files that it names may be missing too.
      const itself = cause instanceof Error && "code" in cause && "path" in cause && cause.path === path;
      if (itself && cause.code === "ENOENT") missing.push(cause);
      else
        throw new KubeError("config", `kubeconfig ${path}: ${cause instanceof Error ? cause.message : cause}`, {
          cause,
        });
    }
    for (const each of file.clusters) if (merged.getCluster(each.name) === null) merged.addCluster(each);
    for (const each of file.users) if (merged.getUser(each.name) === null) merged.addUser(each);
    for (const each of file.contexts) if (merged.getContextObject(each.name) === null) merged.addContext(each);
    current ??= file.currentContext || undefined;
  }
  if (missing.length === paths.length) {
    throw new KubeError(
      "config",
      `no kubeconfig at ${paths.join(", ")}, and not in a pod; give --kubeconfig FILE, or set KUBECONFIG`,
      { cause: missing[0] },
    );
  }
  const found = <T>(value: T | null, what: string): T => {
    if (value === null) throw new KubeError("config", `kubeconfig ${paths.join(":")}: no ${what}`);
    return value;
  };
  const chosen = found(merged.getContextObject(current ?? ""), `context ${current ?? "is current"}`);
  return {
    cluster: found(merged.getCluster(chosen.cluster), `cluster ${chosen.cluster}`),
    user: chosen.user ? found(merged.getUser(chosen.user), `user ${chosen.user}`) : undefined,
    namespace: chosen.namespace,
    newConfig: () => new client.KubeConfig(),
  };
}

/**
 * client-node reads a field `token-file` once; Kubernetes has `tokenFile`, and its content changes. client-node's
 * provider of that name rereads it.
 */
function withTokenFile(user: KubeconfigUser, path: unknown, folder: string): KubeconfigUser {
  if (typeof path !== "string" || path === "") return user;
  // A file has priority over a literal token, as in client-go: the literal one may be an old copy of it.
  const config = { tokenFile: resolve(folder, path) };
  return { ...user, token: "", exec: null, authProvider: { name: "tokenFile", config } };
}

type Fields = Readonly<Record<string, unknown>>;

/**
 * Validates the fields of each user of a kubeconfig. Throws an Error that names the field if an entry is not an
 * object or a text is not a string: client-node does not check types, but reports missing fields itself.
 */
function checked(document: unknown): { readonly users: readonly Fields[] } {
  if (!isObject(document)) throw new Error("not a kubeconfig");
  const entries = (list: string, key: string): readonly Fields[] => {
    const found = document[list] ?? [];
    if (!Array.isArray(found)) throw new Error(`${list} must be a list`);
    return found.map((entry: unknown, i) => {
      if (!isObject(entry)) throw new Error(`${list}[${i}] must be an object`);
      const fields = entry[key] ?? {};
      if (!isObject(fields)) throw new Error(`${list}[${i}].${key} must be an object`);
      for (const [field, value] of Object.entries(fields)) {
        if (typeof value === "number") throw new Error(`${list}[${i}].${key}.${field} must be a string`);
      }
      return fields;
    });
  };
  entries("clusters", "cluster");
  entries("contexts", "context");
  return { users: entries("users", "user") };
}
