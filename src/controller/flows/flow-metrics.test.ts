// SPDX-License-Identifier: Apache-2.0

import { Registry } from "prom-client";
import t from "tap";
import { addNode } from "../../compile/testing/sample-facts.ts";
import { pageWorld, tenantName } from "../../page/testing/page-world.ts";
import type { FlowRule } from "../../reachability/flow-rules.ts";
import { FlowMetrics } from "./flow-metrics.ts";
import type { FlowChange } from "./flow-reader.ts";

const [A, B] = [tenantName(0), tenantName(1)];
const rule = (policy: string, verdict: FlowRule["verdict"]): FlowRule => ({
  ...{ verdict, at: "ingress", policy, rule: "ingress/0" },
});

function counted({ namespaces = 3, podsEach = 2 } = {}) {
  const facts = pageWorld({ namespaces, podsEach, nodes: 2 });
  addNode(facts, "weft-9", "172.18.0.9");
  const rules = new Map(
    Array.from({ length: namespaces }, (_, n) => [
      n + 1,
      [rule(`np/${tenantName(n)}/own`, n === 1 ? "dropped" : "allowed")],
    ]),
  );
  const waiting: (() => void)[] = [];
  const after = (_: number, callback: () => void) => {
    waiting.push(callback);
    return () => undefined;
  };
  const registry = new Registry();
  const metrics = new FlowMetrics(registry, { facts, rules: () => rules, clock: { after } });
  const address = (pod: string): string => {
    const [namespace = "", name = ""] = pod.split("/");
    return facts.get("ips", `${name}.${namespace}`)?.v4 ?? pod;
  };
  /** A flow to a pod, as its node reports it. */
  const change = (point: number, from: string, to: string, added: number): FlowChange => {
    const [namespace = "", name = ""] = to.split("/");
    const flow = {
      ...{ sequence: 1, point, from: address(from), to: address(to), protocol: 6, port: 80 },
      first: 1,
      last: 2,
      packets: 9,
    };
    return { node: facts.get("ips", `${name}.${namespace}`)?.node ?? "", flow, added };
  };
  /** Series → value, as scraped once what was noted has been named. */
  const scrape = async (): Promise<Readonly<Record<string, number>>> => {
    for (const callback of waiting.splice(0)) callback();
    const lines = (await registry.metrics()).split("\n").filter((line) => line.startsWith("weft_"));
    return Object.fromEntries(
      lines.map((line) => [
        [...line.matchAll(/="([^"]*)"/g)].map(([, value]) => value).join(" "),
        Number(line.split(" ").at(-1)),
      ]),
    );
  };
  return { facts, metrics, change, scrape };
}

t.test("packets are counted by the namespaces of both ends and by what the policy said", async (t) => {
  const { metrics, change, scrape } = counted();
  metrics.note([
    change(1, `${B}/web-0`, `${A}/web-0`, 2),
    change(1, `${B}/web-0`, `${A}/web-0`, 1),
    change(1, `${B}/web-1`, `${A}/web-1`, 1),
    change(2, "203.0.113.9", `${B}/web-0`, 5),
    change(2, "172.18.0.9", `${B}/web-0`, 1),
    change(99, `${A}/web-0`, `${B}/web-1`, 1),
    change(1, `${B}/web-0`, `${A}/web-0`, 0),
  ]);
  t.ok(
    Object.values(await scrape()).every((value) => value === 0),
    "a series begins at 0, so that its first packets are an increase",
  );
  const series = await scrape();
  t.strictSame(series, {
    [`${B} ${A} ingress allowed`]: 4,
    [`(none) ${B} ingress dropped`]: 5,
    [`(node) ${B} ingress dropped`]: 1,
    [`${A} ${B} (unknown) unknown`]: 1,
  });
  metrics.note([change(1, `${B}/web-0`, `${A}/web-0`, 3)]);
  t.match(await scrape(), { [`${B} ${A} ingress allowed`]: 7 });
});

t.test("series, and flows that are named at a time, are bounded; what is beyond is counted together", async (t) => {
  const { facts, metrics, change, scrape } = counted({ namespaces: 50, podsEach: 1 });
  const pairs = Array.from({ length: 50 * 50 }, (_, n) => [n % 50, Math.floor(n / 50)] as const);
  const changes = pairs.map(([from, to]) => change(to + 1, `${tenantName(from)}/web-0`, `${tenantName(to)}/web-0`, 1));
  metrics.note(changes);
  await scrape();
  const first = await scrape();
  t.equal(first["(other) (other) (other) (other)"], 501, "2,000 series at most, this one among them");
  metrics.note(changes.slice(2_000));
  const second = await scrape();
  t.equal(Object.keys(second).length, 2_000);
  t.equal(second["(other) (other) (other) (other)"], 1_001);
  facts.set("namespaces", tenantName(0), undefined);
  metrics.note(changes.slice(2_050));
  await scrape();
  const third = await scrape();
  t.ok(Object.keys(third).length <= 2_000);
  t.equal(third[`${tenantName(1)} ${tenantName(41)} ingress allowed`], 1, "the namespace that is gone has made room");
  t.notOk(Object.keys(third).some((key) => key.startsWith(`${tenantName(0)} ${tenantName(1)} `)));
});
