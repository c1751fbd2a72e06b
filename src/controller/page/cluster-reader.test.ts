// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { KubeError } from "../../kube/errors.ts";
import type { Kube, ListOptions } from "../../kube/kube.ts";
import { DAEMON_SETS, DEPLOYMENTS, EVENTS } from "../../kube/resources.ts";
import type { Lease } from "../../kube/types.ts";
import { ClusterReader } from "./cluster-reader.ts";

const NOW = Date.parse("2026-01-01T12:00:00Z");

function event(index: number, component: string) {
  const at = new Date(NOW - 1_000_000 + index * 1_000).toISOString();
  return {
    metadata: { name: `web.${String(index).padStart(5, "0")}`, namespace: "shop" },
    involvedObject: { kind: "Pod", namespace: "shop", name: "web" },
    source: { component },
    ...{ type: "Warning", reason: `Reason${index}`, message: "text", lastTimestamp: at },
  };
}

/** A reader of an API server that lists Events by name, up to `limit`, as Kubernetes does. */
function rig(events: readonly ReturnType<typeof event>[]) {
  let [now, asked] = [0, 0];
  const kube = {
    async list(type: unknown, { fieldSelector = "", limit = 0 }: ListOptions) {
      if (type !== EVENTS) return { items: [] };
      asked++;
      const component = /source=([^,]+)/.exec(fieldSelector)?.[1];
      const found = events.filter(({ source }) => component === undefined || source.component === component);
      return { items: found.slice(0, limit), ...(found.length > limit && { continue: "more" }) };
    },
    async get(): Promise<never> {
      throw new KubeError("not-found", "none");
    },
  } as unknown as Kube;
  const reader = new ClusterReader(kube, { now: () => now, wall: () => NOW }, "kube-system");
  return { reader, asked: () => asked, pass: (ms: number) => (now += ms) };
}

const WEB = { kind: "Pod", namespace: "shop", name: "web" };

t.test("the Events of an object are the last ones, however many there are", async (t) => {
  const { reader } = rig(Array.from({ length: 60 }, (_, i) => event(i, "kubelet")));
  const events = await reader.eventsOf(WEB);
  t.equal(events.length, 20);
  t.equal(events[0]?.reason, "Reason59");
});

t.test("the Events of an object are read once in some seconds, however often they are asked for", async (t) => {
  const { reader, asked, pass } = rig([event(1, "kubelet")]);
  for (let i = 0; i < 5; i++) t.equal((await reader.eventsOf(WEB)).length, 1);
  t.equal(asked(), 1);
  pass(10_001);
  await reader.eventsOf(WEB);
  t.equal(asked(), 2);
});

t.test("failing probes are shown until the node's probes succeed, or until it is overdue for its repeat", async (t) => {
  const probe = (index: number, node: string, reason: string, minutes: number) => ({
    ...event(index, "kube-ovn-pinger"),
    involvedObject: { kind: "Node", namespace: "", name: node },
    ...{ type: reason === "ProbesSucceeded" ? "Normal" : "Warning", reason },
    lastTimestamp: new Date(NOW - minutes * 60_000).toISOString(),
  });
  const events = [
    ...[probe(1, "a", "ProbePodsFailed", 4), probe(2, "a", "ProbesSucceeded", 7)],
    ...[probe(3, "b", "ProbePodsFailed", 4), probe(4, "b", "ProbesSucceeded", 3)],
    probe(5, "c", "ProbeDnsFailed", 11),
  ];
  const { warnings } = await rig(events).reader.state();
  t.strictSame(
    warnings.map(({ about, reason }) => `${about.name} ${reason}`),
    ["a ProbePodsFailed"],
  );
});

t.test("warnings of Weft are found among thousands of others, and it is said where there are too many", async (t) => {
  const others = Array.from({ length: 1_500 }, (_, i) => event(i, "kubelet"));
  const { warnings, eventsProblem } = await rig([...others, event(2_000, "kube-ovn-controller")]).reader.state();
  t.match(warnings, [{ reason: "Reason2000", about: WEB }]);
  t.equal(eventsProblem, undefined);
  const many = Array.from({ length: 1_001 }, (_, i) => event(i, "kube-ovn-cni"));
  t.match((await rig(many).reader.state()).eventsProblem, /more warnings/);
});

/** A reader of an API server with these workloads and this Lease. */
function stateOf({
  lists = new Map(),
  lease,
}: {
  lists?: ReadonlyMap<unknown, readonly object[]>;
  lease?: Lease["spec"];
}) {
  const kube = {
    list: async (type: unknown) => ({ items: lists.get(type) ?? [] }),
    async get(): Promise<object> {
      if (lease === undefined) throw new KubeError("not-found", "none");
      return { metadata: { name: "kube-ovn-controller" }, spec: lease };
    },
  } as unknown as Kube;
  return new ClusterReader(kube, { now: () => 0, wall: () => NOW }, "kube-system").state();
}

t.test("the parts of Weft are shown with how many of their pods are ready, and other workloads are not", async (t) => {
  const workload = (name: string, spec: object, status: object | undefined) => ({ metadata: { name }, spec, status });
  const { parts } = await stateOf({
    lists: new Map([
      [
        DEPLOYMENTS,
        [
          workload("ovn-central", { replicas: 3 }, { readyReplicas: 2 }),
          workload("kube-ovn-controller", { replicas: 2 }, undefined),
          workload("coredns", { replicas: 2 }, { readyReplicas: 2 }),
        ],
      ],
      [DAEMON_SETS, [workload("kube-ovn-cni", {}, { desiredNumberScheduled: 5, numberReady: 4 })]],
    ]),
  });
  t.strictSame(parts, [
    { kind: "Deployment", name: "ovn-central", wanted: 3, ready: 2 },
    { kind: "Deployment", name: "kube-ovn-controller", wanted: 2, ready: 0 },
    { kind: "DaemonSet", name: "kube-ovn-cni", wanted: 5, ready: 4 },
  ]);
});

t.test("the leader is the one that renews its Lease; otherwise it is said what is known", async (t) => {
  const renewed = (secondsAgo: number) => new Date(NOW - secondsAgo * 1_000).toISOString();
  const lease = { holderIdentity: "controller-1", leaseDurationSeconds: 30 } as const;
  t.strictSame((await stateOf({ lease: { ...lease, renewTime: renewed(10) } })).leader, { name: "controller-1" });
  const late = await stateOf({ lease: { ...lease, renewTime: renewed(31) } });
  t.match(late.leader, { problem: /controller-1 has not renewed its Lease for 31 s/ });
  t.match((await stateOf({})).leader, { problem: /no controller has ever led/ });
  t.match((await stateOf({ lease: { ...lease, holderIdentity: "" } })).leader, {
    problem: /the last leader has released its Lease/,
  });
});

t.test("what the API server does not answer is left out, with the reason", async (t) => {
  const refuse = (): Promise<never> => Promise.reject(new KubeError("unavailable", "no connection"));
  const kube = { list: refuse, get: refuse } as unknown as Kube;
  const reader = new ClusterReader(kube, { now: () => 0, wall: () => NOW }, "kube-system");
  t.match(await reader.state(), {
    parts: [],
    warnings: [],
    leader: { problem: /the Lease of the leader cannot be read: .*no connection/ },
    eventsProblem: /Events cannot be read: .*no connection/,
  });
  t.strictSame(await reader.eventsOf(WEB), []);
});

t.test(
  "of an object's warnings with one reason the last one counts, and those of others and old ones do not",
  async (t) => {
    const ours = (seconds: number, more: object) => ({
      ...event(1_000 + seconds, "kube-ovn-cni"),
      reason: "Late",
      ...more,
    });
    const { warnings } = await rig([
      ours(-30, { message: "before" }),
      ours(-10, { message: "after" }),
      ours(-20, { reason: "two words" }),
      ours(-20, { reason: "Old", lastTimestamp: new Date(NOW - 3_700_000).toISOString() }),
      ours(-5, { reason: "OfNode", involvedObject: { kind: "Node", name: "weft-1" } }),
    ]).reader.state();
    t.match(warnings, [
      { reason: "OfNode", about: { kind: "Node", name: "weft-1" } },
      { reason: "Late", message: "after", about: WEB },
    ]);
    t.equal(warnings.length, 2);
  },
);
