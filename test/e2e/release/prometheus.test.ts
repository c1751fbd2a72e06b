// SPDX-License-Identifier: Apache-2.0

import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { parse } from "yaml";
import { ROOT } from "../../../hack/build/npm.ts";
import { addressOf } from "../../../hack/lab/topology.ts";
import { until } from "../../../hack/lab/wait.ts";
import { metricsIn } from "../../../hack/monitoring/testing/promql.ts";
import { http, urlHost } from "../../../hack/traffic/probe.ts";
import { IP_POOLS, NETWORK_POLICIES } from "../../../src/kube/resources.ts";
import { addressesOf, inPod, run, useNamespace, webPod } from "../testing/pods.ts";
import { probing } from "../testing/probing.ts";
import { metricsToken, RULES, startPrometheus } from "../testing/prometheus.ts";
import { judged, useSubnet } from "../testing/subnets.ts";
import { openWorld, type World, whyNoLab } from "../testing/world.ts";

const NAME = "weft-prometheus";

interface Rules {
  readonly groups: readonly {
    readonly rules: readonly { readonly record?: string; readonly alert?: string; readonly expr: string }[];
  }[];
}

/** Every query of the dashboards and rules, with Grafana's variables filled in. Of an alert only the metrics that it reads, because it has no value unless it fires. */
function queries(): readonly (readonly [where: string, query: string])[] {
  const rules = (parse(readFileSync(RULES, "utf8")) as Rules).groups.flatMap((group) => group.rules);
  const ofRules = rules.flatMap(({ record, alert, expr }) =>
    record === undefined
      ? metricsIn(expr).map(({ name }) => [alert ?? "", name] as const)
      : [[record, expr] as const, [record, record] as const],
  );
  const ofDashboards = globSync("charts/weft/monitoring/dashboards/*.json", { cwd: ROOT }).flatMap((file) => {
    const { panels } = JSON.parse(readFileSync(join(ROOT, file), "utf8")) as {
      readonly panels: readonly { readonly title: string; readonly targets: readonly { readonly expr: string }[] }[];
    };
    return panels.flatMap(({ title, targets }) =>
      targets.map(({ expr }) => {
        const query = expr.replaceAll("$instance", ".*").replaceAll("$__rate_interval", "1m");
        return [`${file}, ${title}`, query] as const;
      }),
    );
  });
  return [...ofRules, ...ofDashboards];
}

/** Each process says whom it has refused, and why. */
async function refusalsAreLogged(t: Test, world: World): Promise<void> {
  for (const app of ["kube-ovn-controller", "kube-ovn-cni", "kube-ovn-pinger"] as const)
    for (const { metadata, spec } of world.own(app)) {
      const { stdout } = await world.lab.kubectl(["-n", "kube-system", "logs", metadata.name]);
      for (const refusal of ["unauthenticated", "forbidden"])
        t.match(
          stdout,
          new RegExp(`"refusal":"${refusal}","from":"[^"]+".*refused a request`),
          `${app} on ${spec.nodeName}`,
        );
    }
}

t.test(
  "Prometheus scrapes a lab, and every query of the dashboards and rules returns data",
  { skip: whyNoLab() },
  async (t) => {
    const world = await openWorld(t);
    const [first = ""] = world.lab.nodes;
    const { exec } = world.lab.node(first);
    await probing(t, world, ["flows.enabled=true"]);
    const ownTargets = [
      ...world.lab.nodes.map((node) => `${addressOf(node).v4}:10665`),
      ...world.own("kube-ovn-controller").map(({ spec }) => `${addressOf(spec.nodeName).v4}:10660`),
    ];
    const probers = world.own("kube-ovn-pinger").map((pod) => `${addressesOf(pod)[0]}:8080`);
    t.equal(probers.length, world.lab.nodes.length, "a prober on each node");
    const targets = [...ownTargets, ...probers];
    const ask = startPrometheus(t, world, [
      { name: "weft", token: await metricsToken(world, t, NAME, true), targets },
      { name: "without rights", token: await metricsToken(world, t, `${NAME}-stranger`, false), targets },
      { name: "without a token", token: undefined, targets },
    ]);
    await until("all targets are up", 60_000, async () => (await ask("up == 1")).length === targets.length, 500);
    t.equal((await ask('up{job="weft"} == 1')).length, targets.length, "with the token of an account that may");
    await until(
      "the others are refused",
      30_000,
      async () => (await ask("up == 0")).length === 2 * targets.length,
      500,
    );
    await refusalsAreLogged(t, world);

    // Series that need some activity: CNI requests, a centralized subnet, a restore.
    await useSubnet(t, world, NAME, { cidrBlock: "10.79.0.0/24", gatewayType: "centralized", gatewayNode: first });
    await judged(world, NAME);
    const pool = { metadata: { name: NAME }, spec: { subnet: NAME, ips: ["10.79.0.50..10.79.0.60"] } };
    await world.kube.create(IP_POOLS, pool);
    t.teardown(() => world.kube.delete(IP_POOLS, { name: NAME }));
    await useNamespace(t, world, NAME);
    const [one] = await run(world, [webPod(NAME, "one", first)]);
    // A counter that begins at 1 has no rate: only increments after the first scrape are visible.
    await until("the first ADD is scraped", 20_000, async () => {
      const instance = `${addressOf(first).v4}:10665`;
      return (await ask(`cni_op_latency_seconds_count{method="add",instance="${instance}"} > 0`)).length > 0;
    });
    const [two] = await run(world, [webPod(NAME, "two", first)]);
    if (one === undefined || two === undefined) throw new Error("a pod is missing");
    await world.kube.create(NETWORK_POLICIES, {
      metadata: { namespace: NAME, name: "only-two" },
      spec: {
        podSelector: { matchLabels: { app: "one" } },
        policyTypes: ["Ingress"],
        ingress: [{ from: [{ podSelector: { matchLabels: { app: "two" } } }], ports: [{ port: 8080 }] }],
      },
    });
    /** Connections that the policy allows and drops. */
    const connect = (): Promise<unknown> =>
      Promise.all(
        [8080, 8081].map((port) => http(inPod(two), `http://${urlHost(addressesOf(one)[0])}:${port}/hostname`)),
      );
    const { stdout: own } = await exec(["ip", "-4", "-o", "addr", "show", "dev", "ovn0"]);
    const address = /inet (\S+)/.exec(own)?.[1] ?? "";
    await exec(["ip", "addr", "del", address, "dev", "ovn0"]);
    await until("the address is restored", 20_000, async () =>
      (await exec(["ip", "-4", "-o", "addr", "show", "dev", "ovn0"])).stdout.includes(address),
    );

    // A standalone server of a database is not a member of a cluster.
    const clustered = world.own("ovn-central").length > 1;
    const isOfCluster = (query: string): boolean => /kube_ovn_cluster_(?!enabled)/.test(query);
    let left = queries().filter(([, query]) => clustered || !isOfCluster(query));
    t.ok(left.length > 80, `${left.length} queries`);
    const started = Date.now();
    // A rate needs two scrapes, a recording rule one more evaluation.
    while (left.length > 0 && Date.now() - started < 60_000) {
      await connect();
      const still: (typeof left)[number][] = [];
      for (const [where, query] of left) if ((await ask(query)).length === 0) still.push([where, query]);
      left = still;
    }
    t.same(left, [], "queries without data");
    const pair = `source_namespace="${NAME}",destination_namespace="${NAME}",direction="ingress"`;
    for (const verdict of ["allowed", "dropped"])
      t.equal(
        (await ask(`weft_flow_sampled_packets_total{${pair},verdict="${verdict}"} > 0`)).length,
        1,
        `flows that are ${verdict}`,
      );
    if (!clustered) t.same(await ask("kube_ovn_cluster_enabled == 1"), []);
    t.equal((await ask('count(ALERTS{alertstate="firing"}) or vector(0)')).length, 1);
    const sizes = await ask("kube_ovn_db_file_size_bytes > 1000");
    t.equal(sizes.length, 2 * (clustered ? 3 : 1), "sizes of both databases");
  },
);
