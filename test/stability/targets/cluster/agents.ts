// SPDX-License-Identifier: Apache-2.0

import { z } from "zod";
import { run } from "../../../../hack/host/run.ts";
import { KubeError, unlessNotFound } from "../../../../src/kube/errors.ts";
import type { Kube } from "../../../../src/kube/kube.ts";
import type { KubeObject, NewObject } from "../../../../src/kube/object.ts";
import { DAEMON_SETS, NAMESPACES, PODS } from "../../../../src/kube/resources.ts";
import { isReady } from "../../../e2e/testing/pods.ts";
import { follow } from "../../contexts/follow.ts";

/** The namespace of the privileged pods. */
export const AGENTS = "weft-stability-agents";
const SWITCHES = { namespace: "kube-system", name: "ovs-ovn" } as const;
const IMAGE = z.object({
  template: z.object({ spec: z.object({ containers: z.array(z.object({ image: z.string() })).min(1) }) }),
});
const READY_MS = 120_000;
/** How long the pods of an earlier run may take to be gone. */
const GONE_MS = 120_000;

/**
 * A privileged pod on each node, in the node's process and network namespaces, with Weft's own image, which the nodes have: commands reach it through kubectl.
 * `close` deletes them.
 */
export class Agents {
  readonly #kube: Kube;
  readonly #kubectl: readonly [string, ...string[]];

  private constructor(kube: Kube, kubectl: readonly [string, ...string[]]) {
    this.#kube = kube;
    this.#kubectl = kubectl;
  }

  /**
   * Resolves when the pods run. Those of a killed run are used again, and those that are being deleted are waited
   * for. `kubectl` is the program with its options.
   */
  static async open(kube: Kube, nodes: readonly string[], kubectl: readonly [string, ...string[]]): Promise<Agents> {
    const there = await kube.get(NAMESPACES, { name: AGENTS }).catch(unlessNotFound);
    if (there?.metadata.deletionTimestamp !== undefined) {
      await using namespaces = follow(kube, NAMESPACES, { fieldSelector: `metadata.name=${AGENTS}` });
      await namespaces.ready();
      await namespaces.gone(AGENTS, GONE_MS);
    }
    const labels = { "pod-security.kubernetes.io/enforce": "privileged" };
    await kube.create(NAMESPACES, { metadata: { name: AGENTS, labels } }).catch(unlessThere);
    const { spec } = await kube.get(DAEMON_SETS, SWITCHES);
    const [container] = IMAGE.parse(spec).template.spec.containers;
    for (const node of nodes) await kube.create(PODS, agentPod(node, container?.image ?? "")).catch(unlessThere);
    await using pods = follow(kube, PODS, { namespace: AGENTS });
    for (const node of nodes)
      await pods.until(`${AGENTS}/${node}`, "is Ready", (pod) => pod !== undefined && isReady(pod), READY_MS);
    return new Agents(kube, kubectl);
  }

  /** Whether pods of a killed run exist. */
  static async left(kube: Kube): Promise<boolean> {
    const there = await kube.get(NAMESPACES, { name: AGENTS }).catch(unlessNotFound);
    return there !== undefined && there.metadata.deletionTimestamp === undefined;
  }

  /** The command that runs another one on a node with its standard input and output. */
  command(node: string, command: readonly string[]): readonly [string, ...string[]] {
    return [...this.#kubectl, "exec", "--stdin", `--namespace=${AGENTS}`, node, "--", ...command];
  }

  /** Runs a command on a node as root; rejects where its exit code is not 0. */
  async run(node: string, command: readonly string[], timeoutMs = 60_000): Promise<string> {
    const [program, ...args] = this.command(node, command);
    return (await run(program, args, { timeoutMs })).stdout;
  }

  /** Deletes the pods with their namespace; does not wait until they are gone. */
  async close(): Promise<void> {
    await this.#kube.delete(NAMESPACES, { name: AGENTS }).catch(unlessNotFound);
  }
}

function unlessThere(error: unknown): void {
  if (!(error instanceof KubeError) || error.code !== "exists") throw error;
}

function agentPod(node: string, image: string): NewObject<KubeObject> {
  return {
    metadata: { namespace: AGENTS, name: node },
    spec: {
      nodeName: node,
      hostPID: true,
      hostNetwork: true,
      terminationGracePeriodSeconds: 0,
      automountServiceAccountToken: false,
      tolerations: [{ operator: "Exists" }],
      containers: [{ name: "agent", image, command: ["sleep", "infinity"], securityContext: { privileged: true } }],
    },
  };
}
