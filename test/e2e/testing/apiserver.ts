// SPDX-License-Identifier: Apache-2.0

import { type ChildProcess, spawn } from "node:child_process";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { Agent, request } from "node:https";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { architecture, cacheFolder, findCommand } from "../../../hack/host/cache.ts";
import { KUBERNETES_VERSION } from "../../../hack/kube/binaries.ts";

/** An answer of the API server: the body parsed, and as text (numbers beyond 2^53 are exact only there). */
export interface ApiServerAnswer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into objects of every kind.
  readonly body: any;
  readonly text: string;
  /** Its header Warning (RFC 7234, 5.5), which kubectl prints; "" for none. */
  readonly warning: string;
}

/** A kube-apiserver with its own etcd, on loopback, that allows everything to clients with its token. */
export interface ApiServer {
  readonly url: string;
  /** For kubectl. */
  readonly kubeconfig: string;
  /** The folder that holds `kubectl`. */
  readonly bin: string;
  call(
    method: string,
    path: string,
    body?: unknown,
    headers?: Readonly<Record<string, string>>,
  ): Promise<ApiServerAnswer>;
  /** Stops both processes and removes their folder. */
  stop(): Promise<void>;
}

/** How long both processes together may take to answer, in milliseconds. */
const START_MS = 60_000;

/** The folder with Kubernetes' binaries, or why a test that needs them cannot run. */
export function kubeBinaries(): { readonly folder: string } | { readonly missing: string } {
  const cached = join(cacheFolder(), "kube", `${KUBERNETES_VERSION}-${architecture()}`);
  const folder = process.env["WEFT_KUBE_BIN"] || cached;
  for (const name of ["kube-apiserver", "kubectl"]) {
    if (!existsSync(join(folder, name)))
      return { missing: `there is no ${name} in ${folder} (npm run lab -- up makes it)` };
  }
  return findCommand("etcd") === undefined ? { missing: "there is no etcd (apt-get install etcd-server)" } : { folder };
}

/**
 * Starts etcd and kube-apiserver and waits until the latter is ready (about five seconds). Rejects, with the end of what
 * they printed, if one of them ends or the time is over.
 */
export async function startApiServer(bin: string): Promise<ApiServer> {
  const folder = await mkdtemp(join(tmpdir(), "weft-apiserver-"));
  const [client, peer, secure] = await freePorts(3);
  const processes: ChildProcess[] = [];
  const stop = async (): Promise<void> => {
    for (const process of processes.reverse()) await end(process);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const etcd = `http://127.0.0.1:${client}`;
    const etcdProcess = start(folder, findCommand("etcd") ?? "etcd", [
      `--data-dir=${folder}/etcd`,
      `--listen-client-urls=${etcd}`,
      `--advertise-client-urls=${etcd}`,
      `--listen-peer-urls=http://127.0.0.1:${peer}`,
      `--initial-advertise-peer-urls=http://127.0.0.1:${peer}`,
      `--initial-cluster=default=http://127.0.0.1:${peer}`,
      "--unsafe-no-fsync",
    ]);
    processes.push(etcdProcess);
    const token = randomBytes(16).toString("hex");
    await writeFile(join(folder, "tokens.csv"), `${token},test,test,system:masters\n`);
    const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    await writeFile(join(folder, "sa.key"), privateKey.export({ type: "pkcs8", format: "pem" }));
    await writeFile(join(folder, "sa.pub"), publicKey.export({ type: "spki", format: "pem" }));
    const serverProcess = start(folder, join(bin, "kube-apiserver"), [
      `--etcd-servers=${etcd}`,
      "--bind-address=127.0.0.1",
      "--advertise-address=127.0.0.1",
      `--secure-port=${secure}`,
      `--cert-dir=${folder}`,
      `--token-auth-file=${folder}/tokens.csv`,
      "--authorization-mode=RBAC",
      "--service-account-issuer=https://test",
      `--service-account-key-file=${folder}/sa.pub`,
      `--service-account-signing-key-file=${folder}/sa.key`,
      "--service-cluster-ip-range=10.96.0.0/16",
      "--endpoint-reconciler-type=none",
      "--disable-admission-plugins=ServiceAccount",
    ]);
    processes.push(serverProcess);
    const url = `https://127.0.0.1:${secure}`;
    await ready(url, token, [etcdProcess, serverProcess], folder);
    const ca = readFileSync(join(folder, "apiserver.crt"));
    const kubeconfig = join(folder, "kubeconfig");
    writeFileSync(kubeconfig, kubeconfigText(url, ca, token));
    const agent = new Agent({ keepAlive: true, ca });
    return {
      url,
      bin,
      kubeconfig,
      call: (method, path, body, headers) => call(agent, token, url + path, method, body, headers),
      stop: async () => {
        agent.destroy();
        await stop();
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function start(folder: string, command: string, args: readonly string[]): ChildProcess {
  const child = spawn(command, args, { cwd: folder, stdio: ["ignore", "ignore", "pipe"] });
  let tail = "";
  child.stderr?.setEncoding("utf8");
  child.stderr?.on("data", (text: string) => {
    tail = (tail + text).slice(-4_000);
    Object.assign(child, { tail });
  });
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await ended;
}

/** The server reports no event when it is ready, so it is polled, with a deadline. */
async function ready(url: string, token: string, processes: readonly ChildProcess[], folder: string): Promise<void> {
  const deadline = Date.now() + START_MS;
  const agent = new Agent({ rejectUnauthorized: false });
  for (;;) {
    const answer = await call(agent, token, `${url}/readyz`, "GET").catch(() => undefined);
    if (answer?.status === 200 && existsSync(join(folder, "apiserver.crt"))) return;
    const dead = processes.find((child) => child.exitCode !== null || child.signalCode !== null);
    if (dead !== undefined || Date.now() > deadline) {
      const tails = processes
        .map((child) => `${child.spawnfile}: ${(child as { tail?: string }).tail ?? ""}`)
        .join("\n");
      throw new Error(
        `${dead?.spawnfile ?? "kube-apiserver"} ${dead === undefined ? "was not ready in time" : "ended"}\n${tails}`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function call(
  agent: Agent,
  token: string,
  url: string,
  method: string,
  body?: unknown,
  headers?: Readonly<Record<string, string>>,
): Promise<ApiServerAnswer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      url,
      { agent, method, headers: { authorization: `Bearer ${token}`, "content-type": "application/json", ...headers } },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          const text = Buffer.concat(chunks).toString();
          const json = response.headers["content-type"]?.includes("json") === true;
          const { warning = "" } = response.headers;
          resolve({ status: response.statusCode ?? 0, body: json ? JSON.parse(text) : undefined, text, warning });
        });
      },
    );
    outgoing.on("error", reject);
    outgoing.end(body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body));
  });
}

function kubeconfigText(url: string, ca: Buffer, token: string): string {
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "test", cluster: { server: url, "certificate-authority-data": ca.toString("base64") } }],
    users: [{ name: "test", user: { token } }],
    contexts: [{ name: "test", context: { cluster: "test", user: "test" } }],
    "current-context": "test",
  });
}

async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
