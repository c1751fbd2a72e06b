// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { NODE } from "../../api/annotations.ts";
import { SERVICES_CONDITION } from "../../api/names.ts";
import { nodeUnit } from "../node/node.ts";
import { subnetUnit } from "../subnet/subnet.ts";
import { SAMPLE_CLUSTER, sampleFacts } from "../testing/sample-facts.ts";
import { serviceAddresses, serviceSwitchRanges } from "./service-switch.ts";

const JOIN = {
  cidr: { v4: "100.64.0.0/16", v6: "fd00:100:64::/112" },
  gateway: { v4: "100.64.0.1", v6: "fd00:100:64::1" },
};

t.test("a node's address for Services is its join address in the upper half of the join subnet", async (t) => {
  t.same(serviceAddresses({ v4: "100.64.0.2", v6: "fd00:100:64::2" }, JOIN), [
    { v4: "100.64.128.2", v6: "fd00:100:64::8002" },
    { v4: "100.64.128.1", v6: "fd00:100:64::8001" },
  ]);
  t.same(serviceAddresses({ v4: "100.64.200.2" }, JOIN), [{}, {}], "none for an existing node");
  t.same(serviceAddresses({ v4: "10.0.0.2" }, { cidr: { v4: "10.0.0.0/30" }, gateway: { v4: "10.0.0.1" } }), [{}, {}]);
  t.same(serviceSwitchRanges("100.64.0.0/16,fd00:100:64::/112"), [
    "100.64.128.0..100.64.255.255",
    "fd00:100:64::8000..fd00:100:64::ffff",
  ]);
});

/** The rows that the units of the join subnet and of a node compile to, by table and name. */
function rows(kubeProxyReplacement: boolean): readonly string[] {
  const facts = sampleFacts();
  facts.set("cluster", "cluster", { ...SAMPLE_CLUSTER, kubeProxyReplacement });
  const [join, node] = [subnetUnit.read(facts, "join"), nodeUnit.read(facts, "weft-1")];
  if (join === undefined || node === undefined) throw new Error("the sample has no join subnet or no weft-1");
  return [...subnetUnit.compile(join).rows, ...nodeUnit.compile(node).rows].map(
    ({ table, columns }) => `${table} ${JSON.stringify(columns["name"] ?? columns["match"])}`,
  );
}

t.test("with kube-proxy there are no rows for it", async (t) => {
  const [without, having] = [rows(true), rows(false)];
  t.match(without.filter((row) => !having.includes(row)).sort(), [
    'Logical_Router_Policy "ip4.src == 100.64.128.2"',
    'Logical_Router_Policy "ip6.src == fd00:100:64::8002"',
    'Logical_Router_Port "ovn-cluster-join/services"',
    'Logical_Switch "join/services"',
    'Logical_Switch_Port "join/services-ovn-cluster"',
    'Logical_Switch_Port "node-weft-1/services"',
  ]);
  t.same(
    having.filter((row) => !without.includes(row)),
    [],
    "and nothing else differs",
  );
});

t.test("a node whose join address is in the upper half has a condition that it cannot reach Services", async (t) => {
  const facts = sampleFacts();
  const conditions = (kubeProxyReplacement: boolean) => {
    facts.set("cluster", "cluster", { ...SAMPLE_CLUSTER, kubeProxyReplacement });
    const input = nodeUnit.read(facts, "weft-1");
    const { effects } = input === undefined ? { effects: [] } : nodeUnit.compile(input);
    return effects.flatMap((effect) =>
      effect.kind === "node-condition" && effect.type === SERVICES_CONDITION ? [effect.problem] : [],
    );
  };
  t.same(conditions(true), [], "in the lower half");
  const [ip] = facts.by("ips", "holder", "node:weft-1");
  const node = facts.get("nodes", "weft-1");
  if (ip === undefined || node === undefined) throw new Error("the sample has no weft-1");
  facts.set("ips", ip.key, { ...ip, v4: "100.64.200.2" });
  const [problem] = conditions(true);
  t.match(problem, {
    reason: "JoinAddressInUpperHalf",
    message:
      /^the node cannot reach Services through 100\.64\.200\.2: .*lower half of subnet "join" \(100\.64\.0\.0\/16,/,
  });
  t.same(conditions(false), [], "kube-proxy serves nodes");
  facts.set("nodes", "weft-1", { ...node, servicesProblem: { reason: "", message: "", ...problem } });
  t.same(conditions(true), [], "said once");
  t.same(conditions(false), [undefined], "it is removed when kube-proxy is back");
});

t.test("nodes are told the ranges of all ServiceCIDRs", async (t) => {
  const facts = sampleFacts();
  facts.set("cluster", "cluster", { ...SAMPLE_CLUSTER, kubeProxyReplacement: true });
  const cidrs = ["10.96.0.0/12", "10.196.0.0/24", "fd00:10:196::/120"];
  facts.set("serviceRanges", "services", { key: "services", cidrs });
  const input = nodeUnit.read(facts, "weft-1");
  const { effects } = input === undefined ? { effects: [] } : nodeUnit.compile(input);
  const [contract] = effects.flatMap((effect) =>
    effect.kind === "annotate" ? [effect.annotations[NODE.contract]] : [],
  );
  t.match(JSON.parse(contract ?? "{}"), { serviceRanges: cidrs });
});
