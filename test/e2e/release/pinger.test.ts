// SPDX-License-Identifier: Apache-2.0

import t, { type Test } from "tap";
import { addressOf, FABRIC, OUTSIDE } from "../../../hack/lab/topology.ts";
import { until } from "../../../hack/lab/wait.ts";
import type { Thing } from "../testing/objects.ts";
import { addressesOf, inPod, useNamespace } from "../testing/pods.ts";
import { probing } from "../testing/probing.ts";
import { metricsToken, startPrometheus } from "../testing/prometheus.ts";
import { openWorld, type World, whyNoLab } from "../testing/world.ts";

const NAME = "weft-pinger-test";
/** Geneve's port (RFC 8926). */
const GENEVE = 6081;

const LOSSES = [
  ...["pinger_pod_ping_lost_total", "pinger_node_ping_lost_total", "pinger_external_ping_lost_total"],
  "weft_pinger_port_failed_total",
];

t.setTimeout(580_000);

/** Metrics of a prober, read in its network namespace, where no token is needed. */
async function metricsOf(prober: Thing): Promise<string> {
  return (await inPod(prober)(["curl", "-sS", "--max-time", "5", "http://127.0.0.1:10670/metrics"])).stdout;
}

/** The sum of the series of a metric with these labels, as written; NaN if there are none. */
function figure(text: string, name: string, ...labels: readonly string[]): number {
  const lines = text
    .split("\n")
    .filter((line) => line.startsWith(`${name}{`) && labels.every((one) => line.includes(one)));
  return lines.length === 0 ? Number.NaN : lines.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}

/** Waits until a metric of a prober has grown by `more` from now on; series that do not exist yet begin at 0. */
async function grows(prober: Thing, more: number, name: string, ...labels: readonly string[]): Promise<void> {
  const first = figure(await metricsOf(prober), name, ...labels) || 0;
  await until(
    `${name} ${labels.join()} grows`,
    60_000,
    async () => figure(await metricsOf(prober), name, ...labels) >= first + more,
    500,
  );
}

/** Drops the tunnel packets that a node sends, where its `eth1` is connected to the bridge between the nodes. Returns the end of it. */
async function cutTunnels(t: Test, world: World, node: string): Promise<() => Promise<unknown>> {
  const { exec } = world.lab.node(FABRIC);
  const chain = `chain c { type filter hook ingress device "${node}-1" priority 0; policy accept; udp dport ${GENEVE} drop; }`;
  await exec(["nft", "-f", "-"], { input: `table netdev ${NAME} {\n${chain}\n}\n` });
  const end = (): Promise<unknown> => exec(["nft", "delete", "table", "netdev", NAME], { allowFailure: true });
  t.teardown(end);
  return end;
}

t.test("probers see a healthy mesh, and what is cut", { skip: whyNoLab(), timeout: 570_000 }, async (whole) => {
  const t = whole;
  const world = await openWorld(t);
  await probing(t, world);
  const [first = "", second = ""] = world.lab.nodes;
  const [one, two] = [first, second].map((node) => world.own("kube-ovn-pinger", node)[0]) as [Thing, Thing];
  const ask = startPrometheus(t, world, [
    {
      name: "weft",
      token: await metricsToken(world, t, NAME, true),
      targets: [...[one, two].map((pod) => `${addressesOf(pod)[0]}:8080`), `${addressOf(first).v4}:10665`],
    },
  ]);
  const firing = async (alert: string): Promise<boolean> =>
    (await ask(`ALERTS{alertname="${alert}",alertstate=~"pending|firing"}`)).length > 0;
  const reported = (reason: string, node: string): boolean =>
    world.events
      .values()
      .some(
        (event) =>
          event.reason === reason && event.involvedObject.kind === "Node" && event.involvedObject.name === node,
      );

  await t.test("a healthy mesh: everything is probed in both families, and nothing is lost", async (t) => {
    for (const [own, other, node] of [
      [one, two, second],
      [two, one, first],
    ] as const) {
      const pods = addressesOf(other).map((ip) =>
        grows(own, 3, "pinger_pod_ping_count_total", `target_pod_ip="${ip}"`),
      );
      await Promise.all(pods);
      // Not always at once: on a busy machine the other prober may answer a datagram too late.
      await until(`a time in which ${own.spec.nodeName} loses nothing`, 120_000, async () => {
        const before = await metricsOf(own);
        await Promise.all([
          ...Object.values(addressOf(node)).map((ip) => grows(own, 3, "pinger_node_ping_count_total", `"${ip}"`)),
          ...Object.values(addressOf(OUTSIDE)).map((ip) =>
            grows(own, 3, "weft_pinger_external_ping_count_total", `target_address="${ip}"`),
          ),
          ...["tcp", "udp"].flatMap((protocol) =>
            ["IPv4", "IPv6"].map((family) =>
              grows(own, 1, "weft_pinger_port_count_total", `"${protocol}"`, `"${family}"`),
            ),
          ),
        ]);
        const after = await metricsOf(own);
        return LOSSES.every((lost) => figure(after, lost) === figure(before, lost));
      });
      const after = await metricsOf(own);
      for (const healthy of ["pinger_apiserver_healthy", "pinger_internal_dns_healthy", "pinger_external_dns_healthy"])
        t.equal(figure(after, healthy), 1, healthy);
      t.ok(figure(after, "pinger_pod_ping_latency_ms_count") > 0);
    }
    t.equal((await ask("pinger_ovs_up == 1 and pinger_ovn_controller_up == 1")).length, 1);
    t.same(await ask('ALERTS{alertname=~"WeftPods.*|WeftNodesUnreachable|WeftDnsFails|WeftApiServerUnreachable"}'), []);
  });

  await t.test("a probers' pod has no capability and is not root", async (t) => {
    const { stdout } = await world.lab.kubectl([
      ...["-n", "kube-system", "exec", one.metadata.name, "--", "grep", "-E", "^(Uid|CapEff|CapBnd)", "/proc/1/status"],
    ]);
    t.match(stdout, /Uid:\s+65534/);
    t.match(stdout, /CapEff:\s+0+\n/);
    t.match(stdout, /CapBnd:\s+0+\n/);
  });

  await t.test("a prober's pod meets the Pod Security Standard restricted", async (t) => {
    await useNamespace(t, world, NAME);
    const { kubectl } = world.lab;
    await kubectl(["label", "namespace", NAME, "pod-security.kubernetes.io/enforce=restricted"]);
    const shown = await kubectl(["-n", "kube-system", "get", "daemonset/kube-ovn-pinger", "--output=json"]);
    const {
      serviceAccountName: _,
      serviceAccount: __,
      ...spec
    } = (JSON.parse(shown.stdout) as Thing).spec.template.spec;
    const create = ["-n", NAME, "create", "--dry-run=server", "--filename=-"];
    const pod = (spec: object): string =>
      JSON.stringify({ apiVersion: "v1", kind: "Pod", metadata: { name: NAME }, spec });
    await kubectl(create, { input: pod(spec) });
    const { stderr } = await kubectl(create, { input: pod({ ...spec, hostPID: true }), allowFailure: true });
    t.match(stderr, /violates PodSecurity/, "another one is refused");
  });

  await t.test("a node whose tunnels are cut: its pods and its addresses are lost, the own node is not", async (t) => {
    const end = await cutTunnels(t, world, second);
    await grows(one, 12, "pinger_pod_ping_lost_total", `target_node_name="${second}"`);
    await until("the alert has begun", 150_000, () => firing("WeftPodsUnreachable"), 1_000);
    await until("the Event", 30_000, async () => reported("ProbePodsFailed", first), 200);
    const lostTo = async (node: string): Promise<number> =>
      figure(await metricsOf(one), "pinger_node_ping_lost_total", `target_node_ip="${addressOf(node).v4}"`);
    const [own, other] = [await lostTo(first), await lostTo(second)];
    await grows(one, 3, "pinger_node_ping_count_total", `target_node_ip="${addressOf(second).v4}"`);
    t.ok((await lostTo(second)) > other, "pods reach another node's address through the tunnel");
    t.ok((await lostTo(first)) - own < 3, "the own node answers");
    await end();
    await until("the Event of the end", 60_000, async () => reported("ProbesSucceeded", first), 200);
  });

  await t.test("one prober that is cut off: the others lose it alone", async (t) => {
    const exec = inPod(two);
    const chain = `chain c { type filter hook input priority 0; policy accept; iifname "eth0" ip protocol icmp drop; }`;
    await exec(["nft", `table inet ${NAME} { ${chain}; }`]);
    const end = (): Promise<unknown> => exec(["nft", "delete", "table", "inet", NAME]);
    const [v4, v6] = addressesOf(two);
    await grows(one, 9, "pinger_pod_ping_lost_total", `target_pod_ip="${v4}"`);
    const before = figure(await metricsOf(one), "pinger_pod_ping_lost_total", `target_pod_ip="${v6}"`);
    await grows(one, 3, "pinger_pod_ping_count_total", `target_pod_ip="${v6}"`);
    const text = await metricsOf(one);
    t.equal(figure(text, "pinger_pod_ping_lost_total", `target_pod_ip="${v6}"`), before, "only IPv4 is dropped");
    await end();
    const count = figure(await metricsOf(one), "pinger_pod_ping_latency_ms_count", `target_pod_ip="${v4}"`);
    t.ok(count > 0);
    await grows(one, 2, "pinger_pod_ping_latency_ms_count", `target_pod_ip="${v4}"`);
  });

  await t.test("without the cluster's DNS names are not resolved, and the alert says so", async (t) => {
    const scale = (replicas: number) =>
      world.lab.kubectl(["-n", "kube-system", "scale", "deployment/coredns", `--replicas=${replicas}`]);
    t.teardown(async () => {
      await scale(2);
      await world.lab.kubectl(["-n", "kube-system", "rollout", "status", "deployment/coredns", "--timeout=120s"]);
    });
    await scale(0);
    await until(
      "DNS is unhealthy",
      90_000,
      async () => figure(await metricsOf(one), "pinger_internal_dns_healthy") === 0,
      500,
    );
    await until("the alert has begun", 30_000, () => firing("WeftDnsFails"), 500);
    t.equal(figure(await metricsOf(one), "pinger_apiserver_healthy"), 1, "the API server still answers");
    await scale(2);
    await until(
      "DNS is healthy",
      120_000,
      async () => figure(await metricsOf(one), "pinger_internal_dns_healthy") === 1,
      500,
    );
  });
});
