// SPDX-License-Identifier: Apache-2.0

import { readdirSync, readFileSync } from "node:fs";
import { AGNHOST_IMAGE } from "../lab/images.ts";
import type { Lab } from "../lab/lab.ts";

/** A pod, with the data that probes need. */
export interface ProbePod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly node: string;
  /** IPv4 first. */
  readonly addresses: readonly string[];
}

/** A manifest of a pod that serves HTTP on port 8080 (agnhost netexec), bound to `node` where one is given. */
export function serverPod(
  namespace: string,
  name: string,
  options: {
    readonly node?: string;
    readonly labels?: Record<string, string>;
    readonly annotations?: Record<string, string>;
  } = {},
): object {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace, labels: { app: name, ...options.labels }, annotations: options.annotations ?? {} },
    spec: {
      ...(options.node === undefined ? {} : { nodeSelector: { "kubernetes.io/hostname": options.node } }),
      terminationGracePeriodSeconds: 0,
      tolerations: [{ operator: "Exists" }],
      containers: [
        {
          name: "server",
          image: AGNHOST_IMAGE,
          imagePullPolicy: "Never",
          args: ["netexec", "--http-port=8080", "--udp-port=8081"],
          readinessProbe: { httpGet: { path: "/healthz", port: 8080 }, periodSeconds: 1, failureThreshold: 30 },
        },
      ],
    },
  };
}

/** Applies manifests with the lab's kubectl. */
export async function apply(lab: Lab, objects: readonly object[]): Promise<void> {
  await lab.kubectl(["apply", "-f", "-"], {
    input: JSON.stringify({ apiVersion: "v1", kind: "List", items: objects }),
  });
}

/** Waits until every pod that `selector` (labels) finds in `namespace` is Ready, and returns them by name. */
export async function readyPods(
  lab: Lab,
  namespace: string,
  selector: string,
  timeoutMs: number,
): Promise<ReadonlyMap<string, ProbePod>> {
  await lab.kubectl([
    "wait",
    "pod",
    "-n",
    namespace,
    "-l",
    selector,
    "--for=condition=Ready",
    `--timeout=${Math.ceil(timeoutMs / 1000)}s`,
  ]);
  const { stdout } = await lab.kubectl(["get", "pods", "-n", namespace, "-l", selector, "-o", "json"]);
  const { items } = JSON.parse(stdout) as {
    items: {
      metadata: { name: string; uid: string };
      spec: { nodeName: string };
      status: { podIPs?: { ip: string }[] };
    }[];
  };
  return new Map(
    items.map(({ metadata, spec, status }) => [
      metadata.name,
      {
        namespace,
        name: metadata.name,
        uid: metadata.uid,
        node: spec.nodeName,
        addresses: (status.podIPs ?? [])
          .map(({ ip }) => ip)
          .sort((a, b) => Number(a.includes(":")) - Number(b.includes(":"))),
      },
    ]),
  );
}

/** The network namespace of a pod, as a path for nsenter: that of any process in the pod's cgroup. */
export function podNetns(uid: string): string {
  const marks = [`pod${uid}`, `pod${uid.replaceAll("-", "_")}`];
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const cgroup = readFileSync(`/proc/${entry}/cgroup`, "utf8");
      if (marks.some((mark) => cgroup.includes(mark))) return `/proc/${entry}/ns/net`;
    } catch {
      // The process has just ended.
    }
  }
  throw new Error(`pod ${uid} has no process on this machine`);
}
