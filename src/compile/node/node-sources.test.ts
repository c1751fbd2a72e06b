// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { rowUuid } from "../../desired/identity.ts";
import type { FactStore } from "../../facts/store.ts";
import { groupText } from "../../policy/group.ts";
import { groupUnit } from "../group.ts";
import { groupSetId } from "../owner-ids.ts";
import { addNetworkPolicy, addNode, SAMPLE_CLUSTER, sampleFacts } from "../testing/sample-facts.ts";
import { nodeUnit } from "./node.ts";

const NODES = ["weft-1", "weft-2"];

/** A policy that allows clients by their addresses. */
function allow(facts: FactStore, name: string, ...blocks: readonly { cidr: string; except?: string[] }[]): void {
  addNetworkPolicy(facts, name, { podSelector: {}, ingress: [{ from: blocks.map((ipBlock) => ({ ipBlock })) }] });
}

function sample(kubeProxyReplacement: boolean): FactStore {
  const facts = sampleFacts();
  facts.set("cluster", "cluster", { ...SAMPLE_CLUSTER, kubeProxyReplacement });
  return facts;
}

const textOf = (facts: FactStore, name: string): string =>
  groupText(facts.get("groups", name)?.group ?? { kind: "domain", domain: "?" });

/** The source matches of a policy's ACLs, with the groups' names for users. */
function matches(facts: FactStore, policy: string): readonly (string | undefined)[] {
  const acls = facts.get("compiledPolicies", `networkPolicies/default/${policy}`)?.acls ?? [];
  return acls
    .filter(({ action }) => action !== "drop")
    .map(({ match }) =>
      match
        .replace(/^outport == @\S+ && /, "")
        .replaceAll(/\$(weft\.sources\.[0-9a-f]+)_ip[46]/g, (_, name: string) => `<${textOf(facts, name)}>`),
    );
}

/** The members of groups of nodes' sources. */
function members(facts: FactStore): Readonly<Record<string, readonly string[]>> {
  const groups = facts.all("groups").filter(({ group }) => group.kind === "sources");
  const found: Record<string, string[]> = {};
  for (const { key } of groups) {
    const input = groupUnit.read(facts, key);
    for (const { uuid } of input === undefined ? [] : groupUnit.compile(input).rows) {
      const family = uuid === rowUuid("Address_Set", groupSetId(key, 4)) ? 4 : 6;
      t.equal(uuid, rowUuid("Address_Set", groupSetId(key, family)));
      const edges = NODES.flatMap((name) => {
        const node = nodeUnit.read(facts, name);
        return node === undefined ? [] : nodeUnit.compile(node).edges;
      });
      const own = edges.filter((edge) => edge.row === uuid && edge.column === "addresses");
      found[textOf(facts, key)] = own.map(({ member }) => member).sort();
    }
  }
  return found;
}

t.test("without kube-proxy an ipBlock means the nodes in it by their addresses for Services as well", async (t) => {
  const facts = sample(true);
  allow(facts, "one", { cidr: "172.18.0.11/32" });
  t.same(matches(facts, "one"), [
    "ip4.src == {<nodes in 172.18.0.11/32, by their addresses for Services>, 172.18.0.11/32}",
  ]);
  allow(facts, "six", { cidr: "fd00:172:18::/64" });
  t.same(members(facts), {
    "nodes in 172.18.0.11/32, by their addresses for Services": ["100.64.128.2"],
    "nodes in fd00:172:18::/64, by their addresses for Services": ["fd00:100:64::8002", "fd00:100:64::8003"],
  });
  t.same(facts.get("nodeSources", "weft-2")?.groups.length, 1, "only nodes in a block are compiled again for it");
});

t.test("exceptions leave out the nodes in them, by each of their addresses", async (t) => {
  const facts = sample(true);
  allow(facts, "most", { cidr: "172.18.0.0/16", except: ["172.18.0.12/32"] });
  allow(facts, "all", { cidr: "0.0.0.0/0", except: ["172.18.0.0/24"] }, { cidr: "::/0" });
  t.match(members(facts), {
    "nodes in 172.18.0.0/16 except 172.18.0.12/32, by their addresses for Services": ["100.64.128.2"],
    "nodes in 172.18.0.12/32, by their addresses for Services": ["100.64.128.3"],
  });
  t.same(matches(facts, "all"), [
    "ip4.src == 0.0.0.0/0 && ip4.src != {<nodes in 172.18.0.0/24, by their addresses for Services>, 172.18.0.0/24}",
    "ip6.src == {::/0}",
  ]);
});

t.test("with kube-proxy, and for egress from pods, an ipBlock is its addresses", async (t) => {
  const facts = sample(false);
  allow(facts, "one", { cidr: "172.18.0.0/16" });
  t.same(matches(facts, "one"), ["ip4.src == {172.18.0.0/16}"]);
  const out = sample(true);
  const egress = [{ to: [{ ipBlock: { cidr: "172.18.0.0/16" } }] }];
  addNetworkPolicy(out, "out", { podSelector: {}, policyTypes: ["Egress"], egress });
  t.same([members(facts), members(out)], [{}, {}]);
});

t.test("an untrusted address adds a node to no block, and a node whose address changes leaves its block", async (t) => {
  const facts = sample(true);
  allow(facts, "one", { cidr: "10.96.0.0/16" }, { cidr: "172.18.0.12/32" });
  const [services, own] = ["10.96.0.0/16", "172.18.0.12/32"].map(
    (cidr) => `nodes in ${cidr}, by their addresses for Services`,
  );
  t.same(members(facts), { [services!]: [], [own!]: ["100.64.128.3"] });
  addNode(facts, "weft-2", "10.96.0.77");
  t.same(members(facts), { [services!]: [], [own!]: [] });
  facts.set("networkPolicies", "default/one", undefined);
  t.same([members(facts), facts.all("nodeSources")], [{}, []]);
});
