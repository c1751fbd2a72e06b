// SPDX-License-Identifier: Apache-2.0

import t, { type Test } from "tap";
import { deploy } from "../../../hack/deploy/deploy.ts";
import { createProgress } from "../../../hack/host/progress.ts";
import { until } from "../../../hack/lab/wait.ts";
import { http, urlHost } from "../../../hack/traffic/probe.ts";
import { NETWORK_POLICIES } from "../../../src/kube/resources.ts";
import type {
  FindAnswer,
  Me,
  Overview,
  Page,
  PlanAnswer,
  PodRow,
  ReachAnswer,
  Topology,
} from "../../../src/page/contract.ts";
import { addressesOf, idlePod, inPod, run, useNamespace, webPod } from "../testing/pods.ts";
import { weftctlUi } from "../testing/weftctl-ui.ts";
import { openWorld, type World, whyNoLab } from "../testing/world.ts";

const NAME = "weft-page-test";

/** `weftctl ui`, until the end of the test: what a browser that opens its URL is answered. */
async function ui(
  t: Test,
  world: World,
  ...args: readonly string[]
): Promise<(path: string, init?: object) => Promise<Response>> {
  const url = await weftctlUi(t, world, ...args);
  const login = await fetch(url, { redirect: "manual" });
  const cookie = login.headers.get("set-cookie")?.split(";")[0] ?? "";
  return (path, init = {}) => fetch(new URL(path, url), { ...init, headers: { cookie, "x-weft-page": "1" } });
}

/** The events of a stream, as they come. */
async function follow(t: Test, ask: (path: string, init?: object) => Promise<Response>): Promise<() => string> {
  const end = new AbortController();
  t.teardown(() => end.abort());
  const response = await ask("/api/v1/events", { signal: end.signal });
  let text = "";
  const read = async (): Promise<void> => {
    for await (const part of response.body ?? []) text += Buffer.from(part).toString();
  };
  read().catch(() => undefined);
  return () => text;
}

t.test(
  "weftctl ui shows an administrator the cluster and a tenant their namespace, live, and the answers about reach hold for packets",
  { skip: whyNoLab(), timeout: 900_000 },
  async (t) => {
    const world = await openWorld(t);
    await deploy(world.lab, createProgress(), { set: ["page.enabled=true"] });
    t.teardown(() => deploy(world.lab, createProgress()));
    const namespace = await useNamespace(t, world, NAME);
    const [server, client] = await run(world, [
      webPod(namespace, "server", "weft-2"),
      idlePod(namespace, "client", "weft-1"),
    ]);
    if (server === undefined || client === undefined) throw new Error("a pod is missing");
    const json = async <T>(answer: Promise<Response>): Promise<T> => (await (await answer).json()) as T;

    const admin = await ui(t, world);
    const index = await admin("/");
    t.equal(index.status, 200);
    t.match(await index.text(), /<script[^>]+src="assets\//);
    t.match(await json<Me>(admin("/api/v1/me")), {
      user: "system:serviceaccount:kube-system:weft-ui",
      clusterWide: true,
    });
    const { counts, parts, leader } = await json<Overview>(admin("/api/v1/overview"));
    t.match(counts, { nodes: 2, nodesReady: 2, podsWaiting: 0 });
    t.equal(parts.length, 4);
    t.type(leader.name, "string");
    const { nodes } = await json<Topology>(admin("/api/v1/topology"));
    t.ok(nodes.some(({ id }) => id === "vpc/ovn-cluster"));
    t.equal((await fetch(new URL("/api/v1/me", index.url))).status, 403, "without the key");

    const kubectl = (...args: readonly string[]) => world.lab.kubectl(["-n", namespace, ...args]);
    await kubectl("create", "serviceaccount", "viewer");
    await kubectl(
      "create",
      "rolebinding",
      "viewer",
      `--serviceaccount=${namespace}:viewer`,
      "--clusterrole=weft-page-reader",
    );
    const tenant = await ui(t, world, "--account", `${namespace}/viewer`);
    t.match(await json<Me>(tenant("/api/v1/me")), { clusterWide: false, namespaces: [namespace] });
    const pods = await json<Page<PodRow>>(tenant("/api/v1/pods"));
    t.strictSame(
      pods.items.map(({ name }) => name),
      ["client", "server"],
    );
    t.equal((await tenant("/api/v1/pods/kube-system/none")).status, 404);
    const [address] = addressesOf(server);
    t.match(await json<FindAnswer>(tenant(`/api/v1/find?q=${address}`)), {
      hits: [{ kind: "Pod", name: "server" }, {}],
    });
    const [coredns] = (await json<Page<PodRow>>(admin("/api/v1/pods?namespace=kube-system"))).items;
    if (coredns !== undefined)
      t.strictSame((await json<FindAnswer>(tenant(`/api/v1/find?q=${coredns.name}`))).hits, []);

    const question = `from=${namespace}/client&to=${namespace}/server&protocol=tcp&port=8080`;
    const reach = (ask: typeof admin) => json<ReachAnswer>(ask(`/api/v1/reach?${question}`));
    const passes = async (): Promise<boolean> =>
      (await http(inPod(client), `http://${urlHost(address)}:8080/hostname`)).ok;
    const told = await follow(t, tenant);
    await until("the first event", 10_000, async () => told().includes("event: reset"));
    t.equal((await reach(tenant)).verdict, "allowed");
    t.ok(await passes());
    const closed = {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { namespace, name: "closed" },
      spec: { podSelector: {}, policyTypes: ["Ingress"] },
    };
    const plan = await json<PlanAnswer>(
      tenant(`/api/v1/plan?namespace=${namespace}`, { method: "POST", body: JSON.stringify(closed) }),
    );
    t.match(plan.totals, { losing: 2, gaining: 0, pairs: 2 });
    t.ok(await passes(), "a plan applies nothing");
    await world.kube.create(NETWORK_POLICIES, { metadata: closed.metadata, spec: closed.spec });
    await until("the tenant is told of the policy", 20_000, async () => /event: change\n.*\n.*"closed"/.test(told()));
    await until("the page says that it is denied", 20_000, async () => (await reach(tenant)).verdict === "denied");
    for (const ask of [admin, tenant]) t.match((await reach(ask)).paths[0]?.droppedBy, "closed");
    await until("packets are dropped", 20_000, async () => !(await passes()));
  },
);
