// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { type EncapInput, planEncaps } from "./encap-addresses.ts";

/** A node with interfaces, each with its MTU and addresses. */
function plan(
  more: Partial<EncapInput> & { readonly links?: Readonly<Record<string, readonly [number, ...string[]]>> },
) {
  const { links = { eth1: [1500, "172.19.0.11"], eth2: [9000, "192.168.10.11"] }, ...rest } = more;
  return planEncaps({
    settings: { "ovn-encap-ip": "172.19.0.11", "ovn-encap-type": "geneve", "ovn-bridge-datapath-type": "system" },
    present: {},
    networks: {},
    tunnelInterface: undefined,
    linkOf: (ip) => {
      const found = Object.entries(links).find(([, [, ...addresses]]) => addresses.includes(ip));
      return found && { name: found[0], mtu: found[1][0] };
    },
    addressesOf: (name) => links[name]?.slice(1) as string[] | undefined,
    isBridge: (name) => name.startsWith("br-"),
    ...rest,
  });
}
const STORAGE = { networks: { storage: "192.168.10.11" } };
const IN_USE = {
  "ovn-encap-ip": "172.19.0.11,192.168.10.11",
  "ovn-encap-ip-default": "172.19.0.11",
  "weft-encap-base": "172.19.0.11",
  "weft-node-networks": '{"storage":"192.168.10.11"}',
};

t.test("a node without additional networks stays as start-ovs made it", async (t) => {
  t.strictSame(plan({}), { settings: {}, planes: new Map(), problems: [] });
});

t.test("each network has its address beside the default one, and the MTU that its own interface allows", async (t) => {
  const { settings, planes, problems } = plan(STORAGE);
  t.strictSame(settings, IN_USE);
  t.strictSame([...planes], [["storage", { ip: "192.168.10.11", mtu: 8900 }]]);
  t.strictSame(problems, []);
  const same = plan({ networks: { a: "172.19.0.11" } });
  t.match(same.settings, { "ovn-encap-ip": "172.19.0.11" }, "no address is there twice");
  t.strictSame([...same.planes], [["a", { ip: "172.19.0.11", mtu: 1400 }]]);
});

t.test("removed networks do not affect the default address", async (t) => {
  t.strictSame(plan({ present: IN_USE }).settings, {
    ...{ "ovn-encap-ip": "172.19.0.11", "ovn-encap-ip-default": "172.19.0.11", "weft-encap-base": "172.19.0.11" },
    "weft-node-networks": "{}",
  });
});

t.test("an address that no interface has leaves the former one active, if that is still there", async (t) => {
  const wrong = { networks: { storage: "192.168.10.99" } };
  const kept = plan({ ...wrong, present: IN_USE });
  t.strictSame(kept.settings, IN_USE);
  t.match(kept.problems, [
    {
      reason: "NodeNetworkNotUsable",
      message: /no interface of this node has the address 192\.168\.10\.99; 192\.168\.10\.11 stays active$/,
    },
  ]);
  const none = plan(wrong);
  t.strictSame([none.settings, none.planes.size], [{}, 0]);
  t.match(none.problems, [{ message: /pods of subnets in this network do not start here$/ }]);
  const gone = plan({ ...STORAGE, present: IN_USE, links: { eth1: [1500, "172.19.0.11"] } });
  t.match([gone.settings["ovn-encap-ip"], gone.planes.size], ["172.19.0.11", 0]);
});

t.test("the userspace datapath accepts only addresses of its bridges", async (t) => {
  const settings = { "ovn-encap-ip": "172.19.0.11", "ovn-bridge-datapath-type": "netdev" };
  t.match(plan({ ...STORAGE, settings }).problems, [{ message: /is on interface eth2, and the userspace datapath/ }]);
  const links = { "br-phy": [1500, "172.19.0.11", "192.168.10.11"] } as const;
  t.match(plan({ ...STORAGE, settings, links }), { problems: [], settings: IN_USE });
});

t.test("the interface that the Node's annotation names has the default address", async (t) => {
  const { settings, problems } = plan({ tunnelInterface: "eth9, eth2" });
  t.match(settings, {
    "ovn-encap-ip": "192.168.10.11",
    "ovn-encap-ip-default": "192.168.10.11",
    "weft-encap-base": "172.19.0.11",
  });
  t.strictSame(problems, []);
  t.strictSame(plan({ tunnelInterface: "eth1" }).settings, {}, "it is start-ovs's");
  const links = { eth1: [1500, "172.19.0.11"], eth2: [1500, "fe80::1", "169.254.1.1"] } as const;
  for (const [tunnelInterface, why] of [
    ["eth9", /this node has no such interface; 172\.19\.0\.11 stays active/],
    ["eth2", /interface eth2 has no IPv4 address; 172\.19\.0\.11 stays active/],
  ] as const)
    t.match(plan({ tunnelInterface, links }), {
      settings: {},
      problems: [{ reason: "TunnelInterfaceNotUsable", message: why }],
    });
  const present = { ...settings };
  t.match(
    plan({ tunnelInterface: "eth9", present }).settings,
    { "ovn-encap-ip": "192.168.10.11" },
    "the former one stays",
  );
});

t.test("while start-ovs restarts nothing changes", async (t) => {
  const { settings, planes } = plan({ ...STORAGE, settings: {}, present: IN_USE });
  t.strictSame(settings, {});
  t.match(planes.get("storage"), { ip: "192.168.10.11" });
});
