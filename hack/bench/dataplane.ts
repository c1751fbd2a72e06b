// SPDX-License-Identifier: Apache-2.0

import { createProgress } from "../host/progress.ts";
import { IPERF3_IMAGE } from "../lab/images.ts";
import { type Lab, openLab } from "../lab/lab.ts";
import { apply, podNetns, readyPods } from "../traffic/pods.ts";
import { calm, type Load, loadBetween, readLoad, sumLoads } from "./controller-load.ts";
import { addRawPath, datapathType, vswitchdCpuMs } from "./dataplane-raw.ts";
import {
  type Connections,
  connections,
  IPERF_PORT,
  startServers,
  tcpThroughput,
  udpPackets,
} from "./dataplane-traffic.ts";
import { quantile } from "./statistics.ts";

const NAMESPACE = "weft-dataplane-bench";

/** Medians over the turns. */
export interface PathFigures {
  readonly what: string;
  /** The path that it is compared with; absent for the raw ones themselves. */
  readonly raw?: string;
  /** Datagrams per second that came, of 64 and of 1,300 bytes. */
  readonly pps64: number;
  readonly pps1300: number;
  /** CPU of the sender's ovs-vswitchd for each datagram of 64 bytes that came, µs. */
  readonly cpuUs: number;
  /** Bit/s. */
  readonly tcp: number;
  readonly connections: Connections;
}

/** The figures of one run. */
export interface DataplaneBench {
  readonly at: string;
  readonly turns: number;
  readonly datapath: string;
  readonly paths: readonly PathFigures[];
  readonly load: Load;
}

interface Path {
  readonly what: string;
  readonly raw?: string;
  readonly from: string;
  /** The node of the sender. */
  readonly node: string;
  readonly to: string;
  /** Before it is measured, and after. */
  readonly before?: () => Promise<void>;
  readonly after?: () => Promise<void>;
}

interface Samples {
  readonly pps64: number[];
  readonly pps1300: number[];
  readonly cpuUs: number[];
  readonly tcp: number[];
  readonly connections: Connections[];
}

/**
 * Measures the paths of pods' packets on the lab, by turns with the raw path between the same network namespaces (`addRawPath`). What sends and receives is
 * started outside the pods' cgroups, which have next to no share of a busy CPU; ovs-vswitchd has the share that the chart requests for it.
 */
export async function benchDataplane({ turns }: { readonly turns: number }): Promise<DataplaneBench> {
  const progress = createProgress();
  const lab = openLab(progress);
  await lab.up({ nodes: 2, cni: "weft" });
  const [first = "", second = ""] = lab.nodes;
  const undo: (() => Promise<unknown>)[] = [];
  try {
    await progress.step("pods", () => apply(lab, objects(first, second)));
    undo.push(() => lab.kubectl(["delete", "namespace", NAMESPACE, "--wait=false"]));
    const pods = await readyPods(lab, NAMESPACE, "bench=dataplane", 120_000);
    const netns = (name: string): string => podNetns(pods.get(name)?.uid ?? "");
    const address = (name: string): string => pods.get(name)?.addresses[0] ?? "";
    for (const name of ["near", "far"]) undo.push(await startServers(netns(name)));
    undo.push(
      await addRawPath(lab, [
        { node: first, netns: netns("client"), address: "10.251.0.1" },
        { node: first, netns: netns("near"), address: "10.251.0.2" },
        { node: second, netns: netns("far"), address: "10.251.0.3" },
      ]),
    );
    const { stdout } = await lab.kubectl([
      "-n",
      NAMESPACE,
      "get",
      "service",
      "near",
      "-o",
      "jsonpath={.spec.clusterIP}",
    ]);
    const from = { from: netns("client"), node: first };
    const policy = (verb: string): Promise<void> =>
      lab.kubectl([verb, "-f", "-"], { input: JSON.stringify(POLICY) }).then(() => undefined);
    const paths: readonly Path[] = [
      { what: "raw, on a node", ...from, to: "10.251.0.2" },
      { what: "pod to pod, on a node", raw: "raw, on a node", ...from, to: address("near") },
      { what: "pod to ClusterIP, on a node", raw: "raw, on a node", ...from, to: stdout.trim() },
      {
        what: "the same under a NetworkPolicy",
        raw: "raw, on a node",
        ...from,
        to: stdout.trim(),
        before: () => policy("apply"),
        after: () => policy("delete"),
      },
      {
        what: "node to pod, on a node",
        raw: "raw, on a node",
        from: lab.node(first).netns,
        node: first,
        to: address("near"),
      },
      { what: "raw, across nodes", ...from, to: "10.251.0.3" },
      { what: "pod to pod, across nodes", raw: "raw, across nodes", ...from, to: address("far") },
    ];
    const samples = new Map<Path, Samples>(
      paths.map((path) => [path, { pps64: [], pps1300: [], cpuUs: [], tcp: [], connections: [] }]),
    );
    const loads: Load[] = [];
    await calm(lab);
    for (let turn = 0; turn < turns; turn++) {
      for (const path of turn % 2 === 0 ? paths : paths.toReversed()) {
        await path.before?.();
        const before = readLoad(lab);
        await progress.step(`${path.what}, ${turn + 1} of ${turns}`, () => measure(lab, path, samples.get(path)));
        loads.push(loadBetween(before, readLoad(lab)));
        await path.after?.();
      }
    }
    return {
      at: new Date().toISOString(),
      turns,
      datapath: await datapathType(lab, first),
      paths: [...samples].map(([path, of]) => figures(path, of)),
      load: sumLoads(loads),
    };
  } finally {
    for (const one of undo.reverse()) await one().catch(() => undefined);
  }
}

async function measure(lab: Lab, { from, to, node }: Path, into: Samples | undefined): Promise<void> {
  if (into === undefined) return;
  const cpu = vswitchdCpuMs(lab, node);
  const pps = await udpPackets(from, to, IPERF_PORT, 64);
  into.pps64.push(pps);
  // iperf3 sends for three seconds.
  into.cpuUs.push(((vswitchdCpuMs(lab, node) - cpu) * 1000) / (pps * 3));
  into.pps1300.push(await udpPackets(from, to, IPERF_PORT, 1300));
  into.tcp.push(await tcpThroughput(from, to, IPERF_PORT));
  into.connections.push(await connections(from, to));
}

function figures({ what, raw }: Path, of: Samples): PathFigures {
  const median = (values: readonly number[]): number => quantile(values, 0.5);
  const some = (get: (one: Connections) => number): number => median(of.connections.map(get));
  return {
    what,
    ...(raw !== undefined && { raw }),
    pps64: median(of.pps64),
    pps1300: median(of.pps1300),
    cpuUs: median(of.cpuUs),
    tcp: median(of.tcp),
    connections: {
      perSecond: some(({ perSecond }) => perSecond),
      p50: some(({ p50 }) => p50),
      p99: some(({ p99 }) => p99),
      failed: of.connections.reduce((sum, { failed }) => sum + failed, 0),
    },
  };
}

/** Lets in what the bench sends, and with that has each packet looked at. */
const POLICY = {
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: { namespace: NAMESPACE, name: "near" },
  spec: {
    podSelector: { matchLabels: { app: "near" } },
    ingress: [{ from: [{ podSelector: { matchLabels: { app: "client" } } }] }],
  },
};

function objects(first: string, second: string): readonly object[] {
  const pod = (name: string, node: string): object => ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { namespace: NAMESPACE, name, labels: { bench: "dataplane", app: name } },
    spec: {
      nodeSelector: { "kubernetes.io/hostname": node },
      terminationGracePeriodSeconds: 0,
      containers: [{ name: "iperf3", image: IPERF3_IMAGE, imagePullPolicy: "Never" }],
    },
  });
  const port = (name: string, number: number, protocol: string): object => ({
    name,
    port: number,
    targetPort: number,
    protocol,
  });
  return [
    { apiVersion: "v1", kind: "Namespace", metadata: { name: NAMESPACE } },
    ...[pod("client", first), pod("near", first), pod("far", second)],
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { namespace: NAMESPACE, name: "near" },
      spec: {
        selector: { app: "near" },
        ports: [port("iperf", 5301, "TCP"), port("iperf-udp", 5301, "UDP"), port("connections", 5302, "TCP")],
      },
    },
  ];
}
