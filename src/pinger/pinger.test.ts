// SPDX-License-Identifier: Apache-2.0

import { Registry } from "prom-client";
import t, { type Test } from "tap";
import { ManualClock } from "../time/testing/manual-clock.ts";
import type { TargetPort } from "./options.ts";
import { readPingerOptions } from "./options.ts";
import { Pinger, type PingerParts } from "./pinger.ts";
import { PingerMetrics } from "./pinger-metrics.ts";
import type { MeshTarget } from "./targets.ts";

const ENV = {
  ...{ KUBE_NODE_NAME: "a", HOST_IP: "192.0.2.1", POD_NAME: "pinger-a", POD_NAMESPACE: "kube-system" },
  POD_IPS: "10.16.0.2,fd00::2",
};
const PEERS = [
  { node: "a", hostIp: "192.0.2.1", podIps: ["10.16.0.2", "fd00::2"] },
  { node: "b", hostIp: "192.0.2.2", podIps: ["10.16.0.3", "fd00::3"] },
];
const NODES = [
  { name: "a", addresses: ["192.0.2.1"] },
  { name: "b", addresses: ["192.0.2.2"] },
];
const FLAGS = ["--external-address=198.51.100.1", "--external-dns=example.com", "--target-ip-ports=tcp-10.96.0.1-443"];

/** A prober of node a; addresses in `dead` do not answer. */
function setup(t: Test, flags: readonly string[] = FLAGS) {
  const clock = new ManualClock();
  const registry = new Registry();
  const options = readPingerOptions(flags, ENV);
  const metrics = new PingerMetrics(registry, options);
  const dead = new Set<string>();
  const told: string[] = [];
  const world = { peers: PEERS, nodes: NODES, synced: true };
  let rounds = 0;
  const timed = async (name: string) => (dead.has(name) ? { problem: "ENOTFOUND" } : { ms: 3 });
  const parts: PingerParts = {
    watches: {
      get synced() {
        return world.synced;
      },
      get peers() {
        return world.peers;
      },
      get nodes() {
        return world.nodes;
      },
      whenSynced: async () => undefined,
    },
    probes: {
      ping: async ({ address }: MeshTarget) =>
        dead.has(address.text) ? { sent: 3, lost: 3, averageMs: undefined } : { sent: 3, lost: 0, averageMs: 0.4 },
      port: async ({ address }: TargetPort) => (dead.has(address) ? "no answer within 2 s" : undefined),
      name: timed,
      apiServer: () => timed("the API server"),
    },
    events: { record: (subject, type, reason, message) => told.push(`${subject.name} ${type} ${reason}: ${message}`) },
    log: { info: () => undefined, warn: () => undefined } as never,
    record: (results) => {
      rounds++;
      metrics.record(results);
    },
    clock,
  };
  const pinger = new Pinger(options, parts);
  t.teardown(() => pinger.stop());
  return { clock, registry, dead, told, world, pinger, rounds: () => rounds };
}

t.test("rounds begin 5 s apart, the first at once", async (t) => {
  const { clock, pinger, rounds } = setup(t);
  t.equal(pinger.last, undefined);
  pinger.start();
  await clock.advance(0);
  t.equal(rounds(), 1);
  t.match(JSON.stringify(pinger.last), '"address":{"family":6,"text":"fd00::3"}', "the page /probes can show it");
  await clock.advance(4_999);
  t.equal(rounds(), 1);
  await clock.advance(1);
  t.equal(rounds(), 2);
  await pinger.stop();
  t.equal(clock.pending, 0, "nothing waits after the end");
  await clock.advance(20_000);
  t.equal(rounds(), 2);
});

t.test("all kinds of probes are in Kube-OVN's metrics, in both families", async (t) => {
  const { clock, pinger, registry } = setup(t);
  pinger.start();
  await clock.advance(0);
  const text = await registry.metrics();
  const source = (ip: string): string => `src_node_name="a",src_node_ip="192.0.2.1",src_pod_ip="${ip}"`;
  const peer = 'target_node_name="b",target_node_ip="192.0.2.2"';
  for (const line of [
    `pinger_pod_ping_count_total{${source("10.16.0.2")},${peer},target_pod_ip="10.16.0.3"} 3`,
    `pinger_pod_ping_count_total{${source("fd00::2")},${peer},target_pod_ip="fd00::3"} 3`,
    `pinger_pod_ping_lost_total{${source("10.16.0.2")},${peer},target_pod_ip="10.16.0.3"} 0`,
    `pinger_pod_ping_latency_ms_bucket{le="0.5",${source("10.16.0.2")},${peer},target_pod_ip="10.16.0.3"} 1`,
    `pinger_node_ping_count_total{${source("10.16.0.2")},${peer}} 3`,
    `pinger_external_ping_lost_total{${source("10.16.0.2")},target_address="198.51.100.1"} 0`,
    'pinger_apiserver_healthy{nodeName="a"} 1',
    'pinger_internal_dns_unhealthy{nodeName="a"} 0',
    'pinger_external_dns_latency_ms_count{nodeName="a"} 1',
    'weft_pinger_port_count_total{src_node_name="a",target="b",protocol="udp",family="IPv6"} 1',
    'weft_pinger_port_failed_total{src_node_name="a",target="10.96.0.1 443",protocol="tcp",family="IPv4"} 0',
  ])
    t.ok(text.includes(`${line}\n`), `${line}\n${text}`);
});

t.test("a failure is counted and reported as an Event of the node; a lost target has no latency", async (t) => {
  const { clock, pinger, registry, dead, told } = setup(t);
  for (const one of ["10.16.0.3", "kubernetes.default"]) dead.add(one);
  pinger.start();
  await clock.advance(10_000);
  const text = await registry.metrics();
  t.match(text, /pinger_pod_ping_lost_total\{[^}]*target_pod_ip="10.16.0.3"\} 9\n/);
  t.match(text, /pinger_pod_ping_latency_ms_count\{[^}]*target_pod_ip="10.16.0.3"\} 0\n/);
  t.match(text, 'pinger_internal_dns_healthy{nodeName="a"} 0\n');
  t.same(told.sort(), [
    "a Warning ProbeDnsFailed: the resolver of this node's pods does not resolve kubernetes.default",
    "a Warning ProbePodsFailed: pods of this node do not reach pods on b (10.16.0.3)",
    "a Warning ProbePortsFailed: pods of this node get no answer at tcp 10.16.0.3:8100 of b, udp 10.16.0.3:8101 of b",
  ]);
  dead.clear();
  await clock.advance(5_000);
  t.match(told.at(-1), /^a Normal ProbesSucceeded/);
});

t.test("the series of a peer that is gone are removed, of ports too", async (t) => {
  const { clock, pinger, registry, world } = setup(t);
  pinger.start();
  await clock.advance(0);
  t.match(await registry.metrics(), /target_pod_ip="10.16.0.3"/);
  world.peers = PEERS.slice(0, 1);
  await clock.advance(5_000);
  const text = await registry.metrics();
  t.notMatch(text, /target_pod_ip="10.16.0.3"/);
  t.notMatch(text, /target="b"/);
  t.match(text, /target_node_name="b"/, "the node is still there");
});

t.test("without lists of the API server it probes what it can, and is not ready", async (t) => {
  const { clock, pinger, world, registry, dead } = setup(t, []);
  Object.assign(world, { synced: false, peers: [], nodes: [] });
  dead.add("the API server");
  pinger.start();
  await clock.advance(0);
  t.match(pinger.notReady(), /waiting for the first lists/);
  t.match(await registry.metrics(), 'pinger_apiserver_healthy{nodeName="a"} 0\n');
  world.synced = true;
  t.equal(pinger.notReady(), undefined);
});

t.test("options are checked, with a message that names the value", async (t) => {
  for (const [flags, code] of [
    [["--interval=0"], "commander.invalidArgument"],
    [["--external-address=example.com"], "commander.invalidArgument"],
    [["--target-ip-ports=sctp-10.0.0.1-80"], "commander.invalidArgument"],
    [["--target-ip-ports=tcp-10.0.0.1-70000"], "commander.invalidArgument"],
    [["--no-such"], "commander.unknownOption"],
  ] as const)
    t.throws(() => readPingerOptions(flags, ENV), { code }, flags.join(" "));
  t.throws(() => readPingerOptions([], { ...ENV, POD_IPS: "" }), /POD_IPS is not set/);
  t.match(readPingerOptions(["--target-ip-ports=udp-fd00::1-53, tcp-192.0.2.1-80"], ENV).targetPorts, [
    { protocol: "udp", family: 6, address: "fd00::1", port: 53 },
    { protocol: "tcp", family: 4, address: "192.0.2.1", port: 80 },
  ]);
});
