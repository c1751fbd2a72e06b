// SPDX-License-Identifier: Apache-2.0

import { isObject } from "../../collections/plain.ts";
import { unlessNotFound } from "../../kube/errors.ts";
import type { Kube } from "../../kube/kube.ts";
import type { KubeObject } from "../../kube/object.ts";
import { PODS, SERVICES } from "../../kube/resources.ts";
import type { Service } from "../../kube/types.ts";
import type { Deployed } from "../install/deployed.ts";
import { type NodeTask, type RunningTask, withNodePods } from "../node-pods.ts";
import { ToolError } from "../tools/targets.ts";
import type { Measurement } from "./measure-client.ts";
import type { PathName, PerfNodes, PerfPath } from "./paths.ts";

/** How the paths are measured; see the options of `weftctl perf`. */
export interface PerfOptions {
  /** Of the pods and the Service. */
  readonly namespace: string;
  readonly seconds: number;
  readonly streams: number;
  readonly size: number;
  readonly rate: number;
  readonly port: number;
  readonly family: 4 | 6 | undefined;
  /** For the start of the pods, and for a measurement besides its own time. */
  readonly timeoutMs: number;
}

/** What was measured on a path, or why nothing was. */
export interface PathResult {
  readonly path: PathName;
  readonly from: string;
  readonly to: string;
  readonly address: string;
  readonly measured?: Measurement;
  readonly problem?: string;
}

const NAME = "weft-perf";

/**
 * Measures paths one after another: starts a server in the pod network and one on its node's network, then a client for each path. Pods and Service are removed in any
 * case, also when `signal` fires. `say` is called with each step. Rejects with ToolError, or as the API does.
 */
export async function runPerf(
  kube: Kube,
  deployed: Pick<Deployed, "image" | "pullPolicy" | "pullSecrets">,
  { server }: PerfNodes,
  paths: readonly PerfPath[],
  options: PerfOptions,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<readonly PathResult[]> {
  const { namespace, timeoutMs } = options;
  const total = timeoutMs + paths.length * (options.seconds * 4_000 + timeoutMs);
  const serve = (host: boolean): NodeTask => ({
    ...task(deployed, options, host, ["perf-server", `--port=${options.port}`], total),
    name: host ? `${NAME}-host-server` : `${NAME}-server`,
  });
  const hostNodes = paths.some(({ host }) => host) ? [server] : [];
  say(`starting servers on ${server}`);
  return await withNodePods(kube, [server], serve(false), signal, (inPods) =>
    withNodePods(kube, hostNodes, serve(true), signal, async (onHost) => {
      const pod = await addressOf(inPods, server, options.family, timeoutMs, signal);
      const [host] = await Promise.all(
        hostNodes.map((node) => addressOf(onHost, node, options.family, timeoutMs, signal)),
      );
      const results: PathResult[] = [];
      const service = paths.some(({ name }) => name === "service")
        ? await createService(kube, namespace, pod.name, pod.uid, options.port)
        : undefined;
      try {
        for (const path of paths) {
          const address = path.host
            ? host?.address
            : path.name === "service"
              ? service?.address(options.family)
              : pod.address;
          if (address === undefined)
            throw new ToolError(`path ${path.name} has no ${familyName(options.family)}address`);
          say(`measuring ${path.name}: ${path.clientNode} to ${address} on ${server}`);
          results.push(await measurePath(kube, deployed, path, server, address, options, signal));
        }
      } finally {
        if (service !== undefined) await kube.delete(SERVICES, service.ref).catch(unlessNotFound);
      }
      return results;
    }),
  );
}

async function measurePath(
  kube: Kube,
  deployed: Pick<Deployed, "image" | "pullPolicy" | "pullSecrets">,
  { name, clientNode, host }: PerfPath,
  server: string,
  address: string,
  options: PerfOptions,
  signal: AbortSignal,
): Promise<PathResult> {
  const { port, seconds, streams, size, rate, timeoutMs } = options;
  const command = ["perf-client", address, `--port=${port}`, `--seconds=${seconds}`, `--streams=${streams}`];
  const client = task(
    ...([deployed, options, host, [...command, `--size=${size}`, `--rate=${rate}`]] as const),
    seconds * 4_000 + timeoutMs,
  );
  const results = await withNodePods(kube, [clientNode], client, signal, (running) => running.results());
  const result = results.get(clientNode);
  const path = { path: name, from: clientNode, to: server, address };
  if (result === undefined || !result.ended) return { ...path, problem: result?.why ?? "it was not started" };
  const answer = parsed(result.message);
  if (answer === undefined) return { ...path, problem: result.message || `exit code ${result.exitCode}` };
  return { ...path, ...answer };
}

/** What a client wrote as its termination message. */
function parsed(text: string): Pick<PathResult, "measured" | "problem"> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (!isObject(value)) return undefined;
    if (typeof value["problem"] === "string") return { problem: value["problem"] };
    return isMeasurement(value) ? { measured: value } : undefined;
  } catch {
    return undefined;
  }
}

function isMeasurement(value: object): value is Measurement {
  const { tcpBitsPerSecond, udpSent, udpReceived, tcp, udp } = value as Readonly<Record<string, unknown>>;
  return (
    [tcpBitsPerSecond, udpSent, udpReceived].every((one) => typeof one === "number") && isObject(tcp) && isObject(udp)
  );
}

function task(
  { image, pullPolicy, pullSecrets }: Pick<Deployed, "image" | "pullPolicy" | "pullSecrets">,
  { namespace }: PerfOptions,
  host: boolean,
  command: readonly string[],
  timeoutMs: number,
): NodeTask {
  return {
    ...{ name: NAME, namespace, image, pullPolicy, pullSecrets, timeoutMs },
    command: ["weftctl", ...command],
    // As any pod: the default priority, and the resolver of the cluster is not needed. Those in the pod network meet the Pod Security Standard "restricted".
    pod: {
      hostNetwork: host,
      priorityClassName: undefined,
      securityContext: { runAsNonRoot: true, runAsUser: 65_534, seccompProfile: { type: "RuntimeDefault" } },
    },
    container: { securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } } },
  };
}

interface ServerPod {
  readonly name: string;
  readonly uid: string;
  readonly address: string;
}

async function addressOf(
  running: RunningTask,
  node: string,
  family: 4 | 6 | undefined,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<ServerPod> {
  signal.throwIfAborted();
  await running.allRunning();
  const pod = running.pods().get(node);
  if (pod === undefined || !pod.running)
    throw new ToolError(
      `the server on ${node} does not run after ${timeoutMs / 1_000} s: ${pod?.why ?? "it was not started"}`,
    );
  const address = pod.ips.find((ip) => family === undefined || ip.includes(":") === (family === 6));
  if (address === undefined) throw new ToolError(`the server on ${node} has no ${familyName(family)}address`);
  return { name: pod.name, uid: pod.uid, address };
}

/** A Service of the server's pod, which is removed with the pod at the latest. */
async function createService(kube: Kube, namespace: string, pod: string, uid: string, port: number) {
  const labels = { [SERVER_LABEL]: pod };
  await kube.patch<KubeObject>(PODS, { namespace, name: pod }, { type: "merge", body: { metadata: { labels } } });
  const both = (["TCP", "UDP"] as const).map((protocol) => ({
    name: protocol.toLowerCase(),
    protocol,
    port,
    targetPort: port,
  }));
  const made = await kube.create<Service>(SERVICES, {
    metadata: {
      ...{ name: pod, namespace, labels: { "app.kubernetes.io/part-of": "weft" } },
      ownerReferences: [{ apiVersion: "v1", kind: "Pod", name: pod, uid }],
    },
    spec: { selector: labels, ipFamilyPolicy: "PreferDualStack", ports: both },
  });
  const ips = made.spec?.clusterIPs ?? [];
  return {
    ref: { namespace, name: pod },
    address: (family: 4 | 6 | undefined) =>
      ips.find((ip) => family === undefined || ip.includes(":") === (family === 6)),
  };
}

function familyName(family: 4 | 6 | undefined): string {
  return family === undefined ? "" : `IPv${family} `;
}

const SERVER_LABEL = "weft.kubeovn.io/perf";
