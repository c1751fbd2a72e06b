// SPDX-License-Identifier: Apache-2.0

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { formatMicroTime } from "../../src/time/rfc3339.ts";
import { RELEASE_NAMESPACE } from "../deploy/values.ts";
import { run } from "../host/run.ts";
import type { Lab } from "../lab/lab.ts";
import { insideDaemon } from "./inside-daemon.ts";

const DEPLOYMENT = "deployment/kube-ovn-controller";
/** On every node: the folder is a hostPath of the daemon's pod, so processes in its image see it as well. */
const NODE_FOLDER = "openvswitch";
/** kubelet renews its node's Lease as often; after 50 s without, the node would be given up. */
const HEARTBEAT_MS = 10_000;

/** The cluster while only the bench changes it. */
export interface QuietCluster {
  /** Arguments of the controller's container, less its port. */
  readonly args: readonly string[];
  /** The controller's own account, as a path on every node. */
  readonly kubeconfig: string;
  /** A file that processes in the image can write, as the host sees it. */
  nodeFile(node: string, name: string): { readonly onHost: string; readonly inImage: string };
  /** Returns when every node's ovn-controller has processed the northbound database. */
  settled(): Promise<void>;
  /** Kubelets run again, and the Deployment has its controllers back. */
  restore(): Promise<void>;
}

/**
 * Removes the Deployment's controllers and pauses the kubelets. The nodes stay Ready, because their Leases are still
 * renewed: the Services of the databases must keep their endpoints.
 */
export async function quietCluster(lab: Lab): Promise<QuietCluster> {
  const { stdout } = await lab.kubectl(["get", `--namespace=${RELEASE_NAMESPACE}`, DEPLOYMENT, "--output=json"]);
  const deployment = JSON.parse(stdout) as {
    spec: { replicas: number; template: { spec: { containers: { args: string[] }[] } } };
  };
  const args = deployment.spec.template.spec.containers[0]?.args ?? [];
  // An earlier run that was killed may have left zero replicas.
  const replicas = Math.max(1, deployment.spec.replicas);
  await scale(lab, 0);
  await lab.kubectl([
    "wait",
    `--namespace=${RELEASE_NAMESPACE}`,
    "--for=delete",
    "pod",
    "--selector=app=kube-ovn-controller",
    "--timeout=60s",
  ]);
  const kubeconfig = await writeKubeconfig(lab);
  for (const node of lab.nodes) lab.pause(`${node}/kubelet`);
  const heart = setInterval(() => {
    for (const node of lab.nodes) {
      const spec = { renewTime: formatMicroTime(Date.now()) };
      const patch = ["patch", "lease", node, "--namespace=kube-node-lease", "--type=merge"];
      lab.kubectl([...patch, `--patch=${JSON.stringify({ spec })}`]).catch(() => undefined);
    }
  }, HEARTBEAT_MS);
  return {
    args: args.filter((arg) => !/^--(metrics-port|secure-serving)/.test(arg)),
    kubeconfig,
    nodeFile: (node, name) => ({
      onHost: join(lab.node(node).paths.run, NODE_FOLDER, name),
      inImage: `/run/${NODE_FOLDER}/${name}`,
    }),
    async settled() {
      const socket = "ovn/ovnnb_db.sock";
      const central = lab.nodes.find((node) => existsSync(join(lab.node(node).paths.run, socket))) ?? "";
      const { command } = insideDaemon(lab, central);
      const sync = ["ovn-nbctl", `--db=unix:/run/${socket}`, "--timeout=300", "--wait=hv", "sync"];
      await run("nsenter", [...command, ...sync]);
    },
    async restore() {
      clearInterval(heart);
      // A resumed kubelet would first read what was sent to it hours ago.
      await Promise.all(
        lab.nodes.map(async (node) => {
          await lab.kill(`${node}/kubelet`);
          await lab.start(`${node}/kubelet`);
        }),
      );
      await scale(lab, replicas);
      await lab.kubectl(["rollout", "status", `--namespace=${RELEASE_NAMESPACE}`, DEPLOYMENT, "--timeout=120s"]);
    },
  };
}

async function scale(lab: Lab, replicas: number): Promise<void> {
  await lab.kubectl(["scale", `--namespace=${RELEASE_NAMESPACE}`, DEPLOYMENT, `--replicas=${replicas}`]);
}

/** Writes a kubeconfig with a token of the controller's ServiceAccount to each node, and returns its path there. */
async function writeKubeconfig(lab: Lab): Promise<string> {
  const { stdout } = await lab.kubectl(["create", "token", "ovn", `--namespace=${RELEASE_NAMESPACE}`, "--duration=6h"]);
  const config = withToken(readFileSync(lab.paths.nodeKubeconfig, "utf8"), stdout.trim());
  const name = "weft-bench.kubeconfig";
  for (const node of lab.nodes) {
    writeFileSync(join(lab.node(node).paths.run, NODE_FOLDER, name), config, { mode: 0o600 });
  }
  return `/run/${NODE_FOLDER}/${name}`;
}

/** A kubeconfig whose users identify themselves by `token`. */
export function withToken(kubeconfig: string, token: string): string {
  const config = parse(kubeconfig) as { users: { user: Record<string, string> }[] };
  for (const entry of config.users) entry.user = { token };
  return stringify(config);
}
