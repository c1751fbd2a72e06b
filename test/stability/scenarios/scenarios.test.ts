// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { DEPLOYMENTS, NAMESPACES, NETWORK_POLICIES, PODS, SERVICES } from "../../../src/kube/resources.ts";
import type { LoadResult } from "../report/result.ts";
import { TestBed } from "../testing/bench.ts";

const task = (scenario: string, context = "namespace: , pods: , service: "): string => `title: test
runs:
  - name: one
    context: { ${context} }
    load: [{ scenario: { ${scenario} }, runner: { serial: { times: 4 } } }]
`;

async function loadOf(bench: TestBed, source: string): Promise<LoadResult | undefined> {
  const result = await bench.run(source);
  const [repeat] = result.runs[0]?.repeats ?? [];
  bench.said.push(...(repeat?.problems ?? []).map(({ code, text }) => `${code}: ${text}`));
  return repeat?.loads[0];
}

t.test("scenarios send their requests, and fail if no answer arrives", async (t) => {
  for (const [scenario, request] of [
    ["ping: ", { kind: "udp", address: "10.0.0.2", port: 8081, timeoutMs: 5_000 }],
    ["ping: { family: ipv6 }", { kind: "udp", address: "fd00::2", port: 8081 }],
    ["stream: ", { kind: "stream", address: "10.0.0.2", port: 8080, timeoutMs: 30_000 }],
    ["http: { timeout: 2 }", { kind: "http", address: "10.1.0.1", port: 80, timeoutMs: 2_000 }],
    ["dns: { name: x.y }", { kind: "dns", name: "x.y", server: "10.96.0.10" }],
  ] as const) {
    const bench = new TestBed(t);
    const dns = { metadata: { namespace: "kube-system", name: "kube-dns" }, spec: { clusterIPs: ["10.96.0.10"] } };
    await bench.target.fake.create(SERVICES, dns);
    const asked: unknown[] = [];
    bench.target.answers = (one) => asked.push(one) !== 2;
    const load = await loadOf(bench, task(scenario));
    t.match(load, { iterations: 4, failed: 1, errors: [{ text: "no answer", count: 1 }] }, scenario);
    t.match(asked[0], request, scenario);
    t.same(bench.target.done, ["prober stopped"]);
    t.same(bench.target.kube.objects(NAMESPACES), [], "the namespace is gone");
  }
});

t.test("a load begins when a request is answered: nodes learn of new endpoints after they are Ready", async (t) => {
  const bench = new TestBed(t);
  let asked = 0;
  bench.target.answers = () => ++asked > 3;
  t.match(await loadOf(bench, task("http: ")), { iterations: 4, failed: 0 });
  const deaf = new TestBed(t);
  deaf.target.answers = () => false;
  t.match(await loadOf(deaf, task("http: ")), { iterations: 4, failed: 4 });
});

t.test("a family that pods do not have is reported", async (t) => {
  const bench = new TestBed(t);
  const dns = { metadata: { namespace: "kube-system", name: "kube-dns" }, spec: { clusterIPs: ["10.96.0.10"] } };
  await bench.target.fake.create(SERVICES, dns);
  t.equal(await loadOf(bench, task("dns: { family: ipv6 }")), undefined);
  t.equal(bench.said.at(-1), "unsupported: Service kube-dns has no ipv6 address");
});

t.test("pods that are created and deleted are timed by their states", async (t) => {
  const bench = new TestBed(t);
  const load = await loadOf(bench, task("pod_churn: ", "namespace: "));
  t.match(load, { iterations: 4, failed: 0 });
  t.same(Object.keys(load?.actions ?? {}), ["create", "ready", "delete", "gone"]);
  t.same(bench.target.kube.objects(PODS), []);
});

t.test("policies close pods and open them again", async (t) => {
  const bench = new TestBed(t);
  const { kube } = bench.target;
  bench.target.answers = () => kube.objects(NETWORK_POLICIES).length === 0;
  const load = await loadOf(bench, task("policy_edits: "));
  t.match(load, { iterations: 4, failed: 0, actions: { closed: { count: 4 }, opened: { count: 4 } } });
  const deaf = new TestBed(t);
  const never = await loadOf(deaf, task("policy_edits: { timeout: 1 }"));
  t.match(never, { failed: 4, errors: [{ text: "the port was not closed within 1 s" }] });
  t.same(deaf.target.kube.objects(NETWORK_POLICIES), []);
});

t.test("the number of controllers is restored", async (t) => {
  const bench = new TestBed(t);
  const { fake } = bench.target;
  const metadata = { namespace: "kube-system", name: "kube-ovn-controller", labels: { app: "kube-ovn-controller" } };
  await fake.create(DEPLOYMENTS, { metadata, spec: { replicas: 1 } });
  for (const name of ["one", "two"]) await bench.target.kube.create(PODS, { metadata: { ...metadata, name } });
  await loadOf(bench, task("work: ", "controllers: "));
  t.match(fake.object(DEPLOYMENTS, metadata)?.spec, { replicas: 1 });
  const patches = fake.requests.filter(({ verb, type }) => verb === "patch" && type === DEPLOYMENTS).length;
  t.equal(patches, 2);
  t.equal(await loadOf(bench, task("work: ", "controllers: { replicas: 5 }")), undefined);
  t.match(bench.said.at(-1), "context: 5 controllers are more than 2 nodes can run");
});

t.test("scenarios between two pods require two pods", async (t) => {
  const bench = new TestBed(t);
  Object.assign(bench.target, { nodes: ["n1"] });
  await loadOf(bench, task("ping: "));
  t.match(bench.said.at(-1), "scenario: two pods are needed: two nodes, or pods: { each_node: 2 }");
});
