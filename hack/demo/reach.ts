// SPDX-License-Identifier: Apache-2.0

import type { Lab } from "../lab/lab.ts";
import { addressOf, DNS_SERVICE, EXTERNAL, type IpFamily } from "../lab/topology.ts";
import { type ProbePod, podNetns } from "../traffic/pods.ts";
import { type Exec, http, inNetns, type ProbeResult, ping, resolve, urlHost } from "../traffic/probe.ts";

/** One line of the demo's table. */
export interface Reach extends ProbeResult {
  readonly what: string;
  readonly family: "IPv4" | "IPv6";
  readonly from: string;
  readonly to: string;
}

/** The demo's objects in the cluster: on each node a pod `one` and a pod `two`, and a Service for all of them. */
export interface DemoCluster {
  readonly lab: Lab;
  readonly pods: readonly ProbePod[];
  readonly ipFamily: IpFamily;
  readonly serviceName: string;
  /** ClusterIPs, IPv4 first. */
  readonly serviceAddresses: readonly string[];
}

/** One line of the table before it is tried. */
export interface PlannedReach extends Omit<Reach, keyof ProbeResult> {
  /** Whether it needs the cluster's DNS. */
  readonly needsDns: boolean;
  readonly run: () => Promise<ProbeResult>;
}

/** The lines of the table, for all that the README promises; those that need the cluster's DNS come last. */
export function planReaches(cluster: DemoCluster): readonly PlannedReach[] {
  const families =
    cluster.ipFamily === "dual" ? ([4, 6] as const) : cluster.ipFamily === "ipv6" ? ([6] as const) : ([4] as const);
  const planned = families.flatMap((family) =>
    [...attempts(cluster, family)].map((attempt): PlannedReach => {
      const { what, from, to, run, needsDns = false } = attempt;
      return { what, from, to, run, needsDns, family: family === 4 ? "IPv4" : "IPv6" };
    }),
  );
  return planned.sort((a, b) => Number(a.needsDns) - Number(b.needsDns));
}

/** Tries one. */
export async function tryReach({ what, family, from, to, run }: PlannedReach): Promise<Reach> {
  return { what, family, from, to, ...(await run()) };
}

/** Tries everything and returns the results. */
export async function reachAll(cluster: DemoCluster): Promise<readonly Reach[]> {
  const results: Reach[] = [];
  for (const planned of planReaches(cluster)) results.push(await tryReach(planned));
  return results;
}

interface Attempt {
  readonly what: string;
  readonly from: string;
  readonly to: string;
  readonly needsDns?: true;
  readonly run: () => Promise<ProbeResult>;
}

function* attempts({ lab, pods, serviceName, serviceAddresses }: DemoCluster, family: 4 | 6): Iterable<Attempt> {
  const of = (addresses: readonly string[]): string =>
    addresses.find((address) => address.includes(":") === (family === 6)) ?? "(none)";
  const both = (pair: { v4: string; v6: string }): string => (family === 4 ? pair.v4 : pair.v6);
  const first = pods[0];
  const near = pods.find((pod) => pod !== first && pod.node === first?.node);
  const far = pods.find((pod) => pod.node !== first?.node);
  if (first === undefined || near === undefined || far === undefined) return;
  const exec: Exec = inNetns(podNetns(first.uid));
  const farExec: Exec = inNetns(podNetns(far.uid));
  const node: Exec = (command) => lab.node(first.node).exec(command, { allowFailure: true, timeoutMs: 15_000 });
  const site = (address: string, port: number, path: string): string => `http://${urlHost(address)}:${port}${path}`;
  const mine = of(first.addresses);

  for (const [what, peer] of [
    ["pod → pod, same node", near],
    ["pod → pod, other node", far],
  ] as const) {
    const to = of(peer.addresses);
    yield { what: `${what}, ICMP`, from: first.name, to: peer.name, run: () => ping(exec, to) };
    // The answer contains the client's address as the server saw it: between pods nothing is translated.
    yield {
      what: `${what}, TCP`,
      from: first.name,
      to: peer.name,
      run: () => http(exec, site(to, 8080, "/clientip"), mine),
    };
  }
  yield {
    what: "node → pod on it",
    from: first.node,
    to: first.name,
    run: () => http(node, site(mine, 8080, "/hostname"), first.name),
  };
  yield {
    what: "node → pod on another",
    from: first.node,
    to: far.name,
    run: () => http(node, site(of(far.addresses), 8080, "/hostname"), far.name),
  };
  yield {
    what: "pod → its node",
    from: first.name,
    to: first.node,
    run: () => ping(exec, both(addressOf(first.node))),
  };
  yield {
    what: "pod → another node",
    from: first.name,
    to: far.node,
    run: () => ping(exec, both(addressOf(far.node))),
  };
  yield {
    // The server outside answers with the client's address: natOutgoing makes it the node's.
    what: "pod → outside, as its node",
    from: first.name,
    to: both(EXTERNAL),
    run: () => http(exec, site(both(EXTERNAL), 80, "/"), both(addressOf(first.node))),
  };
  yield {
    what: "pod → outside, as its node",
    from: far.name,
    to: both(EXTERNAL),
    run: () => http(farExec, site(both(EXTERNAL), 80, "/"), both(addressOf(far.node))),
  };
  yield {
    what: "DNS",
    needsDns: true,
    from: first.name,
    to: serviceName,
    run: () => resolve(exec, serviceName, family === 4 ? "A" : "AAAA", both(DNS_SERVICE)),
  };
  for (const pod of [first, far]) {
    const at = pod === first ? exec : farExec;
    yield {
      what: "pod → ClusterIP",
      from: pod.name,
      to: serviceName,
      run: () => http(at, site(of(serviceAddresses), 80, "/hostname")),
    };
  }
  yield {
    what: "node → ClusterIP",
    from: first.node,
    to: serviceName,
    run: () => http(node, site(of(serviceAddresses), 80, "/hostname")),
  };
}
