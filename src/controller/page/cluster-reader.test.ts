// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { KubeError } from "../../kube/errors.ts";
import type { Kube, ListOptions } from "../../kube/kube.ts";
import { EVENTS } from "../../kube/resources.ts";
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
