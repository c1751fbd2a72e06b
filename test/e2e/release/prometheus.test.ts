// SPDX-License-Identifier: Apache-2.0

import { globSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { parse } from "yaml";
import { ROOT } from "../../../hack/build/npm.ts";
import { findCommand } from "../../../hack/host/cache.ts";
import { addressOf } from "../../../hack/lab/topology.ts";
import { until } from "../../../hack/lab/wait.ts";
import { metricsIn } from "../../../hack/monitoring/testing/promql.ts";
import { IP_POOLS } from "../../../src/kube/resources.ts";
import { run, useNamespace, webPod } from "../testing/pods.ts";
import { judged, useSubnet } from "../testing/subnets.ts";
import { openWorld, type World, whyNoLab } from "../testing/world.ts";

const NAME = "weft-prometheus";
const READER = "weft-metrics-reader";
const PORT = 19_090;
const RULES = join(ROOT, "charts/weft/monitoring/rules.yaml");

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

/** A token of a new account that may read metrics, or has no rights. */
async function tokenOf(world: World, t: Test, mayRead: boolean): Promise<string> {
  const account = mayRead ? NAME : `${NAME}-stranger`;
  const { kubectl } = world.lab;
  await kubectl(["-n", "kube-system", "create", "serviceaccount", account]);
  t.teardown(() => kubectl(["-n", "kube-system", "delete", "serviceaccount", account]));
  if (mayRead) {
    const subject = [`--clusterrole=${READER}`, `--serviceaccount=kube-system:${account}`];
    await kubectl(["create", "clusterrolebinding", NAME, ...subject]);
    t.teardown(() => kubectl(["delete", "clusterrolebinding", NAME]));
  }
  return (await kubectl(["-n", "kube-system", "create", "token", account])).stdout.trim();
}

/** Each process says whom it has refused, and why. */
async function refusalsAreLogged(t: Test, world: World): Promise<void> {
  for (const app of ["kube-ovn-controller", "kube-ovn-cni"] as const)
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
    const prometheus = findCommand("prometheus");
    t.ok(prometheus, "Debian's package prometheus is installed");
    const world = await openWorld(t);
    const [first = ""] = world.lab.nodes;
    const { exec } = world.lab.node(first);
    const targets = [
      ...world.lab.nodes.map((node) => `${addressOf(node).v4}:10665`),
      ...world.own("kube-ovn-controller").map(({ spec }) => `${addressOf(spec.nodeName).v4}:10660`),
    ];
    const folder = t.testdir({});
    writeFileSync(
      join(folder, "prometheus.yml"),
      JSON.stringify({
        global: { scrape_interval: "1s", evaluation_interval: "1s", external_labels: { cluster: "lab" } },
        rule_files: [RULES],
        scrape_configs: [
          ["weft", await tokenOf(world, t, true)],
          ["without rights", await tokenOf(world, t, false)],
          ["without a token", undefined],
        ].map(([job_name, credentials]) => ({
          ...{ job_name, scheme: "https", tls_config: { insecure_skip_verify: true }, static_configs: [{ targets }] },
          ...(credentials !== undefined && { authorization: { credentials } }),
        })),
      }),
    );
    const ended = exec(
      [
        ...["timeout", "300", prometheus ?? "", `--config.file=${join(folder, "prometheus.yml")}`],
        ...[`--storage.tsdb.path=${join(folder, "data")}`, `--web.listen-address=127.0.0.1:${PORT}`],
        ...["--web.enable-lifecycle", "--log.level=warn"],
      ],
      { allowFailure: true, timeoutMs: 310_000 },
    );
    t.teardown(async () => {
      await exec(["curl", "-sS", "-X", "POST", `http://127.0.0.1:${PORT}/-/quit`], { allowFailure: true });
      await ended;
    });
    const ask = async (query: string): Promise<readonly unknown[]> => {
      const url = `http://127.0.0.1:${PORT}/api/v1/query`;
      const { stdout } = await exec(["curl", "-sS", "-G", "--data-urlencode", `query=${query}`, url], {
        allowFailure: true,
      });
      if (stdout === "") return [];
      const { status, data, error } = JSON.parse(stdout) as {
        readonly status: string;
        readonly error?: string;
        readonly data?: { readonly result: readonly unknown[] };
      };
      if (status !== "success") throw new Error(`${query}: ${error}`);
      return data?.result ?? [];
    };
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
    await run(world, [webPod(NAME, "one", first)]);
    // A counter that begins at 1 has no rate: only increments after the first scrape are visible.
    await until("the first ADD is scraped", 20_000, async () => {
      const instance = `${addressOf(first).v4}:10665`;
      return (await ask(`cni_op_latency_seconds_count{method="add",instance="${instance}"} > 0`)).length > 0;
    });
    await run(world, [webPod(NAME, "two", first)]);
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
      const still: (typeof left)[number][] = [];
      for (const [where, query] of left) if ((await ask(query)).length === 0) still.push([where, query]);
      left = still;
    }
    t.same(left, [], "queries without data");
    if (!clustered) t.same(await ask("kube_ovn_cluster_enabled == 1"), []);
    t.equal((await ask('count(ALERTS{alertstate="firing"}) or vector(0)')).length, 1);
    const sizes = await ask("kube_ovn_db_file_size_bytes > 1000");
    t.equal(sizes.length, 2 * (clustered ? 3 : 1), "sizes of both databases");
  },
);
