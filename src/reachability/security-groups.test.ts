// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import {
  addEndpoints,
  addIp,
  addNetworkPolicy,
  addPod,
  addSecurityGroup,
  addService,
  addSubnet,
  sampleFacts,
} from "../compile/testing/sample-facts.ts";
import type { FactStore } from "../facts/store.ts";
import { compileAll } from "../kinds/compile-all.ts";
import { projectVip } from "../kinds/vip.ts";
import { parseDualIp } from "../net/dual.ts";
import { nodeEndpoint, podEndpoint } from "./endpoint.ts";
import { explain } from "./explain.ts";
import { Network } from "./network.ts";
import { PolicyIndex } from "./policy-index.ts";

const GROUPS = "ovn.kubernetes.io/security_groups";
const HTTP = {
  ipVersion: "ipv4",
  priority: 10,
  protocol: "tcp",
  portRangeMin: 80,
  portRangeMax: 80,
  remoteType: "address",
  remoteAddress: "0.0.0.0/0",
  policy: "allow",
} as const;

/** Pod `a` on one node, pod `b` in a subnet of its own on the other; each in the given groups. */
function facts({ a = "", b = "", isPrivate = false }): FactStore {
  const made = sampleFacts();
  addSubnet(made, "back", { cidrBlock: "10.30.0.0/24", private: isPrivate });
  addPod(made, "a", { node: "weft-1", annotations: { [GROUPS]: a } });
  addPod(made, "b", { node: "weft-2", annotations: { [GROUPS]: b } });
  addIp(made, "b.default", {
    podName: "b",
    namespace: "default",
    nodeName: "weft-2",
    subnet: "back",
    v4: "10.30.0.2",
    v6: "",
  });
  addSecurityGroup(made, "closed", {});
  addSecurityGroup(made, "open", { ingressRules: [HTTP], egressRules: [HTTP] });
  return made;
}

/** Whether `a` reaches port 80 of `b`. */
function connects(store: FactStore): boolean {
  const network = new Network(store, compileAll(store).values());
  const ends = { from: podEndpoint(network, "default", "a"), to: podEndpoint(network, "default", "b") };
  return (
    explain(network, new PolicyIndex(store), { ...ends, port: { protocol: "TCP", port: 80 } }).verdict === "allowed"
  );
}

t.test("for ingress, groups decide before NetworkPolicies", async (t) => {
  const closed = facts({ b: "closed" });
  addNetworkPolicy(closed, "all", { podSelector: {}, ingress: [{}] });
  t.equal(connects(closed), false, "a policy does not allow what groups deny");
  const open = facts({ b: "open" });
  addNetworkPolicy(open, "none", { podSelector: {} });
  t.equal(connects(open), true, "nor deny what they allow");
  const missing = facts({ b: "ghost" });
  t.equal(connects(missing), false);
});

t.test("for egress, both must allow", async (t) => {
  for (const [group, egress, expected] of [
    ["closed", [{}], false],
    ["open", [], false],
    ["open", [{}], true],
    ["", [{}], true],
  ] as const) {
    const store = facts({ a: group });
    addNetworkPolicy(store, "out", { podSelector: {}, policyTypes: ["Egress"], egress });
    t.equal(connects(store), expected, `${group || "no group"}, ${egress.length} rules`);
  }
});

t.test("a group or a policy that allows traffic overrides that the subnet is private", async (t) => {
  t.equal(connects(facts({})), true);
  t.equal(connects(facts({ isPrivate: true })), false);
  t.equal(connects(facts({ isPrivate: true, b: "open" })), true);
  const policy = facts({ isPrivate: true });
  addNetworkPolicy(policy, "all", { podSelector: {}, ingress: [{}] });
  t.equal(connects(policy), true);
});

/** Whether `a` reaches UDP and TCP port 53 of Service `dns`, whose endpoint is `b` at port 1053. */
function dns(store: FactStore): string {
  const protocols = ["TCP", "UDP"] as const;
  addService(store, "dns", {
    clusterIPs: ["10.96.0.10"],
    ports: protocols.map((protocol) => ({ name: protocol.toLowerCase(), protocol, port: 53 })),
  });
  addEndpoints(store, "dns", "dns-1", {
    endpoints: [{ addresses: ["10.30.0.2"], conditions: { ready: true } }],
    ports: protocols.map((protocol) => ({ name: protocol.toLowerCase(), protocol, port: 1053 })),
  });
  const network = new Network(store, compileAll(store).values());
  const from = podEndpoint(network, "default", "a");
  const to = podEndpoint(network, "default", "b");
  const answers = protocols.map((protocol) => {
    const virtual = parseDualIp("10.96.0.10") ?? {};
    const dialled = { virtual, port: { protocol, port: 53 } };
    return explain(network, new PolicyIndex(store), { from, to, port: { protocol, port: 1053 }, dialled }).verdict;
  });
  return answers.join(" ");
}

t.test(
  "an egress rule for a Service's address applies to the destination of its connections, from the first packet to the last",
  async (t) => {
    const named = { ...HTTP, protocol: "all", portRangeMin: 0, portRangeMax: 0, remoteAddress: "10.96.0.10" } as const;
    const allow = facts({ a: "out" });
    addSecurityGroup(allow, "out", { egressRules: [named] });
    t.equal(dns(allow), "allowed allowed");
    const part = facts({ a: "out" });
    addSecurityGroup(part, "out", { egressRules: [{ ...named, protocol: "udp", portRangeMin: 53, portRangeMax: 53 }] });
    t.equal(dns(part), "denied allowed");
  },
);

t.test("a Service does not bypass a rule that drops traffic to its endpoints", async (t) => {
  const all = { ...HTTP, protocol: "all", portRangeMin: 0, portRangeMax: 0 } as const;
  for (const remoteAddress of ["10.30.0.2", "10.96.0.10"]) {
    const store = facts({ a: "out" });
    const rules = [{ ...all, priority: 1, policy: "drop", remoteAddress } as const, { ...all, priority: 2 }];
    addSecurityGroup(store, "out", { egressRules: rules });
    t.equal(dns(store), "denied denied", remoteAddress);
  }
});

t.test("the same holds for a subnet's own rules", async (t) => {
  for (const [match, expected] of [
    ["ip4.dst == 10.96.0.10 && udp.dst == 53", "denied allowed"],
    ["ip4.dst == 10.96.0.0/12", "allowed allowed"],
    ["ip4.dst == 10.96.0.11", "denied denied"],
  ] as const) {
    const store = facts({});
    const acls = [
      { direction: "from-lport", priority: 100, match: "ip", action: "drop" },
      { direction: "from-lport", priority: 200, match, action: "allow-related" },
    ];
    addSubnet(store, "ovn-default", { cidrBlock: "10.16.0.0/16,fd00:10:16::/112", default: true, acls } as never);
    t.equal(dns(store), expected, match);
  }
});

t.test(
  "traffic from a pod to its own node must be allowed by its groups and its subnet, but not by policies",
  async (t) => {
    const toNode = (store: FactStore): string => {
      addNetworkPolicy(store, "out", { podSelector: {}, policyTypes: ["Egress"] });
      const network = new Network(store, compileAll(store).values());
      const [from, to] = [podEndpoint(network, "default", "a"), nodeEndpoint(network, "weft-1")];
      return explain(network, new PolicyIndex(store), { from, to, port: { protocol: "TCP", port: 80 } }).verdict;
    };
    t.equal(toNode(facts({})), "allowed");
    t.equal(toNode(facts({ a: "closed" })), "denied");
    const ruled = facts({});
    const acls = [{ direction: "from-lport", priority: 1, match: "ip4.dst == 172.18.0.0/24", action: "drop" }];
    addSubnet(ruled, "ovn-default", { cidrBlock: "10.16.0.0/16,fd00:10:16::/112", default: true, acls } as never);
    t.equal(toNode(ruled), "denied");
  },
);

t.test(
  "a pod's shared addresses are in the sets of its groups, and the port that holds them is not an end",
  async (t) => {
    const facts = sampleFacts();
    addSecurityGroup(facts, "web", {});
    const vip = { namespace: "default", subnet: "ovn-default", v4ip: "10.16.0.99" };
    facts.set(
      "vips",
      "door",
      projectVip({ metadata: { name: "door", uid: "door" }, spec: vip, status: { v4ip: vip.v4ip } }),
    );
    addPod(facts, "a", {
      node: "weft-1",
      annotations: { "ovn.kubernetes.io/aaps": "door", "ovn.kubernetes.io/security_groups": "web" },
    });
    const network = new Network(facts, compileAll(facts).values());
    t.same(network.addressSet("ovn.sg.web_ip4"), ["10.16.0.2", "10.16.0.99"]);
    t.same([...(network.portGroup("ovn.sg.web") ?? [])], ["a.default"]);
    t.equal(network.ports.has("a.default/shared"), false);
    t.same(network.withAddress("10.16.0.99"), []);
  },
);
