// SPDX-License-Identifier: Apache-2.0

import { deploy } from "../deploy/deploy.ts";
import { createProgress } from "../host/progress.ts";
import { openLab } from "../lab/lab.ts";
import { apply, podNetns, readyPods, serverPod } from "../traffic/pods.ts";
import { type Load, loadBetween, readLoad } from "./controller-load.ts";
import { connections, IPERF_PORT, startServers, tcpThroughput, udpPackets } from "./dataplane-traffic.ts";
import { quantile } from "./statistics.ts";

const NAMESPACE = "weft-flows-bench";
/** Whether flows are sampled, in each turn: what drifts on the machine concerns both alike. */
const TURNS = [false, true, true, false] as const;
/** What is measured, and in which unit. */
const UNITS = { tcp: "Mbit/s", datagrams: "64-byte datagrams/s", connections: "connections/s" } as const;

type What = keyof typeof UNITS;

/** The figures of one run. */
export interface FlowsBench {
  readonly at: string;
  /** Each value of each turn, without and with sampling. */
  readonly figures: Readonly<Record<What, { readonly off: readonly number[]; readonly on: readonly number[] }>>;
  readonly load: Load;
}

/** Measures what the sampling of all new connections costs between two pods on two nodes, of which the receiving one has a policy. `rounds`: of each measurement in each turn. */
export async function benchFlows(rounds: number): Promise<FlowsBench> {
  const progress = createProgress();
  const lab = openLab(progress);
  await lab.up({ nodes: 2, cni: "weft" });
  const [first = "", second = ""] = lab.nodes;
  const before = readLoad(lab);
  const found: Record<What, { off: number[]; on: number[] }> = {
    tcp: { off: [], on: [] },
    datagrams: { off: [], on: [] },
    connections: { off: [], on: [] },
  };
  try {
    await apply(lab, objects(first, second));
    const pods = await readyPods(lab, NAMESPACE, "bench=flows", 180_000);
    const [client, server] = [pods.get("client"), pods.get("server")];
    if (client === undefined || server === undefined) throw new Error("a pod of the bench is missing");
    const [from, to, address = ""] = [podNetns(client.uid), podNetns(server.uid), server.addresses[0]];
    const stop = await startServers(to);
    try {
      for (const sampled of TURNS) {
        await deploy(lab, progress, { set: [`flows.enabled=${sampled}`] });
        const add = (what: What, value: number): unknown => found[what][sampled ? "on" : "off"].push(value);
        for (let i = 0; i < rounds; i++) {
          add("tcp", (await tcpThroughput(from, address, IPERF_PORT)) / 1e6);
          add("datagrams", await udpPackets(from, address, IPERF_PORT, 64));
          add("connections", (await connections(from, address)).perSecond);
        }
      }
    } finally {
      await stop();
    }
  } finally {
    await lab.kubectl(["delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait=false"]);
    await deploy(lab, progress);
  }
  return { at: new Date().toISOString(), figures: found, load: loadBetween(before, readLoad(lab)) };
}

/** The figures as text. */
export function formatFlowsBench({ figures }: FlowsBench): string {
  const lines = (Object.keys(UNITS) as What[]).map((what) => {
    const { off, on } = figures[what];
    const [a, b] = [quantile(off, 0.5), quantile(on, 0.5)];
    const quarters = (values: readonly number[]): string =>
      `${quantile(values, 0.25).toFixed(0)}–${quantile(values, 0.75).toFixed(0)}`;
    return `${UNITS[what]}: ${a.toFixed(0)} (${quarters(off)}) without, ${b.toFixed(0)} (${quarters(on)}) with sampling: ${(b / a).toFixed(3)} ×; goal for throughput 0.95`;
  });
  return `Medians and quartiles, two turns each of the same run\n${lines.join("\n")}\n`;
}

function objects(first: string, second: string): readonly object[] {
  const pod = (name: string, node: string): object => serverPod(NAMESPACE, name, { node, labels: { bench: "flows" } });
  return [
    { apiVersion: "v1", kind: "Namespace", metadata: { name: NAMESPACE } },
    pod("client", first),
    pod("server", second),
    {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { namespace: NAMESPACE, name: "server" },
      spec: {
        podSelector: { matchLabels: { app: "server" } },
        ingress: [{ from: [{ podSelector: { matchLabels: { app: "client" } } }] }],
      },
    },
  ];
}
