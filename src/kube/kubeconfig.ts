// SPDX-License-Identifier: Apache-2.0

import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { isObject } from "../collections/plain.ts";

/** A cluster of a kubeconfig. Paths are absolute, data is base64. */
export interface KubeconfigCluster {
  readonly name: string;
  readonly server: string;
  readonly caFile?: string;
  readonly caData?: string;
  readonly tlsServerName?: string;
  readonly proxyUrl?: string;
  readonly skipTlsVerify: boolean;
}

/** A user of a kubeconfig. Paths are absolute, data is base64. */
export interface KubeconfigUser {
  readonly name: string;
  readonly certFile?: string;
  readonly certData?: string;
  readonly keyFile?: string;
  readonly keyData?: string;
  readonly token?: string;
  readonly tokenFile?: string;
  readonly username?: string;
  readonly password?: string;
  readonly impersonate?: string;
  readonly exec?: ExecPlugin;
  /** It has an `auth-provider`, which kubectl does not support any more either. */
  readonly authProvider: boolean;
}

/** A credential plugin (`exec` of a user, client.authentication.k8s.io). */
export interface ExecPlugin {
  readonly apiVersion?: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Set for the plugin beside our own environment. */
  readonly env: Readonly<Record<string, string>>;
}

/** A context of a kubeconfig. */
export interface KubeconfigContext {
  readonly name: string;
  readonly cluster: string;
  readonly user?: string;
  readonly namespace?: string;
}

/** One file, as far as Weft uses it. */
export interface Kubeconfig {
  readonly clusters: readonly KubeconfigCluster[];
  readonly users: readonly KubeconfigUser[];
  readonly contexts: readonly KubeconfigContext[];
  readonly currentContext?: string;
}

/** Reads a kubeconfig (`v1 Config` of client-go's clientcmd/api). Rejects with an Error that says which field is missing or malformed. */
export async function readKubeconfig(path: string): Promise<Kubeconfig> {
  const folder = dirname(resolve(path));
  const text = await readFile(path, "utf8");
  // YAML is loaded for kubeconfigs only: in a pod it would be 8 MiB of resident memory for nothing.
  const document: unknown = text.trimStart().startsWith("{") ? JSON.parse(text) : (await import("yaml")).parse(text);
  if (!isObject(document)) throw new Error("not a kubeconfig");
  const file = new Fields(document, "");
  return {
    clusters: file.entries("clusters", "cluster").map(({ name, fields }) => clusterOf(name, fields, folder)),
    users: file.entries("users", "user").map(({ name, fields }) => userOf(name, fields, folder)),
    contexts: file.entries("contexts", "context").map(({ name, fields }) => ({
      ...{ name, cluster: fields.required("cluster") },
      ...fields.texts({ user: "user", namespace: "namespace" }),
    })),
    ...file.texts({ currentContext: "current-context" }),
  };
}

function clusterOf(name: string, fields: Fields, folder: string): KubeconfigCluster {
  return {
    ...{ name, server: fields.required("server"), skipTlsVerify: fields.isTrue("insecure-skip-tls-verify") },
    ...fields.texts({ caData: "certificate-authority-data", tlsServerName: "tls-server-name", proxyUrl: "proxy-url" }),
    ...absolute(fields.texts({ caFile: "certificate-authority" }), folder),
  };
}

function userOf(name: string, fields: Fields, folder: string): KubeconfigUser {
  const exec = fields.object("exec");
  return {
    ...{ name, authProvider: fields.object("auth-provider") !== undefined },
    ...fields.texts({ certData: "client-certificate-data", keyData: "client-key-data", impersonate: "as" }),
    ...fields.texts({ token: "token", username: "username", password: "password" }),
    ...absolute(
      fields.texts({ certFile: "client-certificate", keyFile: "client-key", tokenFile: "tokenFile" }),
      folder,
    ),
    ...(exec === undefined ? {} : { exec: pluginOf(exec) }),
  };
}

function pluginOf(fields: Fields): ExecPlugin {
  const env = fields.list("env").map((entry) => [entry.required("name"), entry.text("value") ?? ""] as const);
  return {
    ...{ command: fields.required("command"), args: fields.textList("args"), env: Object.fromEntries(env) },
    ...fields.texts({ apiVersion: "apiVersion" }),
  };
}

function absolute<K extends string>(
  paths: Readonly<Partial<Record<K, string>>>,
  folder: string,
): Readonly<Partial<Record<K, string>>> {
  const entries = Object.entries<string | undefined>(paths).map(([key, path]) => [key, resolve(folder, path ?? "")]);
  return Object.fromEntries(entries) as Readonly<Partial<Record<K, string>>>;
}

/** The fields of an object in an untrusted document; errors name them by their path. An empty text or `null` counts as absent. */
class Fields {
  readonly #object: Readonly<Record<string, unknown>>;
  readonly #path: string;

  constructor(object: Readonly<Record<string, unknown>>, path: string) {
    this.#object = object;
    this.#path = path;
  }

  text(key: string): string | undefined {
    const value = this.#object[key] ?? "";
    if (typeof value !== "string") throw new Error(`${this.#path}${key} must be a string`);
    return value === "" ? undefined : value;
  }

  /** The fields `names` (ours → the document's) that are there. */
  texts<K extends string>(names: Readonly<Record<K, string>>): Readonly<Partial<Record<K, string>>> {
    const found: Partial<Record<K, string>> = {};
    for (const ours in names) {
      const value = this.text(names[ours]);
      if (value !== undefined) found[ours] = value;
    }
    return found;
  }

  required(key: string): string {
    const value = this.text(key);
    if (value === undefined) throw new Error(`${this.#path}${key} is missing`);
    return value;
  }

  isTrue(key: string): boolean {
    return this.#object[key] === true;
  }

  object(key: string): Fields | undefined {
    const value = this.#object[key] ?? undefined;
    if (value === undefined) return undefined;
    if (!isObject(value)) throw new Error(`${this.#path}${key} must be an object`);
    return new Fields(value, `${this.#path}${key}.`);
  }

  list(key: string): readonly Fields[] {
    return this.#array(key).map((value, i) => {
      const path = `${this.#path}${key}[${i}]`;
      if (!isObject(value)) throw new Error(`${path} must be an object`);
      return new Fields(value, `${path}.`);
    });
  }

  textList(key: string): readonly string[] {
    return this.#array(key).map((value, i) => {
      if (typeof value !== "string") throw new Error(`${this.#path}${key}[${i}] must be a string`);
      return value;
    });
  }

  /** A list of `{ name, <key>: {…} }`, as clusters, users and contexts are. */
  entries(list: string, key: string): readonly { readonly name: string; readonly fields: Fields }[] {
    return this.list(list).map((entry) => {
      const name = entry.required("name");
      return { name, fields: entry.object(key) ?? new Fields({}, `${entry.#path}${key}.`) };
    });
  }

  #array(key: string): readonly unknown[] {
    const value = this.#object[key] ?? [];
    if (!Array.isArray(value)) throw new Error(`${this.#path}${key} must be a list`);
    return value;
  }
}
