// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { afterInRing, familiesOf, nodeTargets, podTargets } from "./targets.ts";
import { peerNodeOf, peerOf } from "./watches.ts";

const names = (count: number): readonly string[] => Array.from({ length: count }, (_, index) => `node-${index}`);
const itself = (name: string): string => name;

t.test(
  "a small cluster is a full mesh; in a large one each node is probed by as many others as it probes",
  async (t) => {
    const small = names(5);
    for (const own of small)
      t.same(
        [...afterInRing(own, small, itself, 32)].sort(),
        small.filter((name) => name !== own),
      );
    const large = names(200);
    const probed = new Map<string, number>();
    for (const own of large) {
      const chosen = afterInRing(own, large, itself, 32);
      t.equal(new Set(chosen).size, 32, own);
      t.notOk(chosen.includes(own));
      for (const name of chosen) probed.set(name, (probed.get(name) ?? 0) + 1);
    }
    t.same(new Set(probed.values()), new Set([32]));
    t.equal(probed.size, 200);
  },
);

t.test("a node that joins changes at most one choice of each other", async (t) => {
  const before = names(100);
  const after = [...before, "node-new"];
  for (const own of before) {
    const former = new Set(afterInRing(own, before, itself, 8));
    t.ok(afterInRing(own, after, itself, 8).filter((name) => !former.has(name)).length <= 1, own);
  }
});

t.test("a prober that is not listed yet probes the others", async (t) => {
  t.same([...afterInRing("own", ["a", "b"], itself, 8)].sort(), ["a", "b"]);
  t.same(afterInRing("own", [], itself, 8), []);
});

t.test("addresses of the prober's own families are probed, of its own node too", async (t) => {
  const peers = [
    { node: "a", hostIp: "192.0.2.1", podIps: ["10.16.0.2", "fd00::2"] },
    { node: "b", hostIp: "192.0.2.2", podIps: ["10.16.0.3", "fd00::3"] },
  ];
  const nodes = [
    { name: "a", addresses: ["192.0.2.1", "2001:db8::1"] },
    { name: "b", addresses: ["192.0.2.2", "bad"] },
  ];
  const texts = (of: ReturnType<typeof podTargets>) => of.map(({ node, address }) => `${node} ${address.text}`).sort();
  const both = familiesOf(["10.16.0.2", "fd00::2"]);
  t.same(texts(podTargets("a", peers, both, 32)), ["b 10.16.0.3", "b fd00::3"]);
  t.same(texts(podTargets("a", peers, familiesOf(["10.16.0.2"]), 32)), ["b 10.16.0.3"]);
  t.same(texts(nodeTargets("a", nodes, both, 32)), ["a 192.0.2.1", "a 2001:db8::1", "b 192.0.2.2"]);
});

t.test("pods that do not run or are being deleted are no peers", async (t) => {
  const metadata = { name: "p", namespace: "kube-system", uid: "u", resourceVersion: "1" };
  const status = { phase: "Running" as const, hostIP: "192.0.2.1", podIPs: [{ ip: "10.16.0.2" }] };
  t.same(peerOf({ metadata, spec: { nodeName: "a" }, status }), {
    ...{ node: "a", hostIp: "192.0.2.1", podIps: ["10.16.0.2"] },
  });
  t.equal(peerOf({ metadata, spec: {}, status }), undefined);
  t.equal(peerOf({ metadata, spec: { nodeName: "a" }, status: { ...status, phase: "Pending" } }), undefined);
  t.equal(peerOf({ metadata, spec: { nodeName: "a" }, status: { ...status, podIPs: [] } }), undefined);
  const deletionTimestamp = "2025-01-01T00:00:00Z";
  t.equal(peerOf({ metadata: { ...metadata, deletionTimestamp }, spec: { nodeName: "a" }, status }), undefined);
  const addresses = [
    { type: "Hostname", address: "a" },
    { type: "InternalIP", address: "192.0.2.1" },
  ];
  t.same(peerNodeOf({ metadata, status: { addresses } }), { name: "p", addresses: ["192.0.2.1"] });
  t.equal(peerNodeOf({ metadata }), undefined);
});
