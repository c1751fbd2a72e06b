// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { nodePod } from "../pods/pods.ts";
import { readAllocation } from "./allocation.ts";

const BASE = {
  allocated: "true",
  routed: "true",
  ip_address: "10.16.0.7",
  mac_address: "02:00:00:00:00:07",
  cidr: "10.16.0.0/16",
  gateway: "10.16.0.1",
  logical_switch: "ovn-default",
};

type Routes = { dst?: string; gw?: string }[];

function read(more: Record<string, string> = {}, provider = "ovn", routes: Routes = [], ifName = nameFor(provider)) {
  const annotations = Object.fromEntries(
    Object.entries({ ...BASE, ...more }).map(([key, value]) => [`${provider}.kubernetes.io/${key}`, value]),
  );
  const metadata = { namespace: "shop", name: "web-0", uid: "u", resourceVersion: "1", annotations };
  return readAllocation(nodePod({ metadata }), { ipamOnly: false, provider, ifName, routes });
}

function nameFor(provider: string): string {
  return provider === "ovn" ? "eth0" : "net1";
}

function routes(more: Record<string, string>, provider?: string, extra?: Routes, ifName?: string): string[] {
  const state = read(more, provider, extra, ifName);
  if (state.state !== "ready") throw new Error(state.state);
  return state.allocation.routes.map(
    ({ destination, gateway, onlink }) => `${destination.text} via ${gateway.text}${onlink ? " onlink" : ""}`,
  );
}

t.test("an allocation is complete with address and route", async (t) => {
  t.match(read({ allocated: "" }), { state: "waiting", missing: "address" });
  t.match(read({ routed: "" }), { state: "waiting", missing: "route" });
  t.match(read(), { state: "ready", allocation: { mac: "02:00:00:00:00:07", subnet: "ovn-default" } });
  t.match(read({ routed: "" }, "net1.shop.ovn"), { state: "ready" }, "a secondary interface does not wait for a route");
});

t.test("IPv4 comes before IPv6 in any order of the annotation", async (t) => {
  const state = read({
    ip_address: "fd00::7,10.16.0.7",
    cidr: "fd00::/112,10.16.0.0/16",
    gateway: "fd00::1,10.16.0.1",
  });
  t.match(state, {
    allocation: {
      addresses: [
        { ip: { text: "10.16.0.7" }, gateway: { text: "10.16.0.1" } },
        { ip: { text: "fd00::7" }, cidr: { text: "fd00::/112" }, gateway: { text: "fd00::1" } },
      ],
    },
  });
});

t.test("routes: the default one, the pod's, the configuration's", async (t) => {
  t.same(routes({}), ["0.0.0.0/0 via 10.16.0.1"]);
  t.same(routes({ routes: '[{"dst":"192.0.2.0/24","gw":"10.16.0.9"},{"gw":"10.16.0.2"}]' }), [
    "0.0.0.0/0 via 10.16.0.2",
    "192.0.2.0/24 via 10.16.0.9",
  ]);
  t.same(routes({}, "ovn", [{ dst: "198.51.100.0/24" }]), ["0.0.0.0/0 via 10.16.0.1", "198.51.100.0/24 via 10.16.0.1"]);
  t.same(routes({}, "net1.shop.ovn"), [], "a secondary interface does not take the default route");
  t.same(routes({ default_route: "true" }, "net1.shop.ovn"), ["0.0.0.0/0 via 10.16.0.1"]);
  t.same(routes({}, "net1.shop.ovn", [], "eth0"), ["0.0.0.0/0 via 10.16.0.1"], "unless it is the pod's first one");
  t.same(routes({ default_route: "false" }), []);
  t.same(routes({ cidr: "10.16.0.7/32" }), ["0.0.0.0/0 via 10.16.0.1 onlink"]);
  t.same(routes({ gateway: "" }), []);
});

t.test("a subnet that allocates only MAC addresses gives an interface without IP addresses", async (t) => {
  const state = read({ ip_address: "", cidr: "", gateway: "" }, "mac.shop.ovn");
  t.match(state, { state: "ready", allocation: { addresses: [], routes: [], mac: "02:00:00:00:00:07" } });
});

t.test("each interface of a network that a pod uses twice has its own annotations", async (t) => {
  const one = (provider: string, ip: string): Record<string, string> =>
    Object.fromEntries(
      Object.entries({ ...BASE, ip_address: ip }).map(([key, value]) => [`${provider}.kubernetes.io/${key}`, value]),
    );
  const annotations = { ...one("lan.shop.ovn", "10.16.0.7"), ...one("lan.shop.ovn.net2", "10.16.0.8") };
  const metadata = { namespace: "shop", name: "web-0", uid: "u", resourceVersion: "1", annotations };
  const of = (ifName: string) =>
    readAllocation(nodePod({ metadata }), { ipamOnly: false, provider: "lan.shop.ovn", ifName, routes: [] });
  t.match(of("net1"), { allocation: { provider: "lan.shop.ovn", addresses: [{ ip: { text: "10.16.0.7" } }] } });
  t.match(of("net2"), { allocation: { provider: "lan.shop.ovn.net2", addresses: [{ ip: { text: "10.16.0.8" } }] } });
});

t.test("routes that the interface cannot have are left out, and the rest works", async (t) => {
  for (const value of [
    "{",
    '{"dst":"0.0.0.0/0"}',
    '[{"dst":7}]',
    '[{"dst":"10.0.0.0/8","gw":"fd00::1"}]',
    '[{"dst":"fd01::/64"}]',
    '[{"dst":"10.0.0.0/8","gw":"192.168.0.1"}]',
    "[{}]",
  ])
    t.same(routes({ routes: value }), ["0.0.0.0/0 via 10.16.0.1"], value);
  t.same(routes({ routes: '[{"dst":"192.0.2.0/24"}]', gateway: "" }), [], "without a gateway of the subnet");
  t.same(routes({ default_route: "yes" }), ["0.0.0.0/0 via 10.16.0.1"]);
  t.throws(
    () => routes({}, "ovn", [{ dst: "fd01::/64" }]),
    { message: /invalid route/ },
    "the configuration's are not",
  );
});

t.test("the error names a malformed annotation", async (t) => {
  for (const [key, value] of [
    ["mac_address", "nonsense"],
    ["ip_address", "10.16.0.300"],
    ["ip_address", ""],
    ["cidr", "10.16.0.0"],
    ["cidr", "fd00::/64"],
    ["gateway", "gw"],
  ] as const) {
    // `10.16.0.0` without a prefix length may be read as a host; its address is then outside.
    if (key === "cidr" && value === "10.16.0.0") continue;
    t.throws(() => read({ [key]: value }), { message: new RegExp(`${key}.*of pod shop/web-0`) }, `${key}=${value}`);
  }
  t.throws(() => read({ pod_nic_type: "offload-port" }), { code: 2, message: /must be "veth-pair" \(SR-IOV/ });
});

t.test(
  "default-route of the networks annotation is the default route of that interface, and of its families only",
  async (t) => {
    const networks = (list: readonly object[]) => {
      const annotations = {
        "k8s.v1.cni.cncf.io/networks": JSON.stringify(list),
        ...Object.fromEntries(
          Object.entries(BASE).map(([key, value]) => [`net1.shop.ovn.kubernetes.io/${key}`, value]),
        ),
      };
      const metadata = { namespace: "shop", name: "web-0", uid: "u", resourceVersion: "1", annotations };
      const request = { ipamOnly: false, provider: "net1.shop.ovn", ifName: "net2", routes: [] };
      const state = readAllocation(nodePod({ metadata }), request);
      return state.state === "ready"
        ? state.allocation.routes.map(({ destination, gateway }) => `${destination.text} via ${gateway.text}`)
        : [];
    };
    const own = { name: "net1", "default-route": ["10.16.0.20"] };
    t.same(networks([{ name: "other" }, own]), ["0.0.0.0/0 via 10.16.0.20"], "by its place it is net2");
    t.same(networks([own, { name: "net1" }]), [], "another interface on the network");
    t.same(networks([{ ...own, interface: "net2" }]), ["0.0.0.0/0 via 10.16.0.20"]);
    t.same(networks([{ name: "other" }, { ...own, "default-route": [] }]), []);
    t.same(networks([{ name: "other", interface: "net2", "default-route": ["10.16.0.20"] }]), []);
  },
);

t.test(
  "an interface does not take the allocation of another one on its network while its own is missing",
  async (t) => {
    const one = (provider: string, ip: string): Record<string, string> =>
      Object.fromEntries(
        Object.entries({ ...BASE, ip_address: ip }).map(([key, value]) => [`${provider}.kubernetes.io/${key}`, value]),
      );
    const read = (networks: string, ifName: string, ...given: string[]) => {
      const allocated = given.map((provider, i) => one(provider, `10.16.0.${7 + i}`));
      const annotations = Object.assign({ "k8s.v1.cni.cncf.io/networks": networks }, ...allocated);
      const metadata = { namespace: "shop", name: "web-0", uid: "u", resourceVersion: "1", annotations };
      return readAllocation(nodePod({ metadata }), { ipamOnly: false, provider: "lan.shop.ovn", ifName, routes: [] });
    };
    t.match(read("lan,lan@foo", "foo", "lan.shop.ovn"), { state: "waiting", missing: "address" });
    t.match(read("lan,lan@foo", "net1", "lan.shop.ovn"), { allocation: { provider: "lan.shop.ovn" } });
    t.match(read("lan,lan", "net2", "lan.shop.ovn", "lan.shop.ovn.net1"), { state: "waiting" });
  },
);

t.test(
  "a default-route gateway of a family that the interface lacks, or outside its subnet, is left out",
  async (t) => {
    const annotations = {
      "k8s.v1.cni.cncf.io/networks": '[{"name":"lan","default-route":["fd00::1", "192.0.2.1"]}]',
      ...Object.fromEntries(Object.entries(BASE).map(([key, value]) => [`lan.shop.ovn.kubernetes.io/${key}`, value])),
    };
    const metadata = { namespace: "shop", name: "web-0", uid: "u", resourceVersion: "1", annotations };
    const request = { ipamOnly: false, provider: "lan.shop.ovn", ifName: "net1", routes: [] };
    const state = readAllocation(nodePod({ metadata }), request);
    t.same(state.state === "ready" && state.allocation.routes, []);
  },
);
