// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { samplePoint } from "../../api/sampling.ts";
import { factStore } from "../../kinds/store.ts";
import { NETWORK_POLICIES, PODS } from "../../kube/resources.ts";
import { FlowNames } from "../../reachability/flows.ts";
import { buildClusterModel, readObjects } from "../cluster-model.ts";
import { SampleCluster } from "../testing/sample-cluster.ts";
import { serveCluster, startWeftctl } from "../testing/served-cluster.ts";
import type { ToolTarget } from "../tools/targets.ts";
import { flowsCommand, RecentNames } from "./command.ts";

async function shop() {
  const cluster = await SampleCluster.make();
  for (const node of ["weft-1", "weft-2"])
    await cluster.add(PODS, {
      metadata: { namespace: "kube-system", name: `cni-${node}`, labels: { app: "kube-ovn-cni" } },
      spec: {
        ...{ nodeName: node, hostNetwork: true },
        containers: [{ name: "cni-server", livenessProbe: { httpGet: { port: 20_666 } } }],
      },
    });
  await cluster.pod("default/web", { app: "web" });
  await cluster.pod("other/api", { app: "api" });
  await cluster.add(NETWORK_POLICIES, {
    metadata: { namespace: "default", name: "web" },
    spec: { podSelector: {}, ingress: [{ ports: [{ port: 80 }] }] },
  });
  const model = buildClusterModel(await readObjects(cluster.kube));
  const acl = [...model.fragments.values()]
    .flatMap(({ rows }) => rows)
    .find(({ label }) => label.startsWith("np/default/web/ingress/0"));
  const address = (holder: string): string => model.facts.by("ips", "holder", holder)[0]?.v4 ?? "";
  const flow = {
    sequence: 4,
    point: samplePoint(acl?.label ?? ""),
    from: address("other/api"),
    to: address("default/web"),
    protocol: 6,
    port: 80,
    first: 1_000,
    last: 2_000,
    packets: 3,
  };
  return { cluster, flow };
}

t.test("flows of all nodes are listed with names, each once", async (t) => {
  const { cluster, flow } = await shop();
  const asked: string[] = [];
  const capture = async ({ pod, container, command }: ToolTarget): Promise<string> => {
    asked.push(`${pod}/${container} ${command.at(-1)}`);
    const flows = pod === "cni-weft-1" && command.at(-1)?.endsWith("since=0") ? [flow] : [];
    return JSON.stringify({ enabled: true, sequence: flows.length > 0 ? 4 : 7, dropped: 0, flows });
  };
  const seen = new Map<string, number>();
  const ask = (question: object = {}) =>
    flowsCommand(cluster.kube, "kube-system", { most: 10, ...question }, seen, capture);
  const { text, ok, data } = await ask();
  t.ok(ok);
  t.match(
    text,
    /1970-01-01T00:00:02Z +other\/api \(10\..*\) +default\/web \(10\..*\) +TCP\/80 +allowed +ingress of np\/default\/web, rule ingress\/0 +3\n/,
  );
  t.equal(data.flows.length, 1);
  t.same(
    seen,
    new Map([
      ["weft-1", 4],
      ["weft-2", 7],
    ]),
  );
  t.notMatch((await ask()).text, /other/);
  t.ok(asked.includes("cni-weft-1/cni-server http://127.0.0.1:20666/debug/flows?since=4"));
  for (const [question, count] of [
    [{ namespace: "other" }, 1],
    [{ namespace: "absent" }, 0],
    [{ dropped: true }, 0],
  ] as const) {
    seen.clear();
    t.equal((await ask(question)).data.flows.length, count, JSON.stringify(question));
  }
});

t.test(
  "a node that does not answer, or with something else, is left out; where nothing is sampled, that is said",
  async (t) => {
    const { cluster } = await shop();
    const answers: Readonly<Record<string, string>> = {
      "cni-weft-1": "not JSON",
      "cni-weft-2": '{"flows":[{"sequence":1}]}',
    };
    const { ok, warnings } = await flowsCommand(
      cluster.kube,
      "kube-system",
      { most: 10 },
      new Map(),
      async ({ pod }) => answers[pod] ?? "",
    );
    t.notOk(ok);
    t.match(warnings?.toSorted(), [
      /^node weft-1 is left out: /,
      /^node weft-2 is left out: its answer has a flow without point/,
    ]);
    const off = async (): Promise<string> => '{"enabled":false,"sequence":0,"dropped":0,"flows":[]}';
    await t.rejects(flowsCommand(cluster.kube, "kube-system", { most: 10 }, new Map(), off), {
      message: "no node samples flows: set the chart's value flows.enabled to true",
    });
  },
);

t.test("while flows are followed, objects are not listed each time", async (t) => {
  const { cluster, flow } = await shop();
  let [reads, now] = [0, 0];
  const names = new RecentNames(
    async () => {
      reads++;
      return new FlowNames(factStore(), []);
    },
    () => now,
  );
  const capture = async (): Promise<string> =>
    JSON.stringify({ enabled: true, sequence: 4, dropped: 0, flows: [flow] });
  for (; now <= 20_000; now += 2_000)
    await flowsCommand(cluster.kube, "kube-system", { most: 10 }, new Map(), capture, names);
  t.equal(reads, 2);
});

t.test("while flows are followed, answers without new flows are not printed", async (t) => {
  const { promise: askedAgain, resolve } = Promise.withResolvers<void>();
  let answers = 0;
  const cluster = await serveCluster(t, {
    streams: {
      exec(running) {
        running.stdout('{"enabled":true,"sequence":0,"dropped":0,"flows":[]}');
        running.exit(0);
        if (++answers === 3) resolve();
      },
    },
  });
  const running = startWeftctl(cluster, "flows", "--follow", "-o", "json");
  await askedAgain;
  running.kill("SIGTERM");
  const { out, err } = await running.ended;
  t.same([JSON.parse(out), err], [{ flows: [] }, ""]);
});
