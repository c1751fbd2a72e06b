// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { addNode, addPod, addSubnet, sampleFacts } from "../../compile/testing/sample-facts.ts";
import type { FactStore } from "../../facts/store.ts";
import { projectIpPool } from "../../kinds/ippool.ts";
import { rig } from "../testing/allocator-rig.ts";

/** Adds an IPPool, younger than the existing ones. */
function addPool(facts: FactStore, name: string, ...ips: string[]): void {
  const metadata = { name, uid: name, creationTimestamp: `2026-01-01T00:00:0${facts.all("ipPools").length}Z` };
  facts.set("ipPools", name, projectIpPool({ metadata, spec: { subnet: "ovn-default", ips } }));
}

/** Adds a pod of a StatefulSet to the sample cluster. */
function addMember(facts: FactStore, set: string, ordinal: number, ipPool: string): void {
  const key = `default/${set}-${ordinal}`;
  addPod(facts, `${set}-${ordinal}`, { annotations: { "ovn.kubernetes.io/ip_pool": ipPool } });
  const pod = facts.get("pods", key);
  if (pod) facts.set("pods", key, { ...pod, node: "weft-1", owner: { kind: "StatefulSet", name: set, uid: set } });
}

/** The sample cluster: `a` has 10.16.0.2 and fd00:10:16::2; the pool `taken` is full, and so is the subnet `four`. */
function cluster() {
  const facts = sampleFacts();
  addNode(facts, "weft-3", "10.16.0.77");
  addSubnet(facts, "four", { cidrBlock: "10.30.0.0/30" });
  addPool(facts, "taken", "10.16.9.1", "fd00:10:16::901");
  const made = rig(facts);
  made.allocator.start();
  addPod(facts, "b", { node: "weft-1", annotations: { "ovn.kubernetes.io/ip_pool": "taken" } });
  made.write("b.default");
  addPod(facts, "c", { node: "weft-1", annotations: { "ovn.kubernetes.io/logical_switch": "four" } });
  made.write("c.default");
  return { ...made, mac: facts.get("ips", "a.default")?.mac ?? "" };
}

const WRONG: readonly (readonly [what: string, wish: Readonly<Record<string, string>>, said: string])[] = [
  [
    "an address outside the subnet",
    { ip_address: "10.99.0.1" },
    '10.99.0.1 is not in subnet "ovn-default" (10.16.0.0/16,fd00:10:16::/112); choose an address of that subnet, or name another subnet.',
  ],
  [
    "an address in use",
    { ip_address: "10.16.0.2" },
    '10.16.0.2 in subnet "ovn-default" is in use by IP "a.default"; choose another address, or delete its owner.',
  ],
  [
    "the gateway's",
    { ip_address: "10.16.0.1" },
    '10.16.0.1 is the gateway of subnet "ovn-default"; choose another address of 10.16.0.0/16,fd00:10:16::/112.',
  ],
  [
    "the network's",
    { ip_address: "10.16.0.0" },
    '10.16.0.0 is the network address of subnet "ovn-default"; choose another address of 10.16.0.0/16,fd00:10:16::/112.',
  ],
  [
    "the broadcast address",
    { ip_address: "10.16.255.255" },
    '10.16.255.255 is the broadcast address of subnet "ovn-default"; choose another address of 10.16.0.0/16,fd00:10:16::/112.',
  ],
  [
    "the last IPv6 address",
    { ip_address: "fd00:10:16::ffff" },
    'fd00:10:16::ffff is the last address of subnet "ovn-default", which is reserved; choose another address of 10.16.0.0/16,fd00:10:16::/112.',
  ],
  [
    "a node's",
    { ip_address: "10.16.0.77" },
    '10.16.0.77 is an address of node "weft-3" and cannot be allocated from subnet "ovn-default"; choose another address of 10.16.0.0/16,fd00:10:16::/112.',
  ],
  [
    "a family",
    { logical_switch: "four", ip_family: "ipv6" },
    "requested ip family IPv6 does not match subnet four protocol IPv4, which has only 10.30.0.0/30; remove the ip_family annotation, or choose a subnet with IPv6.",
  ],
  [
    "an address of a family",
    { logical_switch: "four", ip_address: "fd00::5" },
    'fd00::5 is not in subnet "four" (10.30.0.0/30); choose an address of that subnet, or name another subnet.',
  ],
  [
    "another family than ip_family",
    { ip_family: "ipv4", ip_address: "fd00:10:16::5" },
    "fd00:10:16::5 in ovn.kubernetes.io/ip_address is IPv6, but ip_family requests ipv4; remove one of them.",
  ],
  [
    "no address",
    { ip_address: "10.16.0.256" },
    'ovn.kubernetes.io/ip_address "10.16.0.256" is not an address; it must be one address without a prefix length, or one IPv4 and one IPv6 address separated by a comma.',
  ],
  [
    "a MAC that is taken",
    { mac_address: "<its MAC>" },
    'MAC address <its MAC> is in use by IP "a.default" in the network of subnet "ovn-default"; choose another one, or remove the annotation to get a new one.',
  ],
  [
    "a MAC that is malformed",
    { mac_address: "02:00:00:00:00" },
    'ovn.kubernetes.io/mac_address is "02:00:00:00:00", which is not a valid MAC address of an interface; it must be six bytes such as 00:00:5e:00:53:01, not multicast and not all zero.',
  ],
  [
    "a pool that does not exist",
    { ip_pool: "takken" },
    'IPPool "takken" does not exist; create it, or "taken" may be meant.',
  ],
  [
    "a pool that is full",
    { ip_pool: "taken" },
    'IPPool "taken" of subnet "ovn-default" has no free IPv4 address: all 1 are in use by IP "b.default"; release one or add addresses to the pool\'s ips.',
  ],
  [
    "a full subnet",
    { logical_switch: "four" },
    'Subnet "four" has no free IPv4 address: all 1 are in use; release one, enlarge cidrBlock or shorten excludeIps.',
  ],
  [
    "a subnet that does not exist",
    { logical_switch: "five" },
    'Subnet "five" does not exist; choose one of: "four", "join" and "ovn-default".',
  ],
  [
    "an annotation with a typo",
    { ip_adress: "10.16.0.9" },
    'Annotation "ovn.kubernetes.io/ip_adress" is unknown; "ovn.kubernetes.io/ip_address" may be meant.',
  ],
];

t.test(
  "an invalid request of a pod is refused in a sentence with the value, its owner, and what would be accepted",
  async (t) => {
    for (const [what, wish, sentence] of WRONG) {
      const { facts, said, mac } = cluster();
      const annotations = Object.fromEntries(
        Object.entries(wish).map(([key, value]) => [`ovn.kubernetes.io/${key}`, value.replace("<its MAC>", mac)]),
      );
      addPod(facts, "x", { node: "weft-1", annotations });
      t.same(said, [sentence.replace("<its MAC>", mac)], what);
    }
  },
);

t.test("a pool that overlaps another does not get addresses of the older one", async (t) => {
  const { facts } = cluster();
  addPool(facts, "late", "10.16.9.0..10.16.9.3");
  t.match(facts.get("verdicts", "ippool/late"), {
    ok: false,
    reason: "PoolOverlap",
    message:
      'IPPool "late" names 10.16.9.1, which IPPool "taken" of subnet "ovn-default" already has; choose addresses that no other pool has.',
  });
});

t.test(
  "of two StatefulSets that list one address the refusal of the second names the owner and the other list",
  async (t) => {
    for (const [first, second, address, holder] of [
      ["10.16.7.1,10.16.7.2", "10.16.7.1,10.16.7.2", "10.16.7.1", "first-0"],
      ["10.16.7.1,10.16.7.2", "10.16.7.2,10.16.7.3", "10.16.7.2", "first-1"],
      ["10.16.7.1,fd00:10:16::71;10.16.7.2", "10.16.7.8,fd00:10:16::71;10.16.7.9", "fd00:10:16::71", "first-0"],
    ] as const) {
      const { facts, said, records, write } = cluster();
      for (const ordinal of [0, 1]) {
        addMember(facts, "first", ordinal, first);
        write(`first-${ordinal}.default`);
      }
      addMember(facts, "second", 0, second);
      t.equal(records.has("second-0.default"), false);
      t.same(said, [
        `${address} in subnet "ovn-default" is in use by IP "${holder}.default"; choose another address, or delete its owner. It is also in ip_pool of StatefulSet "first": list it in one of them only, or set ip_pool of both to the name of one IPPool.`,
      ]);
    }
  },
);

t.test("a pod of the same StatefulSet, or an address that no other workload lists, is not reported", async (t) => {
  const { facts, said } = cluster();
  addMember(facts, "first", 0, "10.16.0.2");
  t.same(said, [
    '10.16.0.2 in subnet "ovn-default" is in use by IP "a.default"; choose another address, or delete its owner.',
  ]);
});

t.test(
  "two StatefulSets share an IPPool, as in Kube-OVN; without a free address the refusal of the second names the owners",
  async (t) => {
    const { facts, said, write } = cluster();
    addPool(facts, "shared", "10.16.8.1..10.16.8.3", "fd00:10:16::801..fd00:10:16::803");
    for (const [set, ordinal] of [
      ["first", 0],
      ["second", 0],
      ["first", 1],
    ] as const) {
      addMember(facts, set, ordinal, "shared");
      write(`${set}-${ordinal}.default`);
    }
    t.same(said, []);
    addMember(facts, "second", 1, "shared");
    t.same(said, [
      'IPPool "shared" of subnet "ovn-default" has no free IPv4 address: all 3 are in use by IP "first-0.default", IP "second-0.default", IP "first-1.default"; release one or add addresses to the pool\'s ips.',
    ]);
  },
);
