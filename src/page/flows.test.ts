// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import type { SampledFlow } from "../api/sampling.ts";
import { projectService } from "../facts/project-service.ts";
import type { FactStore } from "../facts/store.ts";
import type { FlowRule, FlowRules } from "../reachability/flow-rules.ts";
import type { FlowsAnswer } from "./contract.ts";
import { FlowEnds } from "./flow-ends.ts";
import { type FlowFilter, type FlowsRead, flowsAnswer, namespacesOf } from "./flows.ts";
import { ADMINISTRATOR, addTenantPod, pageWorld, tenant, tenantName } from "./testing/page-world.ts";
import type { Viewer } from "./viewer.ts";

const [OTHER, OWN, THIRD] = [tenantName(0), tenantName(1), tenantName(2)];

/** The observation points of some rules. */
const POINT = { own: 1, other: 2, cluster: 3, egress: 4, both: 5, gone: 9 } as const;
const rule = (policy: string, verdict: FlowRule["verdict"], at: FlowRule["at"] = "ingress"): FlowRule => ({
  ...{ verdict, at, policy, rule: `${at}/0` },
});
const RULES: FlowRules = new Map([
  [POINT.own, [rule(`np/${OWN}/own`, "allowed")]],
  [POINT.other, [rule(`np/${OTHER}/own`, "dropped")]],
  [POINT.cluster, [rule("anp/deny-telnet", "dropped")]],
  [POINT.egress, [rule(`np/${OWN}/out`, "allowed", "egress")]],
  [POINT.both, [rule(`np/${OWN}/own`, "allowed"), rule(`np/${OWN}/more`, "dropped")]],
]);

function world(): FactStore {
  return pageWorld({ namespaces: 3, podsEach: 2, nodes: 2 });
}

function recordOf(facts: FactStore, pod: string): { address: string; node: string } {
  const [namespace = "", name = ""] = pod.split("/");
  const { v4 = "", node = "" } = facts.get("ips", `${name}.${namespace}`) ?? {};
  return { address: v4, node };
}

/** A flow, reported by the node of the pod whose policy decided. An end is `namespace/pod` or an address. */
function flow(
  facts: FactStore,
  {
    from,
    to,
    point = POINT.own,
    at = to,
    node,
    ...more
  }: Partial<SampledFlow> & { from: string; to: string; at?: string; node?: string },
): FlowsRead["flows"][number] {
  const address = (end: string): string => (end.includes("/") ? recordOf(facts, end).address : end);
  return {
    node: node ?? recordOf(facts, at).node,
    flow: {
      ...{ sequence: 1, point, from: address(from), to: address(to), protocol: 6, port: 80 },
      ...{ first: 1, last: 2, packets: 3, ...more },
    },
  };
}

function ask(
  facts: FactStore,
  viewer: Viewer,
  flows: FlowsRead["flows"],
  question: Partial<FlowFilter> = {},
  rest: Partial<FlowsRead> = {},
): FlowsAnswer {
  return flowsAnswer(
    facts,
    RULES,
    viewer,
    { dropped: false, ...question },
    { flows, unread: [], incomplete: false, ...rest },
  );
}

t.test(
  "a tenant sees flows of their own pods, the policy that decided, and addresses outside of the cluster",
  async (t) => {
    const facts = world();
    const flows = [
      flow(facts, { from: `${OWN}/web-0`, to: `${OWN}/web-1`, last: 10 }),
      flow(facts, {
        from: `${OWN}/web-0`,
        to: "203.0.113.9",
        at: `${OWN}/web-0`,
        point: POINT.egress,
        last: 9,
        port: 0,
        protocol: 1,
      }),
      flow(facts, { from: "198.51.100.7", to: `${OWN}/web-0`, point: POINT.cluster, last: 8 }),
      flow(facts, { from: `${OTHER}/web-0`, to: `${THIRD}/web-0`, point: POINT.other }),
    ];
    const { flows: rows, more, enabled } = ask(facts, tenant(OWN), flows);
    t.ok(enabled);
    t.equal(more, 0);
    t.equal(rows.length, 3);
    t.match(rows[0], {
      from: { holders: [{ kind: "Pod", namespace: OWN, name: "web-0" }] },
      to: { holders: [{ kind: "Pod", namespace: OWN, name: "web-1" }] },
      ...{
        protocol: "TCP",
        port: 80,
        verdict: "allowed",
        at: "ingress",
        policy: `NetworkPolicy ${OWN}/own`,
        packets: 3,
      },
    });
    t.match(rows[1], { to: { address: "203.0.113.9", holders: [] }, protocol: "ICMP", at: "egress", port: undefined });
    t.match(
      rows[2],
      { verdict: "dropped", policy: "AdminNetworkPolicy deny-telnet" },
      "it decides about the tenant's pod",
    );
  },
);

t.test("of the other end of their flows a tenant is told nothing that they may not see", async (t) => {
  const facts = world();
  const to = `${OTHER}/web-0`;
  const flows = [
    flow(facts, { from: `${OWN}/web-0`, to, point: POINT.other, last: 5 }),
    flow(facts, { from: `${OWN}/web-0`, to: `${OTHER}/web-1`, point: POINT.other, last: 7, first: 0 }),
    flow(facts, { from: `${THIRD}/web-0`, to: `${OWN}/web-1`, last: 4 }),
    // A node, a Service of another tenant, and an address of a pod that has gone.
    flow(facts, { from: facts.get("nodes", "weft-1")?.addresses[0] ?? "", to: `${OWN}/web-1`, port: 1 }),
    flow(facts, { from: `${OWN}/web-0`, to: "10.96.0.0", at: `${OWN}/web-0`, point: POINT.egress, port: 2 }),
    flow(facts, { from: "10.16.99.99", to: `${OWN}/web-1`, port: 3 }),
  ];
  const { flows: rows } = ask(facts, tenant(OWN), flows);
  const hidden = { address: "", holders: [], hidden: true };
  t.match(rows[0], {
    to: hidden,
    verdict: "dropped",
    policy: undefined,
    rule: undefined,
    packets: 6,
    first: 0,
    last: 7,
  });
  t.equal(rows.length, 5, "two that differ in what is hidden are one");
  for (const { from, to: other, port } of rows)
    t.strictSame(
      [from, other].filter((end) => end.hidden === true),
      [hidden],
      `port ${port}`,
    );
  const text = JSON.stringify(rows);
  for (const { address } of [recordOf(facts, to), recordOf(facts, `${THIRD}/web-0`)]) t.notMatch(text, `"${address}"`);
  t.notMatch(text, new RegExp(`${OTHER}|${THIRD}|172\\.18|10\\.96|10\\.16\\.99`));
  const all = ask(facts, ADMINISTRATOR, flows).flows;
  t.equal(all.length, 6);
  t.ok(all.some(({ from }) => from.holders.some(({ kind }) => kind === "Node")));
  t.ok(all.some(({ to: end }) => end.holders.some(({ kind, name }) => kind === "Service" && name === "web")));
});

t.test(
  "where VPCs have the same address, a flow is of the pod on the node that reports it and of its policy's namespace",
  async (t) => {
    const facts = world();
    const { address: v4, node } = recordOf(facts, `${OWN}/web-0`);
    const elsewhere = node === "weft-1" ? "weft-2" : "weft-1";
    addTenantPod(facts, { namespace: OTHER, name: "twin", node, v4, v6: "", subnet: "subnet-a" });
    const peer = flow(facts, { from: "10.200.0.9", to: `${OTHER}/twin`, point: POINT.other, node });
    t.strictSame(ask(facts, tenant(OWN), [peer]).flows, [], "the other's policy");
    const own = flow(facts, { from: "203.0.113.9", to: `${OWN}/web-0`, node });
    t.match(ask(facts, tenant(OWN), [own]).flows, [{ to: { holders: [{ namespace: OWN, name: "web-0" }] } }]);
    t.strictSame(ask(facts, tenant(OTHER), [own]).flows, []);
    t.strictSame(ask(facts, tenant(OWN), [{ ...own, node: elsewhere }]).flows, [], "of a node that has no such pod");
    const ambiguous = flow(facts, { from: "203.0.113.9", to: `${OWN}/web-0`, node, point: POINT.cluster });
    t.strictSame(ask(facts, tenant(OWN), [ambiguous]).flows, [], "it may be either's");
    t.match(ask(facts, ADMINISTRATOR, [ambiguous]).flows, [{ to: { holders: [{}, {}] } }]);
    // The other end is in the VPC of the first one.
    const sender = flow(facts, {
      from: `${OTHER}/twin`,
      to: `${OWN}/web-1`,
      node: recordOf(facts, `${OWN}/web-1`).node,
    });
    t.match(ask(facts, ADMINISTRATOR, [sender]).flows, [{ from: { holders: [{ namespace: OWN, name: "web-0" }] } }]);
  },
);

t.test("rules that are gone, and those of which two have one number, leave the verdict open", async (t) => {
  const facts = world();
  const flows = [
    flow(facts, { from: `${OWN}/web-0`, to: `${OWN}/web-1`, point: POINT.gone, last: 2 }),
    flow(facts, { from: `${OWN}/web-0`, to: `${OWN}/web-1`, point: POINT.both, last: 1 }),
  ];
  for (const viewer of [tenant(OWN), ADMINISTRATOR]) {
    const { flows: rows } = ask(facts, viewer, flows);
    t.match(rows, [
      { verdict: "unknown", policy: undefined },
      { verdict: "unknown", policy: `NetworkPolicy ${OWN}/own | NetworkPolicy ${OWN}/more` },
    ]);
  }
});

t.test(
  "a namespace, and what was dropped, can be asked for; the latest are listed first, and no more than 500",
  async (t) => {
    const facts = world();
    const many = Array.from({ length: 600 }, (_, i) =>
      flow(facts, { from: `${OWN}/web-0`, to: `${OWN}/web-1`, port: i + 1, last: i }),
    );
    const { flows: rows, more } = ask(facts, tenant(OWN), many);
    t.equal(rows.length, 500);
    t.equal(more, 100);
    t.equal(rows[0]?.last, 599);
    const two = [...many.slice(0, 1), flow(facts, { from: `${OWN}/web-0`, to: `${OTHER}/web-0`, point: POINT.other })];
    t.equal(ask(facts, ADMINISTRATOR, two, { namespace: OTHER }).flows.length, 1);
    t.match(ask(facts, ADMINISTRATOR, two, { dropped: true }).flows, [{ verdict: "dropped" }]);
  },
);

t.test(
  "nodes that do not answer are named to those who see nodes, and others are told that something is missing",
  async (t) => {
    const facts = world();
    const rest = { unread: [{ node: "weft-2", problem: "no answer in 5 s" }], incomplete: true };
    t.match(ask(facts, ADMINISTRATOR, [], {}, rest).warnings, [
      /node weft-2 are missing: no answer in 5 s/,
      /more flows .* than are kept/,
    ]);
    t.strictSame(ask(facts, tenant(OWN), [], {}, rest).warnings, ["the flows of some nodes are missing"]);
    const unread = Array.from({ length: 30 }, (_, i) => ({ node: `n-${i}`, problem: "down" }));
    t.equal(ask(facts, ADMINISTRATOR, [], {}, { unread }).warnings.length, 21);
  },
);

t.test(
  "the namespaces of both ends are told of a flow, and no viewer of one that no pod on its node can have",
  async (t) => {
    const facts = world();
    const ends = new FlowEnds(facts, RULES);
    const seen = flow(facts, { from: `${OTHER}/web-0`, to: `${OWN}/web-0` });
    t.strictSame([...namespacesOf(ends, seen)].toSorted(), [OTHER, OWN]);
    t.equal(namespacesOf(ends, { ...seen, node: "weft-9" }).size, 0);
    facts.set(
      "services",
      `${THIRD}/one`,
      projectService({ metadata: { name: "one", namespace: THIRD, uid: "uid-one" }, spec: { clusterIP: "10.96.9.9" } }),
    );
    const service = flow(facts, { from: `${OWN}/web-0`, to: "10.96.9.9", at: `${OWN}/web-0`, point: POINT.egress });
    t.strictSame([...namespacesOf(new FlowEnds(facts, RULES), service)].toSorted(), [OWN, THIRD]);
  },
);
