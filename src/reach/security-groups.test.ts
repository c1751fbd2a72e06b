import t from "tap";
import { addIp, addNetworkPolicy, addPod, addSecurityGroup, addSubnet, sampleFacts } from "../compile/testing.ts";
import { compileAll } from "../compile/whole.ts";
import type { FactStore } from "../facts/store.ts";
import { podEndpoint } from "./endpoint.ts";
import { explain } from "./explain.ts";
import { Network } from "./network.ts";
import { PolicyBook } from "./policy-book.ts";

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

/** Pod `a` on one node, pod `b` in a subnet of its own on the other; each in the groups that are named. */
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

/** Whether `a` gets to port 80 of `b`. */
function connects(store: FactStore): boolean {
  const network = new Network(store, compileAll(store).values());
  const ends = { from: podEndpoint(network, "default", "a"), to: podEndpoint(network, "default", "b") };
  return (
    explain(network, new PolicyBook(store), { ...ends, port: { protocol: "TCP", port: 80 } }).verdict === "allowed"
  );
}

t.test("for what comes in, groups decide before NetworkPolicies", async (t) => {
  const closed = facts({ b: "closed" });
  addNetworkPolicy(closed, "all", { podSelector: {}, ingress: [{}] });
  t.equal(connects(closed), false, "a policy does not open what groups close");
  const open = facts({ b: "open" });
  addNetworkPolicy(open, "none", { podSelector: {} });
  t.equal(connects(open), true, "nor close what they open");
  const missing = facts({ b: "ghost" });
  t.equal(connects(missing), false);
});

t.test("for what goes out, both must let it", async (t) => {
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

t.test("a group or a policy that lets somebody in overrules that the subnet is private", async (t) => {
  t.equal(connects(facts({})), true);
  t.equal(connects(facts({ isPrivate: true })), false);
  t.equal(connects(facts({ isPrivate: true, b: "open" })), true);
  const policy = facts({ isPrivate: true });
  addNetworkPolicy(policy, "all", { podSelector: {}, ingress: [{}] });
  t.equal(connects(policy), true);
});
