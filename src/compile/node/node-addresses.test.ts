// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { projectNode } from "../../facts/project-core.ts";
import { projectEndpointSlice } from "../../facts/project-service.ts";
import type { FactStore } from "../../facts/store.ts";
import type { WeftEffect } from "../effects.ts";
import { POLICY_PRIORITY } from "../gateway/router-policy-priorities.ts";
import { addIp, addNode, addSubnet, sampleFacts } from "../testing/sample-facts.ts";
import { nodeUnit } from "./node.ts";

interface Compiled {
  readonly matches: readonly unknown[];
  readonly effects: readonly WeftEffect[];
}

function compile(facts: FactStore, name: string): Compiled {
  const input = nodeUnit.read(facts, name);
  const { rows, effects } = input === undefined ? { rows: [], effects: [] } : nodeUnit.compile(input);
  const policies = rows.filter(
    ({ table, columns }) => table === "Logical_Router_Policy" && columns["priority"] === POLICY_PRIORITY.node,
  );
  return { matches: policies.map(({ columns }) => String(columns["match"])).sort(), effects: effects ?? [] };
}

/** Reason and message of the condition that a node gets. */
function told(facts: FactStore, name: string): { reason: string; message: string } | undefined {
  for (const effect of compile(facts, name).effects) if (effect.kind === "node-condition") return effect.problem;
  return undefined;
}

function withNode(facts: FactStore, ...addresses: string[]): FactStore {
  addNode(facts, "stolen", ...addresses);
  const ip = { podName: "stolen", nodeName: "stolen", subnet: "join", v4: "100.64.0.9", v6: "fd00:100:64::9" };
  addIp(facts, "node-stolen", ip);
  return facts;
}

const six = "fd00:172:18::19";

t.test("pods' packets to a trusted address of a node are routed to the node", async (t) => {
  const facts = withNode(sampleFacts(), "172.18.0.19", six);
  const { matches, effects } = compile(facts, "stolen");
  t.same(matches, ["ip4.dst == 172.18.0.19", `ip6.dst == ${six}`]);
  t.notOk(effects.some(({ kind }) => kind === "node-condition" || kind === "report"));
});

t.test("an address in an additional range of Services is not trusted either", async (t) => {
  const facts = withNode(sampleFacts(), "172.18.0.19");
  facts.set("serviceRanges", "services", { key: "services", cidrs: ["10.96.0.0/12", "172.18.0.16/28"] });
  t.match(told(facts, "stolen"), {
    message: /172\.18\.0\.19 .*range of Services \(10\.96\.0\.0\/12, 172\.18\.0\.16\/28\)/,
  });
});

t.test("an untrusted address is not routed to its node, and a condition has the reason", async (t) => {
  const cases: readonly (readonly [string, string, RegExp])[] = [
    [
      "8.8.8.8",
      "OutsideNodeRanges",
      /in none of the nodes' networks \(172\.18\.0\.0\/16, fd00:172:18::\/64\).*controller\.nodeCIDRs/,
    ],
    ["172.18.0.11", "NotUnique", /node weft-1 has the same address/],
    ["10.16.0.2", "PodAddress", /subnet ovn-default/],
    ["100.64.0.3", "PodAddress", /subnet join/],
    ["10.96.0.10", "ServiceAddress", /range of Services \(10\.96\.0\.0\/12\)/],
  ];
  for (const [address, reason, message] of cases) {
    const facts = withNode(sampleFacts(), address, six);
    t.same(compile(facts, "stolen").matches, [`ip6.dst == ${six}`], address);
    t.match(told(facts, "stolen"), { reason, message }, address);
    t.ok(told(facts, "stolen")?.message.includes(address), "the message names it");
    const { effects } = compile(facts, "stolen");
    t.match(
      effects.find(({ kind }) => kind === "report"),
      { about: { resource: "nodes", name: "stolen" }, reason },
    );
    const source = effects.find((effect) => effect.kind === "annotate");
    t.match(source, { annotations: { "weft.kubeovn.io/source": six } }, "nor may the node send from it");
  }
});

t.test("an address that two new nodes name is trusted for neither", async (t) => {
  const facts = withNode(sampleFacts(), "172.18.0.11");
  t.match(told(facts, "weft-1"), { reason: "NotUnique", message: /node stolen has the same address/ });
  t.same(compile(facts, "weft-1").matches, ["ip6.dst == fd00:172:18::11"]);
});

t.test("a node keeps its address when another one names it", async (t) => {
  const facts = withNode(sampleFacts(), "172.18.0.11");
  const node = (name: string, annotated: boolean) =>
    projectNode({
      metadata: { name, uid: `uid-${name}`, annotations: annotated ? { "weft.kubeovn.io/source": "172.18.0.11" } : {} },
      status: { addresses: [{ type: "InternalIP", address: "172.18.0.11" }] },
    });
  facts.set("nodes", "weft-1", node("weft-1", true));
  t.equal(told(facts, "weft-1"), undefined, "nothing of its own changes");
  t.same(compile(facts, "weft-1").matches, ["ip4.dst == 172.18.0.11"]);
  t.match(told(facts, "stolen"), { reason: "NotUnique", message: /node weft-1 has the same address/ });
  t.same(compile(facts, "stolen").matches, []);
  facts.set("nodes", "stolen", node("stolen", true));
  for (const name of ["weft-1", "stolen"])
    t.same(compile(facts, name).matches, [], "both report it: it is trusted for neither");
});

t.test("the API server's address is trusted on nodes of the control plane only", async (t) => {
  const facts = withNode(sampleFacts(), "172.18.0.19");
  const labels = { "kubernetes.io/service-name": "kubernetes" };
  const slice = {
    metadata: { name: "kubernetes", namespace: "default", uid: "uid-slice", labels },
    addressType: "IPv4",
    endpoints: [{ addresses: ["172.18.0.19"], conditions: { ready: true } }],
    ports: [{ name: "https", port: 6443, protocol: "TCP" }],
  };
  facts.set("endpointSlices", "default/kubernetes", projectEndpointSlice(slice));
  t.match(told(facts, "stolen"), { reason: "ApiServerAddress", message: /node-role\.kubernetes\.io\/control-plane/ });
  const status = { addresses: [{ type: "InternalIP", address: "172.18.0.19" }] };
  const metadata = { name: "stolen", uid: "uid-stolen", labels: { "node-role.kubernetes.io/control-plane": "" } };
  facts.set("nodes", "stolen", projectNode({ metadata, status }));
  t.equal(told(facts, "stolen"), undefined);
  t.same(compile(facts, "stolen").matches, ["ip4.dst == 172.18.0.19"]);
});

t.test("a subnet of another VPC or of another plugin may contain a node's address", async (t) => {
  const facts = withNode(sampleFacts(), "172.18.0.19");
  addSubnet(facts, "theirs", { cidrBlock: "172.18.0.0/24", vpc: "other" });
  addSubnet(facts, "macvlan", { cidrBlock: "172.18.0.0/24", provider: "net.default" });
  t.equal(told(facts, "stolen"), undefined);
});

t.test("the condition is removed when the address is trusted, and is not written twice", async (t) => {
  const problem = {
    reason: "NotUnique",
    message: "its InternalIP 172.18.0.11 is not used: node weft-1 has the same address",
  };
  const node = (address: string) =>
    projectNode({
      metadata: { name: "stolen", uid: "uid-stolen" },
      status: {
        addresses: [{ type: "InternalIP", address }],
        conditions: [{ type: "WeftInternalIPNotUsed", status: "True", ...problem }],
      },
    });
  const facts = withNode(sampleFacts());
  facts.set("nodes", "stolen", node("172.18.0.11"));
  t.notOk(compile(facts, "stolen").effects.some(({ kind }) => kind === "node-condition"));
  facts.set("nodes", "stolen", node("172.18.0.19"));
  t.match(
    compile(facts, "stolen").effects.find(({ kind }) => kind === "node-condition"),
    { problem: undefined },
  );
});
