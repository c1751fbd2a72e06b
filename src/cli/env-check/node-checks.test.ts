// SPDX-License-Identifier: Apache-2.0

import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { checkNodeView } from "./node-checks.ts";
import { defaultInterfaces, type NodeView, viewNode } from "./node-view.ts";

const VIEW: NodeView = {
  modules: ["openvswitch", "geneve"],
  tun: true,
  link: { name: "eth0", mtu: 1500 },
  configurations: [],
  containerd: { confDir: "/etc/cni/net.d", binDir: "/opt/cni/bin" },
  nft: undefined,
  cgroup: "v2",
  unreachable: [],
};
const VALUES = { datapath: "auto", mtu: 0, daemon: { cniConfDir: "/etc/cni/net.d", cniBinDir: "/opt/cni/bin" } };

const wrong = (view: Partial<NodeView>, values: object = {}) =>
  checkNodeView("a", { ...VIEW, ...view }, { ...VALUES, ...values }).filter(({ result }) => result !== "ok");

t.test("a suitable node is ok in every line", async (t) => {
  t.same(wrong({}), []);
  t.same(wrong({ modules: [] }, { datapath: "userspace" }), []);
});

t.test("the datapath, the MTU and nftables are those that Weft would use", async (t) => {
  t.match(wrong({ modules: ["geneve"] }), [{ result: "warning", found: "userspace: no module openvswitch" }]);
  t.match(wrong({ modules: [] }, { datapath: "kernel" }), [
    { result: "failed", found: "no module openvswitch, geneve" },
  ]);
  t.match(wrong({ modules: [], tun: false }), [{ result: "failed", found: /\/dev\/net\/tun/ }]);
  t.match(wrong({}, { mtu: 1450 }), [{ result: "failed", found: /mtu=1450 does not fit/, advice: /mtu=1400/ }]);
  t.match(wrong({ link: { name: "eth0", mtu: 1300 } }), [{ result: "warning", found: "eth0 has 1300: pods get 1200" }]);
  t.match(wrong({ link: undefined }), [{ result: "failed", advice: /tunnelInterface/ }]);
  t.match(wrong({ nft: "nft: Operation not supported" }), [{ result: "failed", found: /not supported/ }]);
  t.match(wrong({ unreachable: ["udp/6081 at 192.0.2.1"] }), [
    { result: "failed", found: "no answer from udp/6081 at 192.0.2.1" },
  ]);
});

t.test(
  "another plugin's configuration fails where the runtime would take it, and is a warning elsewhere",
  async (t) => {
    const file = (name: string, ...types: string[]) => wrong({ configurations: [{ file: name, types }] });
    t.match(file("00-calico.conflist", "calico", "portmap"), [
      { result: "failed", found: /^00-calico\.conflist \(Calico\) comes before/ },
    ]);
    t.match(file("10-flannel.conflist", "flannel", "portmap"), [
      { result: "warning", found: "10-flannel.conflist (Flannel)" },
    ]);
    t.same(file("00-multus.conf", "multus"), []);
    t.same(file("01-kube-ovn.conflist", "kube-ovn", "portmap"), []);
  },
);

t.test("with nonPrimaryCNI a node has another plugin's configuration", async (t) => {
  const values = { nonPrimaryCNI: true };
  t.same(wrong({ configurations: [{ file: "00-calico.conflist", types: ["calico"] }] }, values), []);
  t.match(wrong({}, values), [{ result: "failed", found: "none", advice: /primary network plugin first/ }]);
});

t.test("containerd's folders are compared with the chart's", async (t) => {
  t.match(wrong({ containerd: undefined }), [{ result: "skipped" }]);
  const k3s = { confDir: "/var/lib/rancher/k3s/agent/etc/cni/net.d", binDir: "/opt/cni/bin" };
  t.match(wrong({ containerd: k3s }), [{ result: "failed", advice: `pass --set daemon.cniConfDir=${k3s.confDir}` }]);
});

t.test("the node's files are read", async (t) => {
  const root = await mkdtemp(join(tmpdir(), "weft-node-"));
  t.teardown(() => rm(root, { recursive: true }));
  await mkdir(join(root, "etc/cni/net.d"), { recursive: true });
  await mkdir(join(root, "etc/containerd"), { recursive: true });
  await writeFile(join(root, "etc/cni/net.d/10-a.conflist"), '{"plugins":[{"type":"bridge"},{"type":"portmap"}]}');
  await writeFile(join(root, "etc/cni/net.d/20-b.conf"), '{"type":"flannel"}');
  await writeFile(join(root, "etc/cni/net.d/30-c.conflist"), "{");
  await writeFile(join(root, "etc/cni/net.d/note.txt"), "");
  await writeFile(
    join(root, "etc/containerd/config.toml"),
    "[plugins.cni]\n  bin_dirs = ['/usr/libexec/cni']\n  conf_dir = '/etc/cni/net.d'\n",
  );
  const view = await viewNode({ root, confDir: "/etc/cni/net.d", tunnelInterface: "none,lo" });
  t.match(view, {
    tun: false,
    link: { name: "lo", mtu: 65536 },
    configurations: [
      { file: "10-a.conflist", types: ["bridge", "portmap"] },
      { file: "20-b.conf", types: ["flannel"] },
      { file: "30-c.conflist", types: ["unreadable"] },
    ],
    containerd: { confDir: "/etc/cni/net.d", binDir: "/usr/libexec/cni" },
  });
  const k3s = join(root, "var/lib/rancher/k3s/agent/etc/containerd");
  await mkdir(k3s, { recursive: true });
  await writeFile(
    join(k3s, "config.toml"),
    '[plugins."io.containerd.cri.v1.runtime".cni]\n  bin_dirs = ["/var/lib/rancher/k3s/data/cni"]\n  conf_dir = "/var/lib/rancher/k3s/agent/etc/cni/net.d"\n',
  );
  t.match(await viewNode({ root, confDir: "/etc/cni/net.d", tunnelInterface: "lo" }), {
    containerd: { confDir: "/var/lib/rancher/k3s/agent/etc/cni/net.d", binDir: "/var/lib/rancher/k3s/data/cni" },
  });
});

t.test("the interfaces of default routes are read from /proc", async (t) => {
  const ipv4 = `Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask
eth1	000013AC	00000000	0001	0	0	0	00FFFFFF
eth0	00000000	010012AC	0003	0	0	0	00000000`;
  const none = "0".repeat(32);
  const ipv6 = `${none} 00 ${none} 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth2
${none} 00 ${none} 00 ${none} ffffffff 00000001 00000000 00200200       lo`;
  t.strictSame(defaultInterfaces(ipv4, ipv6), ["eth0", "eth2"]);
});
