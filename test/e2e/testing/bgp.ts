// SPDX-License-Identifier: Apache-2.0

import type { Test } from "tap";
import { deploy } from "../../../hack/deploy/deploy.ts";
import { createProgress } from "../../../hack/host/progress.ts";
import { addressOf, OUTSIDE } from "../../../hack/lab/topology.ts";
import { until } from "../../../hack/lab/wait.ts";
import { http } from "../../../hack/traffic/probe.ts";
import { NODES, SECRETS } from "../../../src/kube/resources.ts";
import { type Router, startRouter } from "./frr.ts";
import { inNode } from "./pods.ts";
import type { World } from "./world.ts";

const CLUSTER_AS = 65001;
const ROUTER_AS = 65002;
const PASSWORD = "between-us";
/** For how long the router keeps the routes of a speaker that has gone, in s. */
const KEPT_S = 25;
/** The annotation that announces, and the label of nodes with a speaker. */
export const ANNOUNCE = "ovn.kubernetes.io/bgp";

/** An FRR router outside, and speakers on all nodes that announce to it. */
export interface Bgp {
  readonly router: Router;
  readonly clusterAs: number;
  readonly routerAs: number;
  readonly keptS: number;
  /** Of all sessions. */
  readonly password: string;
  /** Sets or removes the label of nodes with a speaker. */
  label(node: string, value: string | null): Promise<unknown>;
  /** How many sessions of an address family are established. */
  established(): Promise<number>;
  /** Waits until the router has a route to an address or a CIDR from exactly these neighbors. */
  routedBy(t: Test, what: string, to: string, from: readonly string[], ms?: number): Promise<void>;
  /** Waits until an HTTP server at an address answers the outside host; `expected` is in the answer. */
  answers(t: Test, url: string, expected: string): Promise<void>;
  /** When the kernel of the outside host first had, or no longer had, a route after a time. */
  changed(address: string, gone: boolean, since: number): number | undefined;
}

/** The addresses of some nodes as neighbors of the router, in one family or both. */
export function neighborsOf(nodes: readonly string[], ...families: readonly ("v4" | "v6")[]): readonly string[] {
  return nodes.flatMap((node) => families.map((family) => addressOf(node)[family]));
}

/** For the neighbors that announce an address: the router takes IPv6 routes from IPv6 neighbors only. */
export function isFor(address: string): (neighbor: string) => boolean {
  return (neighbor) => !address.includes(":") || neighbor.includes(":");
}

/** Starts the router and the speakers until the test's end. `name`: of the Secret with the password. */
export async function useBgp(t: Test, world: World, name: string): Promise<Bgp> {
  const { nodes } = world.lab;
  const router = await startRouter(world.lab.node(OUTSIDE).netns, routerConfig(nodes));
  t.teardown(() => router.stop());
  const label = async (node: string, value: string | null): Promise<unknown> =>
    world.kube.patch(NODES, { name: node }, { type: "merge", body: { metadata: { labels: { [ANNOUNCE]: value } } } });
  const secret = { namespace: "kube-system", name };
  await world.kube.delete(SECRETS, secret).catch(() => undefined);
  await world.kube.create(SECRETS, { metadata: secret, stringData: { password: PASSWORD } } as never);
  for (const node of nodes) await label(node, "true");
  await deploy(world.lab, createProgress(), {
    set: [
      ...["enabled=true", `neighborAs=${ROUTER_AS}`, `clusterAs=${CLUSTER_AS}`, "announceClusterIP=true"],
      ...[`neighborAddresses[0]=${addressOf(OUTSIDE).v4}`, `neighborIPv6Addresses[0]=${addressOf(OUTSIDE).v6}`],
      ...[
        `authPasswordSecret.name=${name}`,
        "extendedNexthop=true",
        "bfd.enabled=true",
        "bfd.minTx=200",
        "bfd.minRx=200",
      ],
      ...["gracefulRestart.enabled=true", `gracefulRestart.time=${KEPT_S}`],
    ].map((one) => `speaker.${one}`),
  });
  t.teardown(async () => {
    for (const node of nodes) await label(node, null);
    await world.kube.delete(SECRETS, secret);
    await deploy(world.lab, createProgress());
  });
  const established = async (): Promise<number> =>
    (await router.vtysh("show bgp summary")).split("\n").filter((line) => /^[\da-f.:]+ +4 .* \d+ +\d+ +\S+$/.test(line))
      .length;
  await until("all sessions are established", 60_000, async () => (await established()) >= 3 * nodes.length, 200);
  const neighborsWith = async (to: string): Promise<readonly string[]> => {
    const family = to.includes(":") ? "ipv6 unicast" : "ipv4 unicast";
    const prefix = to.includes("/") ? to : `${to}/${to.includes(":") ? 128 : 32}`;
    const text = await router.vtysh(`show bgp ${family} ${prefix} json`);
    const { paths = [] } = JSON.parse(text || "{}") as {
      readonly paths?: readonly { readonly valid?: boolean; readonly peer: { readonly peerId: string } }[];
    };
    return paths.flatMap(({ valid, peer }) => (valid === true ? [peer.peerId] : []));
  };
  return {
    ...{ router, label, established, clusterAs: CLUSTER_AS, routerAs: ROUTER_AS, keptS: KEPT_S, password: PASSWORD },
    async routedBy(t, what, to, from, ms = 20_000) {
      const wanted = [...from].sort().join();
      const found = async (): Promise<string> => [...(await neighborsWith(to))].sort().join();
      await until(what, ms, async () => (await found()) === wanted, 100).catch(() => undefined);
      t.equal(await found(), wanted, what);
    },
    async answers(t, url, expected) {
      const ask = () => http(inNode(world, OUTSIDE), url);
      const isRight = ({ ok, detail }: { readonly ok: boolean; readonly detail: string }) =>
        ok && detail.includes(expected);
      await until(url, 20_000, async () => isRight(await ask()), 200).catch(() => undefined);
      const { ok, detail } = await ask();
      t.ok(ok, `${url} answers`);
      t.match(detail, expected, url);
    },
    changed(address, gone, since) {
      const isIt = (text: string): boolean =>
        text.startsWith("Deleted ") === gone && text.replace("Deleted ", "").startsWith(`${address} `);
      return router.changes.find(({ at, text }) => at >= since && isIt(text))?.at;
    },
  };
}

/** The configuration of the router: a neighbor for each address of each node. */
function routerConfig(nodes: readonly string[]): string {
  const v4 = nodes.map((node) => addressOf(node).v4);
  const v6 = nodes.map((node) => addressOf(node).v6);
  return [
    `router bgp ${ROUTER_AS}`,
    ` bgp router-id ${addressOf(OUTSIDE).v4}`,
    " no bgp ebgp-requires-policy",
    " no bgp default ipv4-unicast",
    " bgp bestpath as-path multipath-relax",
    " bgp graceful-restart",
    ...[...v4, ...v6].flatMap((address) => [
      ` neighbor ${address} remote-as ${CLUSTER_AS}`,
      ` neighbor ${address} password ${PASSWORD}`,
      ` neighbor ${address} timers connect 2`,
    ]),
    ...v6.map((address) => ` neighbor ${address} capability extended-nexthop`),
    " address-family ipv4 unicast",
    ...[...v4, ...v6].map((address) => `  neighbor ${address} activate`),
    " exit-address-family",
    " address-family ipv6 unicast",
    ...v6.map((address) => `  neighbor ${address} activate`),
    " exit-address-family",
    "",
  ].join("\n");
}
