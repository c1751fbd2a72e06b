// SPDX-License-Identifier: Apache-2.0

import { Counter, Gauge, type Registry } from "prom-client";
import type { ClusterStatus } from "../../ovsdb/cluster-status.ts";
import type { NodeHealth } from "./node-health.ts";

type Labels = Readonly<Record<string, string>>;

/** A metric of the node's health: name, help, additional labels, and its series. */
type Series = readonly [
  name: string,
  help: string,
  labels: readonly string[],
  read: (health: NodeHealth, set: (labels: Labels, value: number) => void) => void,
];

const RAFT = ["db_name", "server_id", "cluster_id"] as const;

/** A value of each database that is a member of a cluster. */
function raft(
  name: string,
  help: string,
  value: (status: ClusterStatus) => number | undefined,
  extra?: (status: ClusterStatus) => Labels,
): Series {
  const labels = extra === undefined ? RAFT : [...RAFT, ...Object.keys(extra(NO_STATUS))];
  return [
    `kube_ovn_cluster_${name}`,
    help,
    labels,
    (health, set) => {
      for (const [own, cluster] of clusters(health)) {
        const figure = value(cluster);
        if (figure !== undefined) set({ ...own, ...extra?.(cluster) }, figure);
      }
    },
  ];
}

/** A value of each other member, as this member reports it. */
function peers(name: string, help: string, field: "nextIndex" | "matchIndex"): Series {
  return [
    `kube_ovn_cluster_${name}`,
    help,
    [...RAFT, "peer_id"],
    (health, set) => {
      for (const [own, { servers }] of clusters(health))
        for (const { id, self, [field]: index } of servers)
          if (!self && index !== undefined) set({ ...own, peer_id: id }, index);
    },
  ];
}

/** A value of each database. */
function perDatabase(
  name: string,
  help: string,
  value: (database: NodeHealth["databases"][number]) => number | undefined,
): Series {
  return [
    name,
    help,
    ["db_name"],
    ({ databases }, set) => {
      for (const database of databases) {
        const figure = value(database);
        if (figure !== undefined) set({ db_name: database.name }, figure);
      }
    },
  ];
}

function perDatapath(name: string, help: string, field: "flows" | "ports" | "hit" | "missed" | "lost"): Series {
  return [
    name,
    help,
    ["datapath"],
    ({ datapaths }, set) => {
      for (const { name: datapath, [field]: value } of datapaths) set({ datapath }, value);
    },
  ];
}

const NO_STATUS: ClusterStatus = {
  ...{ clusterId: "", serverId: "", status: "", role: "", leader: "", vote: "", term: 0, electionTimer: 0 },
  ...{ log: [0, 0], notCommitted: 0, notApplied: 0, connections: [], servers: [] },
};
const COMPONENTS: Readonly<Record<string, string>> = {
  OVN_Northbound: "ovsdb-server-northbound",
  OVN_Southbound: "ovsdb-server-southbound",
};

/**
 * Names and labels are those of Kube-OVN's monitor and pinger (`pkg/ovnmonitor/metric.go`, `pkg/pinger/metrics.go`),
 * where they begin with `kube_ovn_`.
 */
const GAUGES: readonly Series[] = [
  [
    "kube_ovn_ovs_status",
    "1 while the daemon of Open vSwitch answers",
    ["component"],
    ({ ovs }, set) => {
      for (const [component, up] of Object.entries(ovs)) set({ component }, up ? 1 : 0);
    },
  ],
  [
    "weft_ovn_controller_connected",
    "1 while ovn-controller answers and is connected to the southbound database",
    [],
    ({ controllerConnected }, set) => set({}, controllerConnected === true ? 1 : 0),
  ],
  [
    "kube_ovn_ovn_status",
    "State of OVN's central daemons on this node: 1 active or leader, 2 standby or follower, 0 failed",
    ["component"],
    ({ databases, northd }, set) => {
      for (const database of databases) {
        const component = COMPONENTS[database.name] ?? database.name;
        const follows = "cluster" in database && database.cluster.role !== "leader";
        set({ component }, !database.ok ? 0 : follows ? 2 : 1);
      }
      if (northd !== undefined)
        set({ component: "ovn-northd" }, northd === "active" ? 1 : northd === "standby" ? 2 : 0);
    },
  ],
  perDatabase("kube_ovn_db_status", "1 while the storage of the database works", ({ ok }) => (ok ? 1 : 0)),
  perDatabase("kube_ovn_db_file_size_bytes", "Size of the database's file", (database) =>
    "fileBytes" in database ? database.fileBytes : undefined,
  ),
  perDatabase("weft_ovn_db_sessions", "Clients that are connected to the database server", (database) =>
    "sessions" in database ? database.sessions : undefined,
  ),
  perDatabase("kube_ovn_cluster_enabled", "1 if the database is a member of a raft cluster", (database) =>
    "sessions" in database ? ("cluster" in database ? 1 : 0) : undefined,
  ),
  raft(
    "role",
    "Role in the raft cluster; always 1",
    () => 1,
    ({ role }) => ({ server_role: role }),
  ),
  raft(
    "status",
    "State in the raft cluster; always 1",
    () => 1,
    ({ status }) => ({ server_status: status }),
  ),
  raft("term", "Current term", ({ term }) => term),
  raft("leader_self", "1 if this server leads", ({ leader }) => (leader === "self" ? 1 : 0)),
  raft("leader_known", "1 if this server knows the leader", ({ leader }) => (leader === "unknown" ? 0 : 1)),
  raft("vote_self", "1 if this server voted for itself", ({ vote }) => (vote === "self" ? 1 : 0)),
  raft("election_timer", "Election timer in milliseconds", ({ electionTimer }) => electionTimer),
  raft("log_not_committed", "Entries of the log that are not yet committed", ({ notCommitted }) => notCommitted),
  raft("log_not_applied", "Entries of the log that are not yet applied", ({ notApplied }) => notApplied),
  raft("log_index_start", "Index of the first entry of the log", ({ log: [first] }) => first),
  raft("log_index_next", "Index of the next entry of the log", ({ log: [, next] }) => next),
  raft("next_index", "Next index of this server", ({ servers }) => servers.find(({ self }) => self)?.nextIndex),
  raft("match_index", "Match index of this server", ({ servers }) => servers.find(({ self }) => self)?.matchIndex),
  raft("peer_count", "Other members of the cluster", ({ servers }) => servers.filter(({ self }) => !self).length),
  peers("peer_next_index", "Next index of another member, as the leader knows it", "nextIndex"),
  peers("peer_match_index", "Match index of another member, as the leader knows it", "matchIndex"),
  ...([true, false] as const).flatMap((incoming) => {
    const direction = incoming ? "inbound" : "outbound";
    const count =
      (up: boolean) =>
      ({ connections }: ClusterStatus): number =>
        connections.filter((one) => one.incoming === incoming && one.up === up).length;
    return [
      raft(`${direction}_connections_total`, `Established ${direction} connections with other members`, count(true)),
      raft(
        `${direction}_connections_error_total`,
        `${direction} connections with other members that are not established`,
        count(false),
      ),
    ];
  }),
  perDatapath("kube_ovn_dp_flows_total", "Flows in the datapath", "flows"),
  perDatapath("kube_ovn_dp_if_total", "Ports of the datapath", "ports"),
];

/** Of Kube-OVN's pinger, with its label; the daemon exports them, so that the prober needs no access to the node. */
const PINGER: readonly (readonly [name: string, help: string, value: (health: NodeHealth) => boolean])[] = [
  ["pinger_ovs_up", "1 while the daemons of Open vSwitch answer", ovsUp],
  ["pinger_ovs_down", "1 while a daemon of Open vSwitch does not answer", (health) => !ovsUp(health)],
  [
    "pinger_ovn_controller_up",
    "1 while ovn-controller answers",
    ({ controllerConnected }) => controllerConnected !== undefined,
  ],
  [
    "pinger_ovn_controller_down",
    "1 while ovn-controller does not answer",
    ({ controllerConnected }) => controllerConnected === undefined,
  ],
];

function ovsUp({ ovs }: NodeHealth): boolean {
  return Object.values(ovs).every((up) => up);
}

/** Kube-OVN has gauges of these names; they only grow. */
const COUNTERS: readonly Series[] = [
  perDatapath("kube_ovn_dp_flows_lookup_hit", "Packets that matched a flow of the datapath", "hit"),
  perDatapath(
    "kube_ovn_dp_flows_lookup_missed",
    "Packets that were sent to ovs-vswitchd because no flow matched",
    "missed",
  ),
  perDatapath("kube_ovn_dp_flows_lookup_lost", "Packets lost on the way to ovs-vswitchd", "lost"),
];

/**
 * Registers the health of Open vSwitch and of OVN's daemons on this node. `read` is called once for each metric: see
 * `keptFor`.
 */
export function healthMetrics(registry: Registry, hostname: string, read: () => Promise<NodeHealth>): void {
  const registers = [registry];
  for (const [name, help, labels, series] of GAUGES)
    new Gauge({
      ...{ name, help, registers, labelNames: ["hostname", ...labels] },
      async collect() {
        const health = await read();
        this.reset();
        series(health, (own, value) => this.set({ hostname, ...own }, value));
      },
    });
  for (const [name, help, value] of PINGER)
    new Gauge({
      ...{ name, help, registers, labelNames: ["nodeName"] },
      async collect() {
        this.set({ nodeName: hostname }, value(await read()) ? 1 : 0);
      },
    });
  for (const [name, help, labels, series] of COUNTERS)
    new Counter({
      ...{ name, help, registers, labelNames: ["hostname", ...labels] },
      async collect() {
        const health = await read();
        this.reset();
        series(health, (own, value) => this.inc({ hostname, ...own }, value));
      },
    });
}

function* clusters({ databases }: NodeHealth): Iterable<readonly [Labels, ClusterStatus]> {
  for (const database of databases) {
    if (!("cluster" in database)) continue;
    const { serverId: server_id, clusterId: cluster_id } = database.cluster;
    yield [{ db_name: database.name, server_id, cluster_id }, database.cluster];
  }
}
