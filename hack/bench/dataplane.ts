// SPDX-License-Identifier: Apache-2.0

import { createProgress } from "../host/progress.ts";
import { IPERF3_IMAGE } from "../lab/images.ts";
import { type Lab, openLab } from "../lab/lab.ts";
import { addressOf, EXTERNAL, OUTSIDE } from "../lab/topology.ts";
import { apply, podNetns, readyPods } from "../traffic/pods.ts";
import { calm, type Load, loadBetween, readLoad, sumLoads } from "./controller-load.ts";
import { addKubeOvnRows } from "./dataplane-kube-ovn.ts";
import { addBareOvn, addBridgePlugin } from "./dataplane-others.ts";
import { addRawPath, datapathType, inside, type PathEnd, vswitchdCpuMs } from "./dataplane-raw.ts";
import { connections, IPERF_PORT, SECONDS, startServers, tcpThroughput, udpPackets } from "./dataplane-traffic.ts";
import { quantile } from "./statistics.ts";

const NAMESPACE = "weft-dataplane-bench";
/** Subnets of which the gateway is one node, and a router outside. */
const [CENTRAL, EGRESS, EGRESS_CIDR] = ["weft-bench-central", "weft-bench-egress", "10.76.0.0/24"];
/** The first three numbers of the addresses on the paths beside the pods' own. */
const [RAW, BARE, PLAIN, KUBE_OVN] = ["10.251.0", "10.252.0", "10.253.0", "10.254.0"];
/** Of Services in Kube-OVN's rows. */
const KUBE_OVN_SERVICES = "10.254.1";

/** A quantity over the turns: its median, and how it relates to the path that it is compared with. */
export interface Quantity {
  readonly median: number;
  /** Turn by turn × the other path in the same turn: quartiles and median. NaN for a path that is compared with none. */
  readonly ratio: { readonly low: number; readonly median: number; readonly high: number };
}

/** What is measured of a path. */
export const QUANTITIES = ["pps64", "pps1300", "cpuUs", "tcp", "perSecond", "p50", "p99"] as const;

/** The figures of one path. */
export interface PathFigures {
  readonly what: string;
  /** The path that it is compared with; absent for those that others are compared with. */
  readonly raw?: string;
  /**
   * `pps64`, `pps1300`: datagrams per second that came, of 64 and of 1,300 bytes; `cpuUs`: CPU of the sender's ovs-vswitchd for each of 64 bytes, µs; `tcp`:
   * bit/s; `perSecond`, `p50`, `p99`: see {@link Connections}.
   */
  readonly quantities: Readonly<Record<(typeof QUANTITIES)[number], Quantity>>;
  readonly failed: number;
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
  /** What has to be so while it is measured. */
  readonly during?: <T>(action: () => Promise<T>) => Promise<T>;
}

type Sample = Partial<Record<(typeof QUANTITIES)[number] | "failed", number>>;

/**
 * Measures the paths of pods' packets on the lab, by turns with the raw path between the same network namespaces (`addRawPath`). What sends and receives is
 * started outside the pods' cgroups, which have next to no share of a busy CPU; ovs-vswitchd has the share that the chart requests for it.
 *
 * Turns are short, and within one all paths are measured for one quantity before the next quantity, in alternating order: a path and the one that it is
 * compared with are seconds apart, and what is compared are the ratios of each turn. So other work on the machine scatters the ratios, but does not shift them.
 */
export async function benchDataplane({
  turns,
  only = /(?:)/,
  udp = false,
}: {
  readonly turns: number;
  /** Names of the paths that are measured, together with those that they are compared with; default: all. */
  readonly only?: RegExp;
  /** Whether only datagrams of 64 bytes are measured. */
  readonly udp?: boolean;
}): Promise<DataplaneBench> {
  const progress = createProgress();
  const lab = openLab(progress);
  await lab.up({ nodes: 2, cni: "weft" });
  const [first = "", second = ""] = lab.nodes;
  const undo: (() => Promise<unknown>)[] = [];
  try {
    const paths = chosen(await progress.step("paths", () => pathsOf(lab, [first, second], undo)), only);
    const samples = new Map<Path, Sample[]>(paths.map((path) => [path, []]));
    const loads: Load[] = [];
    await calm(lab);
    for (let turn = 0; turn < turns; turn++) {
      const before = readLoad(lab);
      await progress.step(`turn ${turn + 1} of ${turns}`, async (step) => {
        const order = turn % 2 === 0 ? paths : paths.toReversed();
        const taken = new Map<Path, Sample>();
        for (const measure of udp ? MEASURES.slice(0, 1) : MEASURES)
          for (const path of order) {
            step.update(path.what);
            const { during = (action) => action() } = path;
            taken.set(path, { ...taken.get(path), ...(await during(() => measure(lab, path))) });
          }
        for (const [path, sample] of taken) samples.get(path)?.push(sample);
      });
      loads.push(loadBetween(before, readLoad(lab)));
    }
    return {
      at: new Date().toISOString(),
      turns,
      datapath: await datapathType(lab, first),
      paths: paths.map((path) => figures(path, samples)),
      load: sumLoads(loads),
    };
  } finally {
    for (const one of undo.reverse()) await one().catch(() => undefined);
  }
}

/** The paths whose names match, and those that they are compared with. */
function chosen(paths: readonly Path[], only: RegExp): readonly Path[] {
  const wanted = new Set(paths.filter(({ what }) => only.test(what)));
  // What is added is visited too.
  for (const { raw } of wanted) for (const path of paths) if (path.what === raw) wanted.add(path);
  return paths.filter((path) => wanted.has(path));
}

/** Makes everything that paths go between; `undo` gets what takes it away. */
async function pathsOf(
  lab: Lab,
  [first, second]: readonly [string, string],
  undo: (() => Promise<unknown>)[],
): Promise<readonly Path[]> {
  await apply(lab, objects(first, second));
  undo.push(() => lab.kubectl(["delete", "subnet", CENTRAL, EGRESS, "--wait=false"]));
  undo.push(() => lab.kubectl(["delete", "namespace", NAMESPACE, "--timeout=60s"]));
  const pods = await readyPods(lab, NAMESPACE, "bench=dataplane", 120_000);
  const netns = (name: string): string => podNetns(pods.get(name)?.uid ?? "");
  const address = (name: string): string => pods.get(name)?.addresses[0] ?? "";
  const nodeNetns = lab.node(first).netns;
  for (const server of [netns("near"), netns("guarded"), netns("far")]) undo.push(await startServers(server));
  undo.push(await startServers(lab.node(OUTSIDE).netns, EXTERNAL.v4));
  const ends = (prefix: string): readonly PathEnd[] => [
    { node: first, netns: netns("client"), address: `${prefix}.2` },
    { node: first, netns: netns("near"), address: `${prefix}.3` },
    { node: second, netns: netns("far"), address: `${prefix}.4` },
  ];
  const guarded = { node: first, netns: netns("guarded"), address: `${KUBE_OVN}.5` };
  const clusterIp = async (name: string): Promise<string> => {
    const get = ["get", "service", `--namespace=${NAMESPACE}`, name, "--output=jsonpath={.spec.clusterIP}"];
    return (await lab.kubectl(get)).stdout.trim();
  };
  undo.push(await addRawPath(lab, ends(RAW)));
  undo.push(await addBareOvn(lab, ends(BARE)));
  undo.push(await addBridgePlugin(lab, ends(PLAIN).slice(0, 2), await clusterIp("plain")));
  const [sender, receiver, other] = ends(KUBE_OVN);
  if (sender === undefined || receiver === undefined || other === undefined) throw new Error("no ends of paths");
  const kubeOvn = await addKubeOvnRows(lab, [sender, receiver, guarded, other], {
    ...{ prefix: KUBE_OVN, services: KUBE_OVN_SERVICES },
  });
  undo.push(kubeOvn.undo);
  // Packets to pods whose addresses the world outside sees.
  const back = ["ip", "route", "replace", EGRESS_CIDR, "via", addressOf(first).v4];
  await inside(lab.node(OUTSIDE).netns, ...back);
  undo.push(() => inside(lab.node(OUTSIDE).netns, "ip", "route", "delete", EGRESS_CIDR));
  const near = { raw: "raw, on a node", node: first };
  const far = { raw: "raw, across nodes", node: first };
  const out = { raw: "node to outside", node: first, to: EXTERNAL.v4 };
  const client = netns("client");
  /** Kube-OVN's rows of the same path. */
  const rows = (what: string, raw: string, to: string): Path => ({
    ...{ what: `Kube-OVN's rows, ${what}`, raw, node: first, from: client, to, during: kubeOvn.during },
  });
  return [
    { what: near.raw, node: first, from: client, to: `${RAW}.3` },
    { what: "bare OVN, on a node", ...near, from: client, to: `${BARE}.3` },
    { what: "pod to pod, on a node", ...near, from: client, to: address("near") },
    rows("on a node", "pod to pod, on a node", receiver.address),
    { what: "bridge plugin, on a node", ...near, from: client, to: `${PLAIN}.3` },
    { what: "bridge plugin, kube-proxy", ...near, from: client, to: await clusterIp("plain") },
    { what: "pod to ClusterIP, on a node", ...near, from: client, to: await clusterIp("near") },
    rows("ClusterIP", "pod to ClusterIP, on a node", kubeOvn.service),
    { what: "the same under a NetworkPolicy", ...near, from: client, to: await clusterIp("guarded") },
    rows("NetworkPolicy", "the same under a NetworkPolicy", kubeOvn.guarded),
    { what: "node to pod, on a node", ...near, from: nodeNetns, to: address("near") },
    { what: far.raw, node: first, from: client, to: `${RAW}.4` },
    { what: "bare OVN, across nodes", ...far, from: client, to: `${BARE}.4` },
    { what: "pod to pod, across nodes", ...far, from: client, to: address("far") },
    rows("across nodes", "pod to pod, across nodes", other.address),
    { what: "node to pod, across nodes", ...far, from: nodeNetns, to: address("far") },
    { what: out.raw, node: first, from: nodeNetns, to: EXTERNAL.v4 },
    { what: "pod to outside, distributed", ...out, from: client },
    { what: "pod to outside, centralized", ...out, from: netns("central") },
    { what: "pod to outside, egress gateway", ...out, from: netns("egress") },
  ];
}

/** What is measured, one after the other, of all paths each. */
const MEASURES: readonly ((lab: Lab, path: Path) => Promise<Sample>)[] = [
  async (lab, { from, to, node }) => {
    const cpu = vswitchdCpuMs(lab, node);
    const pps64 = await udpPackets(from, to, IPERF_PORT, 64);
    return { pps64, cpuUs: ((vswitchdCpuMs(lab, node) - cpu) * 1000) / (pps64 * SECONDS) };
  },
  async (_, { from, to }) => ({ pps1300: await udpPackets(from, to, IPERF_PORT, 1300) }),
  async (_, { from, to }) => ({ tcp: await tcpThroughput(from, to, IPERF_PORT) }),
  async (_, { from, to }) => ({ ...(await connections(from, to)) }),
];

function figures({ what, raw }: Path, samples: ReadonlyMap<Path, readonly Sample[]>): PathFigures {
  const of = (name: string | undefined): readonly Sample[] =>
    [...samples].find(([path]) => path.what === name)?.[1] ?? [];
  const [own, other] = [of(what), of(raw)];
  const quantity = (name: (typeof QUANTITIES)[number]): Quantity => {
    const values = own.map((sample) => sample[name] ?? Number.NaN);
    const ratios = values.map((value, turn) => value / (other[turn]?.[name] ?? Number.NaN));
    const [low, median, high] = [quantile(ratios, 0.25), quantile(ratios, 0.5), quantile(ratios, 0.75)];
    return { median: quantile(values, 0.5), ratio: { low, median, high } };
  };
  return {
    what,
    ...(raw !== undefined && { raw }),
    quantities: Object.fromEntries(QUANTITIES.map((name) => [name, quantity(name)])) as PathFigures["quantities"],
    failed: own.reduce((sum, { failed = 0 }) => sum + failed, 0),
  };
}

/** Lets in what the bench sends, and with that has each packet looked at. */
const POLICY = {
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: { namespace: NAMESPACE, name: "guarded" },
  spec: {
    podSelector: { matchLabels: { app: "guarded" } },
    ingress: [{ from: [{ podSelector: { matchLabels: { app: "client" } } }] }],
  },
};

function objects(first: string, second: string): readonly object[] {
  const pod = (name: string, node: string, subnet?: string): object => ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      ...{ namespace: NAMESPACE, name, labels: { bench: "dataplane", app: name } },
      ...(subnet !== undefined && { annotations: { "ovn.kubernetes.io/logical_switch": subnet } }),
    },
    spec: {
      nodeSelector: { "kubernetes.io/hostname": node },
      terminationGracePeriodSeconds: 0,
      containers: [{ name: "iperf3", image: IPERF3_IMAGE, imagePullPolicy: "Never" }],
    },
  });
  const ports = [
    { name: "iperf", port: 5301, protocol: "TCP" },
    { name: "iperf-udp", port: 5301, protocol: "UDP" },
    { name: "connections", port: 5302, protocol: "TCP" },
  ];
  const service = (name: string, spec: object): object => ({
    ...{ apiVersion: "v1", kind: "Service", metadata: { namespace: NAMESPACE, name } },
    spec: { ...spec, ports: ports.map((one) => ({ ...one, targetPort: one.port })) },
  });
  const subnet = (name: string, spec: object): object => ({
    ...{ apiVersion: "kubeovn.io/v1", kind: "Subnet", metadata: { name } },
    spec: { protocol: "IPv4", ...spec },
  });
  return [
    { apiVersion: "v1", kind: "Namespace", metadata: { name: NAMESPACE } },
    subnet(CENTRAL, {
      ...{ cidrBlock: "10.75.0.0/24", gatewayType: "centralized", gatewayNode: second, natOutgoing: true },
    }),
    // The second node plays the router outside.
    subnet(EGRESS, {
      ...{ cidrBlock: EGRESS_CIDR, externalEgressGateway: addressOf(second).v4 },
      ...{ policyRoutingTableID: 1000, policyRoutingPriority: 1500 },
    }),
    ...[pod("client", first), pod("near", first), pod("guarded", first), pod("far", second)],
    ...[pod("central", first, CENTRAL), pod("egress", first, EGRESS)],
    ...[service("near", { selector: { app: "near" } }), service("guarded", { selector: { app: "guarded" } }), POLICY],
    service("plain", {}),
    {
      ...{ apiVersion: "discovery.k8s.io/v1", kind: "EndpointSlice", addressType: "IPv4", ports },
      metadata: { namespace: NAMESPACE, name: "plain-1", labels: { "kubernetes.io/service-name": "plain" } },
      endpoints: [{ addresses: [`${PLAIN}.3`], conditions: { ready: true } }],
    },
  ];
}
