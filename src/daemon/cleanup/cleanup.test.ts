// SPDX-License-Identifier: Apache-2.0

import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import t, { type Test } from "tap";
import { PROTOCOL } from "../../node/marks.ts";
import { FakeKernel } from "../../node/testing/fake-kernel.ts";
import { conflist } from "../cni/conflist.ts";
import { FakeNftables } from "../testing/fake-node.ts";
import { type CleanupParts, cleanNode } from "./cleanup.ts";

const PATHS = {
  cniConfDir: "/etc/cni/net.d",
  cniConfName: "01-kube-ovn.conflist",
  cniBinDir: "/opt/cni/bin",
  dataPath: "/etc/origin/ovn",
};
const OVS = '{"_date":1,"Open_vSwitch":{"u":{"external_ids":["map",[["ovn-encap-type","geneve"]]]}}}';

async function setup(t: Test, files: Readonly<Record<string, string>>) {
  const root = await mkdtemp(join(tmpdir(), "weft-cleanup-"));
  t.teardown(() => rm(root, { recursive: true }));
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
  const kernel = new FakeKernel();
  const nft = new FakeNftables();
  const ran: string[] = [];
  const running = new Set<string>();
  const parts: CleanupParts = {
    kernel,
    nft,
    run: async (command, args) => {
      ran.push([command, ...args].join(" "));
      return "";
    },
    alive: async (pid, name) => running.has(`${pid} ${name}`),
    boot: async () => "boot",
  };
  const has = (path: string): boolean => existsSync(join(root, path));
  return { root, kernel, nft, parts, ran, running, has, clean: () => cleanNode(parts, root, PATHS) };
}

await t.test("Weft's objects are removed, other programs' stay, and a second run finds nothing", async (t) => {
  const { kernel, nft, has, clean } = await setup(t, {
    "/etc/cni/net.d/01-kube-ovn.conflist": conflist("/run/openvswitch/kube-ovn-daemon.sock"),
    "/etc/cni/net.d/99-loopback.conf": "{}",
    "/opt/cni/bin/kube-ovn": "shim",
    "/opt/cni/bin/portmap": "ours",
    "/opt/cni/bin/loopback": "the distribution's",
    "/opt/cni/bin/.weft-installed": "portmap\n../../../etc/passwd\n",
    "/etc/openvswitch/conf.db": OVS,
    "/etc/openvswitch/system-id.conf": "id",
    "/etc/openvswitch/tls/tls.pem": "key and certificate",
    "/run/openvswitch/ovs-vswitchd.pid": "7",
    "/run/openvswitch/db.sock": "",
    "/run/ovn/ovn-controller.pid": "8",
    "/etc/origin/ovn/ovnnb_db.db": "",
    "/etc/origin/ovn/ovnnb_db.db.set-aside": "",
    "/etc/origin/ovn/weft-backup/ovnnb_db-20260101T000000Z.db": "",
    "/etc/passwd": "root",
  });
  kernel.createLink({ name: "eth0", kind: "veth", up: true });
  kernel.createLink({ name: "abc_h", kind: "veth", alias: "weft: pod default/web eth0" });
  kernel.createLink({ name: "ovn0", kind: "tun" });
  kernel.createLink({ name: "tun0", kind: "tun" });
  kernel.createLink({ name: "genev_sys_6081", kind: "geneve" });
  kernel.addRule({ family: 4, table: 100, priority: 1000, protocol: PROTOCOL });
  kernel.addRule({ family: 4, table: 101, priority: 1001, protocol: 4 });
  await nft.apply("table inet weft {}\n");
  await nft.apply("table inet kube-proxy {}\n");
  const first = await clean();
  t.same(first.failed, []);
  t.strictSame(
    ["/etc/cni/net.d/01-kube-ovn.conflist", "/etc/cni/net.d/99-loopback.conf"].map(has),
    [false, true],
    "configurations",
  );
  t.strictSame(
    ["kube-ovn", "portmap", "loopback", ".weft-installed"].map((name) => has(`/opt/cni/bin/${name}`)),
    [false, false, true, false],
    "plugins",
  );
  for (const folder of ["/etc/openvswitch", "/run/openvswitch", "/run/ovn", "/etc/origin/ovn"])
    t.notOk(has(folder), folder);
  t.ok(has("/etc/passwd"), "a name read from a file cannot lead outside the folder");
  t.strictSame(
    kernel.links().map(({ name }) => name),
    ["eth0", "tun0"],
  );
  t.strictSame(
    kernel.rules().map(({ priority }) => priority),
    [1001],
  );
  t.strictSame(await nft.tables(), ["inet kube-proxy"]);
  const second = await clean();
  t.match(second, { removed: [], failed: [] });
});

await t.test("the files of an Open vSwitch that still runs, or does not belong to OVN, stay", async (t) => {
  const { running, kernel, has, clean } = await setup(t, {
    "/etc/openvswitch/conf.db": OVS,
    "/run/openvswitch/ovs-vswitchd.pid": "7\n",
  });
  running.add("7 ovs-vswitchd");
  kernel.createLink({ name: "br-int", kind: "tun" });
  t.match((await clean()).failed, [/ovs-vswitchd \(pid 7\) still runs/]);
  t.ok(kernel.link("br-int"));
  t.ok(has("/etc/openvswitch/conf.db") && has("/run/openvswitch/ovs-vswitchd.pid"));

  const other = await setup(t, { "/etc/openvswitch/conf.db": "{}" });
  t.match((await other.clean()).kept, [/./, /./, /\/etc\/openvswitch/]);
  t.ok(other.has("/etc/openvswitch/conf.db"));
});

await t.test("another plugin's configuration under Weft's name stays", async (t) => {
  const { has, clean } = await setup(t, { "/etc/cni/net.d/01-kube-ovn.conflist": '{"plugins":[{"type":"bridge"}]}' });
  t.match((await clean()).kept.join("\n"), /01-kube-ovn\.conflist: it does not call kube-ovn/);
  t.ok(has("/etc/cni/net.d/01-kube-ovn.conflist"));
});

await t.test("a kernel datapath and moved addresses are restored first; failures are reported", async (t) => {
  const { kernel, parts, ran, root, has } = await setup(t, {
    "/etc/openvswitch/weft-tunnel": "interface eth1\naddress 192.0.2.1/24\n",
  });
  kernel.createLink({ name: "ovs-system", kind: "openvswitch" });
  const fail: CleanupParts = { ...parts, run: (command) => Promise.reject(new Error(`${command} broke`)) };
  const { failed } = await cleanNode(fail, root, PATHS);
  t.match(failed, [/^tunnel interface: bash broke/, /^kernel datapath ovs-system: ovs-dpctl broke/]);
  t.ok(has("/etc/openvswitch/weft-tunnel"), "the next run needs it");
  await cleanNode(parts, root, PATHS);
  t.match(ran, [/^bash .*weft-tunnel$/, /^ovs-dpctl del-dp/]);
  t.notOk(has("/etc/openvswitch/weft-tunnel"));
});

await t.test("interfaces to networks outside get back what their bridges have, before these go", async (t) => {
  const { kernel, nft, parts, root, has } = await setup(t, { "/etc/openvswitch/conf.db": `${OVS} weft-uplink` });
  kernel.createLink({ name: "eth1", kind: "veth", up: true });
  kernel.createLink({ name: "br-net", kind: "tun", up: true });
  kernel.createLink({ name: "br-gone", kind: "tun" });
  kernel.createLink({ name: "br-named", kind: "veth", up: true });
  kernel.setLink(kernel.link("br-named")?.index ?? 0, { alias: "weft-uplink: eth2" });
  const index = kernel.link("br-net")?.index ?? 0;
  kernel.setAddress({ index, address: "192.0.2.11", prefix: 24 });
  kernel.setRoute({ destination: "203.0.113.0/24", device: index });
  await nft.apply("table netdev weft/uplinks\n");
  const record = { network: "net", interface: "eth1", mac: "02:00:00:00:00:01", mtu: 1500, boot: "boot", holder: 0 };
  const moving = {
    ...{ ...record, neighbours: [], addresses: [{ address: "192.0.2.12", prefix: 24 }] },
    routes: [{ destination: "198.51.100.0/24", table: 254, metric: 0, protocol: 4, scope: "link" }],
  };
  const ids = (value: object) => ["map", [["weft-uplink", JSON.stringify(value)]]];
  const rows = [
    { name: "br-int", external_ids: ["map", []] },
    { name: "br-net", external_ids: ids(moving) },
    { name: "br-gone", external_ids: ids({ ...moving, network: "gone", interface: "eth7", mac: "02:00:00:00:00:07" }) },
  ];
  const query: CleanupParts = { ...parts, run: async () => JSON.stringify([{ rows }]) };
  const broken = await cleanNode({ ...parts, run: () => Promise.reject(new Error("unreadable")) }, root, PATHS);
  t.match(broken.failed, [/^interfaces to networks outside: unreadable/]);
  t.ok(kernel.link("br-net") && has("/etc/openvswitch/conf.db"), "both are needed by the next run");
  const { failed, kept } = await cleanNode(query, root, PATHS);
  t.same(failed, []);
  t.match(kept.at(-1), "interface eth7: the node has none of that name");
  const nic = kernel.link("eth1")?.index ?? 0;
  t.match(
    kernel.addresses({ index: nic }).map(({ address }) => address),
    ["192.0.2.12", "192.0.2.11"],
  );
  const routes = kernel.routes({ device: nic, protocol: 4 }).map(({ destination }) => destination);
  t.same(routes.sort(), ["198.51.100.0/24", "203.0.113.0/24"]);
  t.strictSame(
    kernel.links().map(({ name }) => name),
    ["eth1", "eth2"],
    "one that has exchanged its name has its own again",
  );
  t.strictSame(await nft.tables(), []);
});
