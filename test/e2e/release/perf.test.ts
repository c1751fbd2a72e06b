// SPDX-License-Identifier: Apache-2.0

import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import t from "tap";
import { ROOT } from "../../../hack/build/npm.ts";
import { until } from "../../../hack/lab/wait.ts";
import { PODS, SERVICES } from "../../../src/kube/resources.ts";
import { useNamespace } from "../testing/pods.ts";
import { openWorld, type World, whyNoLab } from "../testing/world.ts";

const NAME = "weft-perf-restricted";
const PROGRAM = join(ROOT, "src/cli/main.ts");

t.setTimeout(400_000);

interface Result {
  readonly path: string;
  readonly from: string;
  readonly to: string;
  readonly address: string;
  readonly problem?: string;
  readonly measured?: {
    readonly tcpBitsPerSecond: number;
    readonly tcp: { readonly count: number };
    readonly udp: { readonly count: number };
    readonly udpSent: number;
    readonly udpReceived: number;
  };
}

function start(world: World, ...args: readonly string[]) {
  const child = spawn(process.execPath, [PROGRAM, `--kubeconfig=${world.lab.paths.kubeconfig}`, "perf", ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk) => (output.stdout += String(chunk)));
  child.stderr.on("data", (chunk) => (output.stderr += String(chunk)));
  const ended = once(child, "close").then(([code]) => ({ code: Number(code), ...output }));
  return { child, output, ended };
}

/** What is left of measurements. */
async function left(world: World): Promise<readonly string[]> {
  const lists = await Promise.all([PODS, SERVICES].map((type) => world.kube.list(type)));
  return lists.flatMap(({ items }) =>
    items.flatMap(({ metadata }) => (/^weft-perf-/.test(metadata.name) ? metadata.name : [])),
  );
}

t.test(
  "weftctl perf measures each path by packets, in both families, and leaves nothing",
  { skip: whyNoLab() },
  async (t) => {
    const world = await openWorld(t);
    const [first = "", second = ""] = world.lab.nodes;
    await useNamespace(t, world, NAME);
    await world.lab.kubectl(["label", "namespace", NAME, "pod-security.kubernetes.io/enforce=restricted"]);
    const nodes = [`--server=${first}`, `--client=${second}`, "--seconds=1", "--rate=5"];
    const inPods = ["--path", "pod-same-node", "pod-other-node", "service"];
    // At once, because they wait for pods most of the time; each with ports of its own on the node.
    const [ipv4, ipv6, restricted, refused] = await Promise.all([
      start(world, ...nodes, "--family=ipv4", "--port=15201", "-o", "json").ended,
      start(world, ...nodes, "--family=ipv6", "--port=15202", "-o", "json").ended,
      start(world, ...nodes, "--in", NAME, "--port=15203", ...inPods).ended,
      start(world, ...nodes, "--in", NAME, "--port=15204", "--path", "host").ended,
    ]);
    for (const [family, { code, stdout, stderr }] of [["ipv4", ipv4] as const, ["ipv6", ipv6] as const]) {
      t.equal(code, 0, stdout + stderr);
      const results = JSON.parse(stdout) as readonly Result[];
      t.same(
        results.map(({ path, from, to }) => `${path} ${from} ${to}`),
        [
          ...[`pod-same-node ${first} ${first}`, `pod-other-node ${second} ${first}`],
          ...[`service ${second} ${first}`, `host ${second} ${first}`],
        ],
      );
      for (const { path, address, measured } of results) {
        t.equal(address.includes(":"), family === "ipv6", path);
        t.ok((measured?.tcpBitsPerSecond ?? 0) > 1e5, `${family} ${path}: ${measured?.tcpBitsPerSecond} bit/s`);
        t.ok((measured?.tcp.count ?? 0) > 0 && (measured?.udp.count ?? 0) > 0, path);
        t.ok((measured?.udpReceived ?? 0) > 0, `${path}: ${measured?.udpReceived} of ${measured?.udpSent} datagrams`);
      }
    }
    t.equal(restricted.code, 0, restricted.stdout + restricted.stderr);
    t.match(restricted.stdout, /^pod-other-node .* [kMG]?bit\/s/m);
    t.equal(refused.code, 2, refused.stdout);
    t.match(refused.stderr, /violates PodSecurity "restricted:latest": host namespaces/);
    await until("nothing is left", 60_000, async () => (await left(world)).length === 0, 500);

    const interrupted = start(world, "--seconds=60", "--path", "pod-same-node");
    await until("it measures", 120_000, async () => interrupted.output.stderr.includes("measuring pod-same-node"), 200);
    interrupted.child.kill("SIGINT");
    const { code, stderr } = await interrupted.ended;
    t.equal(code, 2, stderr);
    t.match(stderr, /interrupted; cleaning up/);
    await until("nothing is left", 60_000, async () => (await left(world)).length === 0, 500);
  },
);
