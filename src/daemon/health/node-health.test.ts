// SPDX-License-Identifier: Apache-2.0

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Registry } from "prom-client";
import t, { type Test } from "tap";
import { healthMetrics } from "./health-metrics.ts";
import { parseDatapaths, readNodeHealth } from "./node-health.ts";

/** The machine may be busy. */
const SLOW_MS = 60_000;

/** Folders of sockets, with short names because of the limit of a socket's path. */
function folders(t: Test): { readonly ovs: string; readonly ovn: string } {
  const root = mkdtempSync(join(tmpdir(), "weft-health-"));
  t.teardown(() => rmSync(root, { recursive: true }));
  const both = { ovs: join(root, "ovs"), ovn: join(root, "ovn") };
  for (const folder of Object.values(both)) mkdirSync(folder);
  return both;
}

/** A daemon with some commands, which answers like unixctl(8). */
async function daemon(t: Test, path: string, answers: Readonly<Record<string, string>>): Promise<void> {
  const server = createServer((socket) => {
    // The client may have disconnected before the answer.
    socket.on("error", () => undefined);
    socket.once("data", (chunk) => {
      const { method } = JSON.parse(String(chunk)) as { readonly method: string };
      const result = answers[method];
      const error = result === undefined ? `"${method}" is not a valid command` : null;
      socket.write(JSON.stringify({ id: 0, result: result ?? null, error }));
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  t.teardown(() => server.close());
}

const SHOW = `netdev@ovs-netdev:
  lookups: hit:120 missed:7 lost:1
  flows: 4
  port 0: ovs-netdev (tap)
  port 1: br-int (tap)
  port 2: abcdef_h
`;

t.test("datapaths are parsed from dpctl/show, also the kernel's", async (t) => {
  t.same(parseDatapaths(SHOW), [{ name: "netdev@ovs-netdev", hit: 120, missed: 7, lost: 1, flows: 4, ports: 3 }]);
  const kernel = `system@ovs-system:
  lookups: hit:5 missed:2 lost:0
  flows: 1
  masks: hit:9 total:1 hit/pkt:1.29
  port 0: ovs-system (internal)
`;
  t.match(parseDatapaths(kernel + SHOW), [{ name: "system@ovs-system", flows: 1, ports: 1 }, { ports: 3 }]);
  t.same(parseDatapaths(""), []);
});

t.test("a node's Open vSwitch, its ovn-controller and the central daemons that run there are shown", async (t) => {
  const { ovs, ovn } = folders(t);
  for (const [folder, name] of [
    [ovs, "ovs-vswitchd"],
    [ovs, "ovsdb-server"],
    [ovn, "ovn-controller"],
    [ovn, "ovn-northd"],
  ] as const)
    writeFileSync(join(folder, `${name}.pid`), "7\n");
  for (const name of ["ovnnb_db", "ovnsb_db"]) writeFileSync(join(ovn, `${name}.pid`), "8\n");
  writeFileSync(join(ovn, "weft-db-sizes"), "ovnnb_db.db 40960\novnsb_db.db 81920\n");
  await daemon(t, join(ovs, "ovs-vswitchd.7.ctl"), { "dpctl/show": SHOW });
  await daemon(t, join(ovs, "ovsdb-server.7.ctl"), { version: "ovsdb-server (Open vSwitch) 3.5.0" });
  await daemon(t, join(ovn, "ovn-controller.7.ctl"), { "connection-status": "connected\n" });
  await daemon(t, join(ovn, "ovn-northd.7.ctl"), { status: "Status: standby\n" });
  await daemon(t, join(ovn, "ovnnb_db.ctl"), {
    "ovsdb-server/get-db-storage-status": "status: ok\n",
    "memory/show": "atoms:9 cells:8 monitors:2 sessions:3\n",
  });
  await daemon(t, join(ovn, "ovnsb_db.ctl"), {
    "ovsdb-server/get-db-storage-status": "status: I/O error\n",
    "memory/show": "sessions:1\n",
    "cluster/status": `Cluster ID: 6a1f (6a1fd0f6)
Server ID: e0ee (e0ee8a51)
Status: cluster member
Role: follower
Term: 3
Leader: unknown
Vote: unknown
Election timer: 2000
Log: [2, 9]
Entries not yet committed: 0
Entries not yet applied: 2
Connections: (->a1b2) <-a1b2
Servers:
    e0ee (e0ee at tcp:10.0.0.1:6644) (self)
    a1b2 (a1b2 at tcp:10.0.0.2:6644) last msg 200 ms ago
`,
  });
  const registry = new Registry();
  healthMetrics(registry, "n1", () => readNodeHealth({ ovs, ovn }, SLOW_MS));
  const text = await registry.metrics();
  const raft = 'hostname="n1",db_name="OVN_Southbound",server_id="e0ee8a51",cluster_id="6a1fd0f6"';
  for (const line of [
    'kube_ovn_ovs_status{hostname="n1",component="ovs-vswitchd"} 1',
    'kube_ovn_ovs_status{hostname="n1",component="ovsdb-server"} 1',
    'weft_ovn_controller_connected{hostname="n1"} 1',
    'pinger_ovs_up{nodeName="n1"} 1',
    'pinger_ovs_down{nodeName="n1"} 0',
    'pinger_ovn_controller_up{nodeName="n1"} 1',
    'pinger_ovn_controller_down{nodeName="n1"} 0',
    'kube_ovn_ovn_status{hostname="n1",component="ovsdb-server-northbound"} 1',
    'kube_ovn_ovn_status{hostname="n1",component="ovsdb-server-southbound"} 0',
    'kube_ovn_ovn_status{hostname="n1",component="ovn-northd"} 2',
    'kube_ovn_db_status{hostname="n1",db_name="OVN_Northbound"} 1',
    'kube_ovn_db_status{hostname="n1",db_name="OVN_Southbound"} 0',
    'kube_ovn_db_file_size_bytes{hostname="n1",db_name="OVN_Northbound"} 40960',
    'weft_ovn_db_sessions{hostname="n1",db_name="OVN_Northbound"} 3',
    'kube_ovn_cluster_enabled{hostname="n1",db_name="OVN_Northbound"} 0',
    'kube_ovn_cluster_enabled{hostname="n1",db_name="OVN_Southbound"} 1',
    `kube_ovn_cluster_role{${raft},server_role="follower"} 1`,
    `kube_ovn_cluster_term{${raft}} 3`,
    `kube_ovn_cluster_leader_known{${raft}} 0`,
    `kube_ovn_cluster_log_not_applied{${raft}} 2`,
    `kube_ovn_cluster_peer_count{${raft}} 1`,
    `kube_ovn_cluster_outbound_connections_total{${raft}} 0`,
    `kube_ovn_cluster_outbound_connections_error_total{${raft}} 1`,
    `kube_ovn_cluster_inbound_connections_total{${raft}} 1`,
    'kube_ovn_dp_flows_total{hostname="n1",datapath="netdev@ovs-netdev"} 4',
    'kube_ovn_dp_flows_lookup_missed{hostname="n1",datapath="netdev@ovs-netdev"} 7',
  ])
    t.ok(text.includes(`${line}\n`), line);
});

t.test("a node on which no daemon answers reports that, and nothing about daemons that do not run there", async (t) => {
  const { ovs, ovn } = folders(t);
  writeFileSync(join(ovn, "ovnnb_db.pid"), "8\n");
  writeFileSync(join(ovn, "ovn-northd.pid"), "9\n");
  t.same(await readNodeHealth({ ovs, ovn }, SLOW_MS), {
    ovs: { "ovsdb-server": false, "ovs-vswitchd": false },
    datapaths: [],
    controllerConnected: undefined,
    databases: [{ name: "OVN_Northbound", ok: false }],
    northd: "failed",
  });
});

t.test("a daemon that answers with an error is up", async (t) => {
  const { ovs, ovn } = folders(t);
  for (const name of ["ovs-vswitchd", "ovsdb-server"]) {
    writeFileSync(join(ovs, `${name}.pid`), "7\n");
    await daemon(t, join(ovs, `${name}.7.ctl`), {});
  }
  t.match(await readNodeHealth({ ovs, ovn }, SLOW_MS), {
    ovs: { "ovsdb-server": true, "ovs-vswitchd": true },
    datapaths: [],
  });
});
