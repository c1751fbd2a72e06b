// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { NODE } from "../../api/annotations.ts";
import { projectNode } from "../../facts/project-core.ts";
import { factStore } from "../../kinds/store.ts";
import { judgeChassis } from "./node-chassis.ts";

/** Nodes with the chassis that their daemons report, and a southbound database that has been read. */
function world(nodes: Readonly<Record<string, string | undefined>>) {
  const facts = factStore();
  facts.set("served", "chassis", { key: "chassis" });
  Object.entries(nodes).forEach(([name, id], i) => {
    const annotations = id === undefined ? {} : { [NODE.chassis]: id };
    const status = { addresses: [{ type: "InternalIP", address: `172.18.0.${11 + i}` }] };
    facts.set("nodes", name, projectNode({ metadata: { name, uid: `uid-${name}`, annotations }, status }));
  });
  const chassis = (name: string, host: string, ip: string, remote = false): void => {
    facts.set("chassis", `uuid-${name}`, { key: `uuid-${name}`, name, host, remote });
    facts.set("encaps", `geneve/${ip}`, { key: `geneve/${ip}`, ip, chassis: name });
  };
  const judge = (name: string) => {
    const node = facts.get("nodes", name);
    return node && judgeChassis(facts, node);
  };
  return { facts, chassis, judge };
}

t.test("a node with only its own chassis has no problem", async (t) => {
  const { chassis, judge } = world({ a: "c1", b: "c2" });
  chassis("c1", "a", "172.18.0.11");
  chassis("c2", "b", "172.18.0.12");
  t.equal(judge("a"), undefined);
  t.equal(judge("b"), undefined);
});

t.test("nothing is reported before the daemon and the southbound database are known", async (t) => {
  const { facts, judge } = world({ a: "c1", b: undefined });
  t.match(judge("a"), { reason: "ChassisMissing" });
  t.equal(judge("b"), undefined);
  facts.set("served", "chassis", undefined);
  t.equal(judge("a"), undefined);
});

t.test(
  "a missing chassis names the chassis with the node's name or address: a former system-id of its own",
  async (t) => {
    const { chassis, judge } = world({ a: "new", b: "c2", c: "c3" });
    chassis("c2", "b", "172.18.0.12");
    t.match(judge("c"), { reason: "ChassisMissing", message: /no chassis c3, .*log of the node's ovn-controller/ });
    chassis("old", "a-before", "172.18.0.11");
    t.match(judge("a"), { reason: "ChassisMissing", message: /ovn-sbctl chassis-del old$/ });
    chassis("older", "a", "192.0.2.1");
    t.match(judge("a"), { message: /ovn-sbctl chassis-del old; ovn-sbctl chassis-del older$/ });
  },
);

t.test("a chassis with the address of one of the node's networks is named", async (t) => {
  const { facts, chassis, judge } = world({ a: "new" });
  const node = facts.get("nodes", "a");
  const contract = '{"version":1,"networks":{"storage":"192.168.10.11"}}';
  facts.set("nodes", "a", node && { ...node, annotations: { ...node.annotations, [NODE.contract]: contract } });
  chassis("c9", "z", "192.168.10.11");
  t.match(judge("a"), { reason: "ChassisMissing", message: /ovn-sbctl chassis-del c9$/ });
});

t.test("a former chassis beside the node's own is a conflict, one of another availability zone is not", async (t) => {
  const { chassis, judge } = world({ a: "new" });
  chassis("new", "a", "172.18.0.11");
  chassis("far", "a", "198.51.100.1", true);
  t.equal(judge("a"), undefined);
  chassis("old", "a", "192.0.2.1");
  t.match(judge("a"), {
    reason: "ChassisConflict",
    message: /new, the current one, and old; .*ovn-sbctl chassis-del old$/,
  });
});

t.test("two nodes with one system-id are both reported", async (t) => {
  const { chassis, judge } = world({ a: "c1", b: "c1" });
  chassis("c1", "b", "172.18.0.12");
  t.match(judge("a"), { reason: "ChassisConflict", message: /node b has the same system-id, c1/ });
  t.match(judge("b"), { reason: "ChassisConflict", message: /node a has the same system-id, c1/ });
});
