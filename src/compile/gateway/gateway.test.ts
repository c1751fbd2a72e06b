// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { NODE } from "../../api/annotations.ts";
import { decodeSubnetContract } from "../../contract/subnet.ts";
import { projectNode } from "../../facts/project-core.ts";
import type { FactStore } from "../../facts/store.ts";
import { conditionsIn } from "../effects.ts";
import { subnetUnit } from "../subnet/subnet.ts";
import { addIp, addSubnet, sampleFacts } from "../testing/sample-facts.ts";
import { gatewayUnit } from "./gateway.ts";

/** Adds a node with its address on the join switch, and its daemon's chassis. */
function addGateway(facts: FactStore, name: string, n: number, chassis = `c-${name}`, ready = "True"): void {
  const annotations = { [NODE.chassis]: chassis };
  const status = { conditions: [{ type: "Ready", status: ready }] };
  facts.set("nodes", name, projectNode({ metadata: { name, uid: name, annotations }, status }));
  addIp(facts, `node-${name}`, { podName: name, nodeName: name, subnet: "join", v4: `100.64.0.${n}`, v6: "" });
}

function groups(facts: FactStore): Readonly<Record<string, string>> {
  return Object.fromEntries(facts.all("gatewayGroups").map(({ key, members }) => [key, members.join(" ")]));
}

const CENTRAL = { cidrBlock: "10.30.0.0/24", gatewayType: "centralized", gatewayNode: "n1,n2" } as const;

t.test("gateway nodes are monitored if another one could take over", async (t) => {
  const facts = sampleFacts();
  addSubnet(facts, "c", CENTRAL);
  addGateway(facts, "n1", 21);
  t.same(groups(facts), {}, "a single node has no node to monitor it");
  addGateway(facts, "n2", 22);
  t.same(groups(facts), { n1: "c-n1 c-n2", n2: "c-n2 c-n1" });
  addGateway(facts, "n3", 23);
  t.same(groups(facts), { n1: "c-n1 c-n2 c-n3", n2: "c-n2 c-n3 c-n1" });
  for (const n of [4, 5, 6, 7]) addGateway(facts, `n${n}`, 20 + n);
  t.same(groups(facts), { n1: "c-n1 c-n2 c-n3 c-n4 c-n5", n2: "c-n2 c-n3 c-n4 c-n5 c-n6" }, "but no more than five");
  addGateway(facts, "n2", 22, "c-n1");
  t.same(groups(facts), { n1: "c-n1 c-n3 c-n4 c-n5 c-n6" }, "of copies of one disk only the first one counts");
  addGateway(facts, "n2", 22);
  addSubnet(facts, "c", { ...CENTRAL, gatewayNode: "n1" });
  t.same(groups(facts), {}, "a single gateway has no node to fail over to");
});

t.test("a gateway node is monitored by a port that the first living chassis of its group claims", async (t) => {
  const facts = sampleFacts();
  addSubnet(facts, "c", CENTRAL);
  for (const n of [1, 2, 3]) addGateway(facts, `n${n}`, 20 + n);
  const input = gatewayUnit.read(facts, "n1");
  const { rows = [], edges = [] } = input === undefined ? {} : gatewayUnit.compile(input);
  const [group] = rows.filter(({ table }) => table === "HA_Chassis_Group");
  const members = rows.flatMap(({ table, columns: { chassis_name, priority } }) =>
    table === "HA_Chassis" ? [[chassis_name, priority]] : [],
  );
  t.same(members, [
    ["c-n1", 100],
    ["c-n2", 99],
    ["c-n3", 98],
  ]);
  t.match(rows.find(({ table }) => table === "Logical_Switch_Port")?.columns, {
    name: "gateway/n1",
    type: "external",
    ha_chassis_group: group?.uuid,
  });
  t.same(new Set(edges.map(({ holderUnit }) => holderUnit)), new Set(["gateway:n1"]), "all rows belong to this unit");
});

t.test("a gateway node that other nodes do not reach is not used, and the subnet reports it", async (t) => {
  const facts = sampleFacts();
  for (const n of [1, 2, 3]) addGateway(facts, `n${n}`, 20 + n);
  const compiled = (enableEcmp: boolean) => {
    addSubnet(facts, "c", { ...CENTRAL, enableEcmp });
    const input = subnetUnit.read(facts, "c");
    const { rows, effects } = input === undefined ? { rows: [], effects: [] } : subnetUnit.compile(input);
    const hops = rows.flatMap(({ columns }) => (columns["priority"] === 29000 ? [columns["nexthops"]] : []));
    const [condition] = conditionsIn(effects);
    return { hops: hops.flat(), active: condition?.status?.["activateGateway"], message: condition?.message };
  };
  t.match(compiled(false), { hops: ["100.64.0.21"], active: "n1", message: "" });
  facts.set("gatewayLosses", "n1", { key: "n1" });
  const said = "gateway nodes that are not used: n1 is not reached by other nodes through tunnels";
  t.match(compiled(false), { hops: ["100.64.0.22"], active: "n2", message: said });
  t.same(compiled(true).hops, ["100.64.0.22"]);
  facts.set("gatewayLosses", "n2", { key: "n2" });
  t.same(compiled(false).hops, ["100.64.0.21"], "if all are unreachable the first one stays");
  t.same(compiled(true).hops, ["100.64.0.21", "100.64.0.22"], "or all");
  facts.set("gatewayLosses", "n1", undefined);
  t.match(compiled(true), { hops: ["100.64.0.21"], active: "" });
  // The last living node of a group: it was unreachable when the others failed, has no BFD session since it is back,
  // and so claims nothing.
  addGateway(facts, "n1", 21, "c-n1", "Unknown");
  const none = 'no node of spec.gatewayNode "n1,n2" is ready';
  const why = "n1 is not Ready, n2 is not reached by other nodes through tunnels";
  const message = `${none} (${why}); n2 may not carry the subnet's traffic`;
  t.same(compiled(false), { hops: ["100.64.0.22"], active: "n2", message }, "Ready is preferred to NotReady");
  t.same(compiled(true).hops, ["100.64.0.22"]);
  addGateway(facts, "n2", 22, "c-n2", "Unknown");
  t.same(compiled(true).hops, ["100.64.0.21", "100.64.0.22"], "if no node is Ready, all stay");
});

t.test("while tunnels between the only two nodes are down, pods leave by their own node", async (t) => {
  const facts = sampleFacts();
  for (const n of [1, 2]) addGateway(facts, `n${n}`, 20 + n);
  const compiled = (spec: object = {}) => {
    addSubnet(facts, "c", { ...CENTRAL, natOutgoing: true, ...spec });
    const input = subnetUnit.read(facts, "c");
    const { rows, edges, effects } =
      input === undefined ? { rows: [], edges: [], effects: [] } : subnetUnit.compile(input);
    const [condition] = conditionsIn(effects);
    return {
      hops: rows.flatMap(({ columns }) => (columns["priority"] === 29000 ? [columns["nexthops"]] : [])),
      sets: edges.flatMap(({ table, member }) => (table === "Address_Set" ? [member] : [])),
      active: condition?.status?.["activateGateway"],
      message: condition?.message,
    };
  };
  const split = (node: string, peer: string, lost?: boolean): unknown =>
    facts.set("gatewaySplits", node, lost === undefined ? undefined : { key: node, peer, lost });
  const central = { hops: [["100.64.0.21"]], sets: [], active: "n1", message: "" };
  const own = { hops: [], sets: ["10.30.0.0/24", "10.30.0.0/24"], active: "n1" };
  t.same(compiled(), central);
  split("n1", "n2", false);
  const message = "tunnels between n1 and n2 are down: each pod leaves by its own node until they are up again";
  t.same(compiled(), { ...own, message }, "as with a distributed gateway");
  t.same(compiled({ enableEcmp: true }), { ...own, active: "", message });
  t.same(compiled({ natOutgoing: false }).sets, ["10.30.0.0/24"]);
  split("n2", "n1", false);
  split("n1", "n2", true);
  const lost = "gateway nodes that are not used: n1 is not reached by other nodes through tunnels";
  t.same(compiled(), { ...own, active: "n2", message: lost }, "the status names the node that is alive");
  split("n2", "n1");
  t.match(compiled(), { ...own, active: "n2" }, "one node has reported it before the other");
  split("n1", "n2");
  t.same(compiled(), central);
  split("n2", "n1", false);
  t.match(
    compiled({ gatewayNode: "n1" }).hops,
    [["100.64.0.21"]],
    "a node that is not a gateway is not one of this subnet",
  );
});

t.test("a gateway node may be given with its source addresses", async (t) => {
  const facts = sampleFacts();
  for (const n of [1, 2]) addGateway(facts, `n${n}`, 20 + n);
  const gatewayNode = "n1:172.18.0.21, n2 : fd00:172:18:0::22,n2:172.18.0.22,n2:nonsense";
  addSubnet(facts, "c", { ...CENTRAL, gatewayNode, natOutgoing: true });
  const compiled = () => {
    const input = subnetUnit.read(facts, "c");
    const { rows, effects } = input === undefined ? { rows: [], effects: [] } : subnetUnit.compile(input);
    const text = effects.flatMap((effect) =>
      effect.kind === "fill" ? [effect.annotations?.["weft.kubeovn.io/node-contract"] ?? ""] : [],
    );
    const hops = rows.flatMap(({ columns }) => (columns["priority"] === 29000 ? [columns["nexthops"]] : []));
    return { hops: hops.flat(), told: decodeSubnetContract(text[0] ?? ""), message: conditionsIn(effects)[0]?.message };
  };
  const { hops, told, message } = compiled();
  t.same(hops, ["100.64.0.21"]);
  t.same(
    told.natSources?.map(({ text }) => text),
    ["172.18.0.21", "fd00:172:18::22", "172.18.0.22"],
  );
  t.equal(
    message,
    'spec.gatewayNode gives "nonsense", which is not an IP address; the node sends from its own address',
  );
  addSubnet(facts, "c", { ...CENTRAL, gatewayNode });
  t.equal(compiled().told.natSources, undefined, "nothing is translated");
});
