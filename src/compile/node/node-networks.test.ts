// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { NODE } from "../../api/annotations.ts";
import { projectNode } from "../../facts/project-core.ts";
import { factStore } from "../../kinds/store.ts";
import { judgeNodeNetworks } from "./node-networks.ts";

/** Nodes by name: their annotations, and their former contracts. */
function world(nodes: Readonly<Record<string, { readonly says?: string; readonly former?: object }>>) {
  const facts = factStore();
  Object.entries(nodes).forEach(([name, { says, former }], i) => {
    const annotations = {
      ...(says !== undefined && { [NODE.nodeNetworks]: says }),
      ...(former && { [NODE.contract]: JSON.stringify({ version: 1, networks: former }) }),
    };
    const status = { addresses: [{ type: "InternalIP", address: `172.18.0.${11 + i}` }] };
    facts.set("nodes", name, projectNode({ metadata: { name, uid: `uid-${name}`, annotations }, status }));
  });
  return (name: string) => judgeNodeNetworks(facts, facts.get("nodes", name)!);
}

t.test("each node uses its own addresses", async (t) => {
  const judge = world({
    a: { says: '{"storage":"192.168.10.11"}' },
    b: { says: '{"storage":"192.168.10.12"}' },
    c: {},
  });
  t.strictSame(judge("a"), { accepted: { storage: "192.168.10.11" }, used: true, problem: undefined });
  t.strictSame(judge("c"), { accepted: {}, used: false, problem: undefined });
});

t.test("networks that are removed from the annotation are no longer used", async (t) => {
  const judge = world({ a: { former: { storage: "192.168.10.11" } } });
  t.strictSame(judge("a"), { accepted: {}, used: true, problem: undefined });
});

t.test("with a malformed annotation the former networks stay active, and the condition reports it", async (t) => {
  const former = { storage: "192.168.10.11" };
  t.match(world({ a: { says: "{", former } })("a"), {
    accepted: former,
    problem: {
      reason: "InvalidNodeNetworks",
      message:
        /^annotation ovn\.kubernetes\.io\/node_networks must be a JSON object .*stay active: storage 192\.168\.10\.11$/,
    },
  });
  t.match(world({ a: { says: '{"storage":"x","backup":"192.168.20.11"}', former } })("a"), {
    accepted: { storage: "192.168.10.11", backup: "192.168.20.11" },
    problem: {
      reason: "InvalidNodeNetworks",
      message: /network "storage" .*not a valid IP.*; 192\.168\.10\.11 stays active/,
    },
  });
  t.match(world({ a: { says: '{"storage":"x"}' } })("a"), {
    accepted: {},
    problem: { message: /pods of subnets in this network do not start here$/ },
  });
});

t.test("of two nodes with one address the former holder keeps it, and of two new ones none has it", async (t) => {
  const says = '{"storage":"192.168.10.11"}';
  const old = world({ a: { says, former: { storage: "192.168.10.11" } }, b: { says } });
  t.strictSame(old("a"), { accepted: { storage: "192.168.10.11" }, used: true, problem: undefined });
  t.match(old("b"), {
    accepted: {},
    problem: { reason: "NotUnique", message: /node a has the same address 192\.168\.10\.11/ },
  });
  const both = world({ a: { says }, b: { says } });
  for (const name of ["a", "b"]) t.match(both(name), { accepted: {}, problem: { reason: "NotUnique" } });
  const internal = world({ a: { says: '{"storage":"172.18.0.12"}' }, b: {} });
  t.match(internal("a"), { accepted: {}, problem: { message: /node b has the same address 172\.18\.0\.12/ } });
});
