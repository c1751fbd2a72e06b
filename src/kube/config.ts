// SPDX-License-Identifier: Apache-2.0

import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { type Clock, SYSTEM_CLOCK } from "../time/clock.ts";
import { type Credentials, staticCredentials, tokenFileCredentials } from "./credentials.ts";
import { KubeError } from "./errors.ts";
import { type KubeconfigCluster, type KubeconfigUser, readKubeconfigs } from "./kubeconfig.ts";
import { kubeconfigCredentials } from "./kubeconfig-credentials.ts";

/** TLS settings of a connection, in PEM. */
export interface TlsMaterial {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly servername?: string;
  /** False only if the kubeconfig has `insecure-skip-tls-verify`. */
  readonly rejectUnauthorized: boolean;
}

/** The address of the API server, and the credentials. */
export interface ClusterAccess {
  readonly server: URL;
  /** The namespace of the service account or of the context. */
  readonly namespace: string | undefined;
  readonly credentials: Credentials;
  /** Reads the certificates; called again after a TLS failure, as their files may have been renewed. */
  tls(): Promise<TlsMaterial>;
}

/** Where to find the access. */
export interface AccessOptions {
  /** Path of a kubeconfig. Default: the files of `$KUBECONFIG`; then the service account of the pod; then `~/.kube/config`. */
  readonly kubeconfig?: string;
  /** Context of the kubeconfig; default: its current one. */
  readonly context?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Default `/var/run/secrets/kubernetes.io/serviceaccount`. */
  readonly serviceAccountFolder?: string;
  readonly clock?: Pick<Clock, "now" | "after">;
}

const SERVICE_ACCOUNT_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount";

/** Finds the access to the API server. Rejects with the code `config` and a message that names the searched places. */
export async function loadAccess(options: AccessOptions = {}): Promise<ClusterAccess> {
  const env = options.env ?? process.env;
  const clock = options.clock ?? SYSTEM_CLOCK;
  if (options.kubeconfig !== undefined) return await fromKubeconfig([options.kubeconfig], options.context);
  const named = (env["KUBECONFIG"] ?? "").split(delimiter).filter((path) => path !== "");
  if (named.length > 0) return await fromKubeconfig(named, options.context);
  const host = env["KUBERNETES_SERVICE_HOST"];
  const port = env["KUBERNETES_SERVICE_PORT"];
  if (host !== undefined && host !== "" && port !== undefined && port !== "") {
    return await fromServiceAccount(host, port, options.serviceAccountFolder ?? SERVICE_ACCOUNT_FOLDER, clock);
  }
  return await fromKubeconfig([join(env["HOME"] ?? homedir(), ".kube", "config")], options.context);
}

async function fromServiceAccount(
  host: string,
  port: string,
  folder: string,
  clock: Pick<Clock, "now">,
): Promise<ClusterAccess> {
  const caFile = join(folder, "ca.crt");
  const server = parseServer(`https://${host.includes(":") ? `[${host}]` : host}:${port}`, "KUBERNETES_SERVICE_HOST");
  const namespace = await readFile(join(folder, "namespace"), "utf8").catch(() => "");
  return {
    server,
    namespace: namespace.trim() === "" ? undefined : namespace.trim(),
    credentials: tokenFileCredentials(join(folder, "token"), clock),
    tls: async () => ({ ca: await readPem(caFile), rejectUnauthorized: true }),
  };
}

async function fromKubeconfig(paths: readonly string[], context: string | undefined): Promise<ClusterAccess> {
  const { cluster, user, namespace, newConfig } = await readKubeconfigs(paths, context);
  const where = paths.join(delimiter);
  if (cluster.proxyUrl) throw new KubeError("config", `kubeconfig ${where}: proxy-url is not supported`);
  return {
    server: parseServer(cluster.server, where),
    namespace,
    credentials: user === undefined ? staticCredentials({}) : kubeconfigCredentials(user, newConfig),
    tls: async () => await tlsOf(cluster, user),
  };
}

async function tlsOf(cluster: KubeconfigCluster, user: KubeconfigUser | undefined): Promise<TlsMaterial> {
  const ca = await pemOf(cluster.caFile, cluster.caData);
  const cert = await pemOf(user?.certFile, user?.certData);
  const key = await pemOf(user?.keyFile, user?.keyData);
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(cluster.tlsServerName ? { servername: cluster.tlsServerName } : {}),
    rejectUnauthorized: !cluster.skipTLSVerify,
  };
}

async function pemOf(file: string | undefined, data: string | undefined): Promise<string | undefined> {
  // Data has priority over a file, as in client-go (`clientcmd`).
  if (data) return Buffer.from(data, "base64").toString("utf8");
  return file ? await readPem(file) : undefined;
}

async function readPem(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    throw new KubeError("config", `${file}: ${cause instanceof Error ? cause.message : cause}`, { cause });
  }
}

function parseServer(text: string, where: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== "https:" && url.protocol !== "http:")) {
    throw new KubeError("config", `${where}: ${text} is not a valid address of an API server`);
  }
  const loopback = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname);
  if (url.protocol === "http:" && !loopback) {
    throw new KubeError("config", `${where}: ${text}: without TLS only loopback addresses are allowed`);
  }
  return url;
}
