// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import { podPortName } from "../../api/port-names.ts";
import { markOfPort, portIds } from "../ovs/port-ids.ts";
import { podAlias, readPodAlias } from "./pod-mark.ts";

const MARK = {
  uid: "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
  containerId: "a".repeat(64),
  ifName: "eth0",
  provider: "ovn",
};

t.test("an interface's alias names its pod, readable for users too", async (t) => {
  const alias = podAlias({ ...MARK, network: "kube-ovn" }, "shop", "web-0");
  t.equal(alias, `weft: pod shop/web-0 uid=${MARK.uid} container=${MARK.containerId} if=eth0 network=kube-ovn`);
  t.same(readPodAlias(alias), { ...MARK, network: "kube-ovn", pod: "shop/web-0" });
  const whole = { ...MARK, network: "kube-ovn", netns: "/var/run/netns/cni-6ba7b810-9dad-11d1-80b4-00c04fd430c8" };
  t.same(readPodAlias(podAlias(whole, "shop", "web-0")), { ...whole, pod: "shop/web-0" });
  const { netns: _, ...rest } = whole;
  t.same(readPodAlias(podAlias(whole, "shop", "w".repeat(60))), { ...rest, pod: `shop/${"w".repeat(60)}` });
  t.same(
    readPodAlias(podAlias(whole, "shop", "w".repeat(200))),
    rest,
    "the space is used for what cannot be found elsewhere",
  );
  for (const other of ["", "weft: node", "of another program", "weft: pod shop/web-0"])
    t.equal(readPodAlias(other), undefined, other);
});

t.test("the alias fits and is parsed as it was written, or not at all", async (t) => {
  const word = (maxLength: number) => fc.string({ minLength: 1, maxLength, unit: "grapheme" });
  const mark = fc.record({
    uid: word(40),
    containerId: word(256),
    ifName: word(15),
    provider: word(120),
    network: word(60),
  });
  fc.assert(
    fc.property(mark, word(63), word(253), (wanted, namespace, name) => {
      const pod = [namespace, name].map((text) => text.replaceAll(/[^a-z0-9-]/g, "x")) as [string, string];
      const alias = podAlias(wanted, ...pod);
      const { pod: said, ...read } = readPodAlias(alias) ?? { ...wanted, pod: undefined };
      t.ok(Buffer.byteLength(alias) <= 255 && alias.startsWith("weft: pod "));
      t.same(read, wanted);
      t.ok(said === undefined || said === pod.join("/"));
    }),
  );
});

t.test("the mark of an interface that an earlier version created is derived from its port", async (t) => {
  const pod = { name: "web-0", namespace: "shop" };
  for (const [provider, ofPort] of [
    ["ovn", "ovn"],
    ["net.shop.ovn", "net.shop.ovn"],
    ["net.shop.ovn", "net.shop.ovn.net1"],
  ] as const) {
    const mark = { ...MARK, ifName: "net1", provider, network: "net", netns: "/run/netns/x" };
    const externalIds = portIds(pod, { provider: ofPort, addresses: [] }, mark);
    t.same(markOfPort({ externalIds }), mark, podPortName(pod.name, pod.namespace, ofPort));
  }
  t.equal(markOfPort({ externalIds: { pod_name: "web-0", pod_namespace: "shop" } }), undefined);
});
