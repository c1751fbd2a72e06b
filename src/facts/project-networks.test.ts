// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import { projectAttachment } from "./project-attachment.ts";
import { projectPod } from "./project-core.ts";
import { projectNetworkStatus } from "./project-network-status.ts";
import { projectNetworks } from "./project-networks.ts";

const read = (text: string | undefined) =>
  projectNetworks({
    name: "web",
    namespace: "shop",
    uid: "u",
    ...(text === undefined ? {} : { annotations: { "k8s.v1.cni.cncf.io/networks": text } }),
  });

t.test("networks are named in a line, or in a list that says more of each", async (t) => {
  const plain = { interface: "", ips: "", mac: "" };
  t.same(read("net1, tenant/net2@eth1"), {
    networks: [
      { namespace: "shop", name: "net1", ...plain },
      { namespace: "tenant", name: "net2", ...plain, interface: "eth1" },
    ],
  });
  const list = [{ name: "net1" }, { name: "net2", namespace: "tenant", interface: "eth1" }];
  t.same(read(JSON.stringify(list)), read("net1,tenant/net2@eth1"), "the same in both forms");
  t.match(read('[{"name":"net1","default-route":["10.0.0.1","fd00::1"]}]'), {
    networks: [{ gateways: "10.0.0.1,fd00::1" }],
  });
  const asking = [{ name: "net1", ips: ["10.0.0.5/24", "fd00::5"], mac: "02:00:00:00:00:05", "cni-args": { x: 1 } }];
  t.match(read(JSON.stringify(asking)), { networks: [{ ips: "10.0.0.5,fd00::5", mac: "02:00:00:00:00:05" }] });
});

t.test("a pod that names no network has no field for it", async (t) => {
  for (const text of [undefined, "", "  ", "[]"]) t.same(read(text), {}, JSON.stringify(text));
  const pod = projectPod({ metadata: { name: "a", uid: "u" } });
  t.notOk(Object.keys(pod ?? {}).some((key) => key.startsWith("networks")));
});

t.test("invalid input is reported with the value and what would be accepted", async (t) => {
  for (const [text, why] of [
    ["net1,,net2", /has "", which is not a valid name/],
    ["a/b/c", /has "a\/b\/c", which is not a valid network name/],
    ["Net1", /has "Net1", which is not a valid name/],
    ["net1@", /has the interface name ""/],
    ["net1@far-too-long-a-name", /15 characters/],
    ["net1@", /interface name "", which must have 1 to 15 characters/],
    ["[{]", /is not valid JSON/],
    ['{"name":"net1"}', /is not a list/],
    ["[1]", /not an object/],
    ['[{"name":1}]', /"name" that is not a string/],
    ['[{"name":"net1","ips":"10.0.0.5"}]', /"ips" that are not a list/],
    ['[{"name":"net1","default-route":"10.0.0.1"}]', /"default-route" that is not a list of gateways/],
    ['[{"name":"net1","default-route":["10.0.0.256"]}]', /"default-route" that is not a list of gateways/],
    [Array.from({ length: 65 }, (_, i) => `net${i}`).join(), /names 65 networks; the limit is 64/],
  ] as const) {
    const { networks, networksProblem } = read(text);
    t.equal(networks, undefined, text);
    t.match(networksProblem, why);
    t.match(networksProblem, /^Annotation k8s\.v1\.cni\.cncf\.io\/networks \(.*\.$/);
  }
});

t.test("a default network comes first, and is looked for where Multus looks for it", async (t) => {
  const own = (text: string, networks = "") =>
    projectNetworks({
      name: "web",
      namespace: "shop",
      uid: "u",
      annotations: { "v1.multus-cni.io/default-network": text, "k8s.v1.cni.cncf.io/networks": networks },
    });
  const plain = { interface: "", ips: "", mac: "" };
  t.same(own("net1", "net2").networks, [
    { namespace: "kube-system", name: "net1", ...plain, isDefault: true },
    { namespace: "shop", name: "net2", ...plain },
  ]);
  t.match(own('[{"name":"net1","namespace":"shop"}]').networks, [{ namespace: "shop", isDefault: true }]);
  t.match(own("net1,net2").networksProblem, /^Annotation v1\.multus-cni\.io\/default-network .* the limit is 1/);
  t.match(own("Net1").networksProblem, /^Annotation v1\.multus-cni\.io\/default-network /);
});

t.test("Multus' report about a pod's interfaces is used for networks with a definition", async (t) => {
  const attached = (status: unknown) =>
    projectNetworkStatus({
      name: "web",
      namespace: "shop",
      uid: "u",
      annotations: {
        "k8s.v1.cni.cncf.io/network-status": typeof status === "string" ? status : JSON.stringify(status),
      },
    }).attached;
  const eth0 = { name: "kube-ovn", interface: "eth0", ips: ["10.16.0.5"], mac: "02:00:00:00:00:01", default: true };
  const net1 = { name: "shop/lan", interface: "net1", ips: ["10.52.0.5", "FD00::5"], mac: "02:00:00:00:00:0A" };
  t.equal(attached([eth0]), undefined);
  t.same(attached([eth0, net1]), [{ network: "shop/lan", addresses: ["10.52.0.5", "fd00::5", "02:00:00:00:00:0a"] }]);
  t.same(attached([{ name: "shop/lan" }]), [{ network: "shop/lan", addresses: [] }]);
  for (const odd of ["", "/", "[/", '{"/":1}', '["/", null]', [{ name: 7 }, "shop/lan"]])
    t.equal(attached(odd), undefined, JSON.stringify(odd));
  t.equal(attached([...Array(80)].map((_, i) => ({ ...net1, name: `shop/${i}` })))?.length, 65, "it has a limit");
});

t.test("any input is parsed or refused", async () => {
  const anything = fc.oneof(
    fc.string(),
    fc.json(),
    fc.array(fc.anything()).map((list) => JSON.stringify(list) ?? ""),
  );
  fc.assert(
    fc.property(anything, (text) => {
      const { networks, networksProblem } = read(text);
      return networks === undefined || (networksProblem === undefined && networks.length > 0);
    }),
  );
});

t.test("annotations of secondary interfaces are among a pod's facts, those of others are not", async (t) => {
  const annotations = {
    "net1.shop.ovn.kubernetes.io/ip_address": "10.0.0.5",
    "net1.shop.kubernetes.io/ip_address.eth1": "10.0.0.6",
    "macvlan.shop.kubernetes.io/allocated": "true",
    "cluster-autoscaler.kubernetes.io/safe-to-evict": "true",
    "scheduler.alpha.kubernetes.io/node-selector": "x",
  };
  const pod = projectPod({ metadata: { name: "a", namespace: "shop", uid: "u", annotations } });
  t.same(Object.keys(pod?.annotations ?? {}).length, 3);
});

t.test("a definition says whether its interfaces are OVN's, or only get their addresses here", async (t) => {
  const meaning = (config: unknown) =>
    projectAttachment({
      metadata: { name: "net1", namespace: "shop", uid: "u" },
      spec: { config: typeof config === "string" ? config : JSON.stringify(config) },
    });
  const own = { type: "kube-ovn", provider: "net1.shop.ovn" };
  const ipam = { type: "kube-ovn", provider: "net1.shop" };
  t.match(meaning(own), { key: "shop/net1", wants: "ovn", problem: "" });
  t.match(meaning({ plugins: [own, { type: "tuning" }] }), { wants: "ovn", problem: "" });
  t.match(meaning({ type: "macvlan", ipam }), { wants: "ipam", problem: "" });
  t.match(meaning({ plugins: [{ type: "ipvlan", ipam }, { type: "tuning" }] }), { wants: "ipam", problem: "" });
  for (const other of ["", {}, { type: "bridge", ipam: { type: "host-local" } }, { plugins: [] }])
    t.match(meaning(other), { wants: "other", problem: "" });
  for (const [config, why] of [
    ["{", /^spec\.config is not valid JSON/],
    ["[]", /not a JSON object/],
    [{ plugins: [1] }, /plugins in spec\.config/],
    [{ ...own, provider: "net2.shop.ovn" }, /has the provider "net2\.shop\.ovn"; it must be "net1\.shop\.ovn"/],
    [{ type: "kube-ovn" }, /has no provider; it must be "net1\.shop\.ovn"/],
    [{ type: "macvlan", ipam: { type: "kube-ovn" } }, /^ipam in spec\.config has no provider; it must be "net1\.shop"/],
  ] as const)
    t.match(meaning(config), { wants: "unclear", problem: why });
});

t.test(
  "a definition that asks for SR-IOV or DPDK is known and not supported, unless another plugin makes the interface",
  async (t) => {
    const meaning = (config: object, annotations: Record<string, string> = {}) =>
      projectAttachment({
        metadata: { name: "net1", namespace: "shop", uid: "u", annotations },
        spec: { config: JSON.stringify(config) },
      });
    const own = { type: "kube-ovn", provider: "net1.shop.ovn" };
    const resource = { "k8s.v1.cni.cncf.io/resourceName": "mellanox.com/cx5" };
    for (const [config, annotations, why] of [
      [{ ...own, deviceID: 7 }, {}, /^spec\.config has deviceID "7", but SR-IOV .* not supported/],
      [
        { ...own, deviceID: "0000:3b:00.2" },
        {},
        /^spec\.config has deviceID "0000:3b:00\.2", but SR-IOV .* not supported/,
      ],
      [{ plugins: [{ ...own, vf_driver: "vfio-pci" }] }, {}, /vf_driver "vfio-pci", but SR-IOV/],
      [{ ...own, vhost_user_socket_volume_name: "sockets" }, {}, /"sockets", but DPDK \(vhost-user\) is not supported/],
      [{ ...own, vhost_user_socket_consumption: "kubevirt" }, {}, /DPDK/],
      [own, resource, /^has annotation k8s\.v1\.cni\.cncf\.io\/resourceName "mellanox\.com\/cx5", but SR-IOV/],
    ] as const)
      t.match(meaning(config, annotations), { wants: "unclear", unsupported: true, problem: why });
    const sriov = { type: "sriov", deviceID: "0000:3b:00.2", ipam: { type: "kube-ovn", provider: "net1.shop" } };
    t.match(meaning(sriov, resource), { wants: "ipam", problem: "" });
    t.equal(meaning(sriov, resource).unsupported, undefined);
  },
);
