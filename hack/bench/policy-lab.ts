// SPDX-License-Identifier: Apache-2.0

import { connectKube } from "../../src/kube/connect.ts";
import type { Kube } from "../../src/kube/kube.ts";
import { NETWORK_POLICIES } from "../../src/kube/resources.ts";
import { createProgress } from "../host/progress.ts";
import { openLab } from "../lab/lab.ts";
import { podNetns } from "../traffic/pods.ts";
import { datagramStream, echoServer, type Shot } from "../traffic/stream.ts";
import { ReadyClock } from "./ready.ts";
import { type Spread, spread } from "./statistics.ts";

/** From the request to the API server to the first packet that the policy decides otherwise, in ms. */
export interface PolicyLabBench {
  readonly blocked: Spread;
  readonly allowed: Spread;
  readonly samples: { readonly blocked: readonly number[]; readonly allowed: readonly number[] };
}

const NAMESPACE = "weft-policy-bench";
const PORT = 9000;
/** How often a datagram is sent, in ms: the grain of what is measured. */
const EVERY_MS = 2;
/** How long the network has to follow before the next change, in ms. */
const PAUSE_MS = 1_000;

/**
 * On the lab: a pod on one node sends datagrams to one on the other without pause, while a policy that keeps it out comes and goes
 * `rounds` times.
 */
export async function benchPolicyLab(rounds: number): Promise<PolicyLabBench> {
  const progress = createProgress();
  const lab = openLab(progress);
  await lab.up({ nodes: 2, cni: "weft" });
  const clock = await ReadyClock.open(lab, NAMESPACE);
  const connection = await connectKube({ userAgent: "weft-bench", kubeconfig: lab.paths.kubeconfig });
  try {
    await clock.create(lab.nodes.map((node, i) => ({ name: `pod-${i}`, node })));
    const { stdout } = await lab.kubectl(["-n", NAMESPACE, "get", "pods", "-o", "json"]);
    const pods: readonly { metadata: { uid: string }; status: { podIP: string } }[] = JSON.parse(stdout).items;
    const [from, to] = pods;
    if (from === undefined || to === undefined) throw new Error("the two pods of the bench do not exist");
    // As in any cluster that uses policies: with none at all, connections are not tracked before the first one comes.
    const standing = {
      metadata: { namespace: NAMESPACE, name: "standing" },
      spec: { podSelector: { matchLabels: { no: "pod" } } },
    };
    await connection.kube.create(NETWORK_POLICIES, standing as never);
    const server = await echoServer(podNetns(to.metadata.uid), PORT);
    const stream = await datagramStream(podNetns(from.metadata.uid), to.status.podIP, PORT, EVERY_MS);
    const changes: { readonly at: number; readonly to: "blocked" | "allowed" }[] = [];
    await progress.step(`creating and deleting a policy ${rounds} times`, async () => {
      await sleep(PAUSE_MS);
      for (let i = 0; i < rounds; i++) {
        for (const to of ["blocked", "allowed"] as const) {
          changes.push({ at: performance.timeOrigin + performance.now(), to });
          await change(connection.kube, to);
          await sleep(PAUSE_MS);
        }
      }
    });
    const shots = await stream.stop();
    await server.stop();
    const samples = { blocked: [] as number[], allowed: [] as number[] };
    for (const [i, { at, to }] of changes.entries()) {
      const until = changes[i + 1]?.at ?? Number.POSITIVE_INFINITY;
      samples[to].push(tookEffect(shots, at, until, to) - at);
    }
    return { blocked: spread(samples.blocked), allowed: spread(samples.allowed), samples };
  } finally {
    connection.close();
    await clock.close(lab);
  }
}

/** When the first of those shots was sent that went the new way and after which none went the old one. */
function tookEffect(shots: readonly Shot[], from: number, until: number, to: "blocked" | "allowed"): number {
  const own = shots.filter(({ sent }) => sent >= from && sent < until);
  const old = own.findLastIndex(({ echoed }) => (echoed === undefined) === (to === "allowed"));
  // Not active before the next change: it took at least that long.
  return own[old + 1]?.sent ?? until;
}

function change(kube: Kube, to: "blocked" | "allowed"): Promise<unknown> {
  const ref = { namespace: NAMESPACE, name: "deny" };
  if (to === "allowed") return kube.delete(NETWORK_POLICIES, ref);
  return kube.create(NETWORK_POLICIES, { metadata: ref, spec: { podSelector: {}, policyTypes: ["Ingress"] } } as never);
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
