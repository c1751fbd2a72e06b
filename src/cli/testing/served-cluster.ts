// SPDX-License-Identifier: Apache-2.0

import { spawn } from "node:child_process";
import { once } from "node:events";
import type http from "node:http";
import { join } from "node:path";
import type { Test } from "tap";
import { connectTo, type KubeConnection } from "../../kube/connect.ts";
import { staticCredentials } from "../../kube/credentials.ts";
import { PODS, SERVICES } from "../../kube/resources.ts";
import { type ServeOptions, serveKube } from "../../kube/testing/fake-http.ts";
import { SampleCluster } from "./sample-cluster.ts";

/** A cluster whose API server answers at an address. */
export interface ServedCluster {
  readonly connection: KubeConnection;
  readonly cluster: SampleCluster;
  readonly url: string;
  readonly server: http.Server;
  /** Path of a kubeconfig. */
  readonly kubeconfig: string;
}

/** Choices of {@link serveCluster}. */
export interface ServedClusterOptions extends ServeOptions {
  /** False: without the pods of Weft. */
  readonly weft?: boolean;
}

/** A {@link SampleCluster} with the pod `default/web` on node `weft-2`, and the pods of Weft and its page there. */
export async function serveCluster(
  t: Test,
  { weft = true, ...options }: ServedClusterOptions = {},
): Promise<ServedCluster> {
  const cluster = await SampleCluster.make();
  for (const [app, name, labels] of weft
    ? ([
        ["kube-ovn-cni", "cni-2", {}],
        ["ovs", "ovs-2", {}],
        ["ovn-central", "central-2", { "ovn-nb-leader": "true", "ovn-sb-leader": "true" }],
        ["kube-ovn-controller", "controller-2", {}],
      ] as const)
    : [])
    await cluster.add(PODS, {
      metadata: { namespace: "kube-system", name, labels: { app, ...labels } },
      spec: { nodeName: "weft-2", hostNetwork: true },
      status: { phase: "Running", conditions: [{ type: "Ready", status: "True" }] },
    });
  if (weft)
    await cluster.add(SERVICES, {
      metadata: { namespace: "kube-system", name: "weft-ui" },
      spec: { selector: { app: "kube-ovn-controller" }, ports: [{ port: 443, targetPort: 8443 }] },
    });
  await cluster.pod("default/web", {}, { node: "weft-2" });
  const { url, server, close } = await serveKube(cluster.kube, options);
  const access = {
    ...{ server: new URL(url), namespace: undefined, credentials: staticCredentials({}) },
    tls: async () => ({ rejectUnauthorized: true }),
  };
  const connection = connectTo(access, { userAgent: "weftctl" });
  t.teardown(async () => {
    connection.close();
    await close();
  });
  const document = {
    ...{ apiVersion: "v1", kind: "Config", "current-context": "lab" },
    clusters: [{ name: "lab", cluster: { server: url } }],
    contexts: [{ name: "lab", context: { cluster: "lab" } }],
  };
  const folder = t.testdir({ config: JSON.stringify(document) });
  return { cluster, connection, url, server, kubeconfig: join(folder, "config") };
}

/** A `weftctl` that runs. */
export interface RunningWeftctl {
  /** What it has printed so far. */
  readonly out: string;
  readonly err: string;
  /** Its standard input. */
  write(text: string): void;
  endInput(): void;
  kill(signal: NodeJS.Signals): void;
  /** Resolves once it has printed the text as an error; rejects if it ends before. */
  says(text: string): Promise<void>;
  /** No longer reads what it prints. */
  stopReading(): Promise<void>;
  readonly ended: Promise<{ readonly code: number | null; readonly out: string; readonly err: string }>;
}

const MAIN = join(import.meta.dirname, "../main.ts");

/** Starts `weftctl` for the cluster, with a PATH on which nothing is: no kubectl. */
export function startWeftctl(cluster: Pick<ServedCluster, "kubeconfig">, ...args: readonly string[]): RunningWeftctl {
  return startProgram([process.execPath, MAIN], cluster, args);
}

/** The same for another way to run it, for example as one executable. */
export function startProgram(
  [program, ...first]: readonly [string, ...string[]],
  { kubeconfig }: Pick<ServedCluster, "kubeconfig">,
  args: readonly string[],
): RunningWeftctl {
  const env = { PATH: "/nonexistent", HOME: "/nonexistent" };
  const child = spawn(program, [...first, `--kubeconfig=${kubeconfig}`, ...args], { env });
  const said = { out: "", err: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    said.out += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said.err += text;
  });
  child.stdin.on("error", () => undefined);
  const { promise: ended, resolve } = Promise.withResolvers<Awaited<RunningWeftctl["ended"]>>();
  child.once("close", (code) => resolve({ code, ...said }));
  return {
    get out() {
      return said.out;
    },
    get err() {
      return said.err;
    },
    write: (text) => void child.stdin.write(text),
    endInput: () => child.stdin.end(),
    kill: (signal) => void child.kill(signal),
    async says(text) {
      const over = new AbortController();
      void ended.then(() => over.abort());
      while (!said.err.includes(text)) await once(child.stderr, "data", { signal: over.signal });
    },
    async stopReading() {
      const closed = once(child.stdout, "close");
      child.stdout.destroy();
      await closed;
    },
    ended,
  };
}
