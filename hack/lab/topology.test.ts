// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import { test } from "tap";
import { bridgeConflist } from "./bridge.ts";
import {
  addressOf,
  CONTROL,
  chosen,
  hostLinkAddresses,
  labNodeNames,
  linksOf,
  MAX_NODES,
  OUTSIDE,
  POD_CIDR,
} from "./topology.ts";

await test("the network of the lab", async (t) => {
  await t.test(
    "every space has addresses, MACs and bridge ports of its own, and names that fit an interface",
    async (t) => {
      const links = [CONTROL, OUTSIDE, ...labNodeNames(MAX_NODES)].flatMap(linksOf);
      for (const value of [
        links.map((l) => l.mac),
        links.map((l) => l.address.v4),
        links.map((l) => l.address.v6),
        links.map((l) => l.port),
      ]) {
        t.equal(new Set(value).size, value.length);
      }
      t.ok(links.every((link) => link.port.length <= 15));
      t.ok(links.every((link) => Number(link.address.v4.split(".")[3]) < 255));
    },
  );

  await t.test("the control plane has no second interface, a node has eth0 and eth1", async (t) => {
    t.same(
      linksOf(CONTROL).map((link) => link.name),
      ["eth0"],
    );
    t.same(
      linksOf("weft-1").map((link) => link.name),
      ["eth0", "eth1"],
    );
    t.equal(addressOf("weft-1").v4, "172.18.0.11");
  });

  await t.test("each block of the host's link is a /30 inside 198.18.0.0/15, apart from every other", async () => {
    const value = (text: string): number => text.split(".").reduce((sum, byte) => sum * 256 + Number(byte), 0);
    fc.assert(
      fc.property(fc.nat(32_767), fc.nat(32_767), (a, b) => {
        const [first, second] = [hostLinkAddresses(a), hostLinkAddresses(b)];
        const base = value(first.host) - 1;
        if (base % 4 !== 0 || value(first.control) !== base + 2) return false;
        if (base < value("198.18.0.0") || base + 3 > value("198.19.255.255")) return false;
        return (a === b) === (first.host === second.host);
      }),
    );
  });

  await t.test("families are given IPv4 first", async (t) => {
    t.same(chosen("dual", POD_CIDR), ["10.16.0.0/16", "fd00:10:16::/112"]);
    t.same(chosen("ipv6", POD_CIDR), ["fd00:10:16::/112"]);
  });

  await t.test("the floor has one range and one default route for each family", async (t) => {
    const { plugins } = bridgeConflist(["10.16.1.0/24", "fd00:10:16::100/120"]) as {
      plugins: [{ ipam: { ranges: unknown; routes: unknown } }];
    };
    t.same(plugins[0].ipam.ranges, [[{ subnet: "10.16.1.0/24" }], [{ subnet: "fd00:10:16::100/120" }]]);
    t.same(plugins[0].ipam.routes, [{ dst: "0.0.0.0/0" }, { dst: "::/0" }]);
  });
});
