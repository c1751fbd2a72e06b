// SPDX-License-Identifier: Apache-2.0

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** Grafana's name of a unit. */
type Unit = "short" | "s" | "ms" | "bytes" | "percentunit" | "ops" | "pps" | "bool";

/** A graph: title, unit, and its queries, each with the legend of a series. */
type Graph = readonly [title: string, unit: Unit, ...queries: readonly (readonly [expr: string, legend: string])[]];

/** A dashboard: title, the metric whose instances can be chosen, graphs. */
interface Dashboard {
  readonly title: string;
  readonly of: string;
  readonly graphs: readonly Graph[];
}

const RATE = "$__rate_interval";

const rate = (metric: string, by: string, where = ""): string =>
  `sum by (${by}) (rate(${metric}{instance=~"$instance"${where && `,${where}`}}[${RATE}]))`;
const gauge = (metric: string, where = ""): string => `${metric}{instance=~"$instance"${where && `,${where}`}}`;
const quantile = (q: number, metric: string, by: string, where = ""): string =>
  `histogram_quantile(${q}, ${rate(`${metric}_bucket`, `${by}, le`, where)})`;

/** The pairs of namespaces with the most sampled packets. */
const topFlows = (verdict: string): string =>
  `topk(20, ${rate("weft_flow_sampled_packets_total", "source_namespace, destination_namespace, direction", `verdict="${verdict}"`)})`;
const PAIR = "{{source_namespace}} → {{destination_namespace}} ({{direction}})";

const PROCESS: readonly Graph[] = [
  ["CPU", "percentunit", [rate("process_cpu_seconds_total", "instance"), "{{instance}}"]],
  ["Memory", "bytes", [gauge("process_resident_memory_bytes"), "{{instance}}"]],
  ["Open files", "short", [gauge("process_open_fds"), "{{instance}}"]],
  ["Requests to the API server", "ops", [rate("rest_client_requests_total", "code"), "{{code}}"]],
  [
    "API server latency (99 %)",
    "s",
    [quantile(0.99, "rest_client_request_latency_seconds", "verb, url"), "{{verb}} {{url}}"],
  ],
  ["Lines of the log", "ops", [rate("klog_lines_total", "level", 'level=~"WARN|ERROR"'), "{{level}}"]],
];

/** File → dashboard. */
const DASHBOARDS: Readonly<Record<string, Dashboard>> = {
  overview: {
    title: "Weft / Overview",
    of: "weft_controller_leading",
    graphs: [
      ["Leaders", "short", ["sum(weft_controller_leading)", "leaders"]],
      [
        "Nodes",
        "short",
        ["sum(weft_daemon_ready)", "ready"],
        ["count(kube_ovn_chassis_info)", "chassis"],
        ["sum(weft_ovn_controller_connected)", "ovn-controller connected"],
      ],
      [
        "Pods and ports that wait",
        "short",
        ["max(weft_controller_waiting_addresses)", "without an address"],
        ["max(weft_controller_ports_down)", "ports that no chassis has bound"],
      ],
      [
        "CNI ADD (99 %)",
        "s",
        [
          `histogram_quantile(0.99, sum by (le) (rate(cni_op_latency_seconds_bucket{method="add"}[${RATE}])))`,
          "all nodes",
        ],
      ],
      [
        "Fill of subnets",
        "percentunit",
        [
          "max by (subnet_name, protocol) (subnet_used_ip_count) / max by (subnet_name, protocol) (subnet_used_ip_count + subnet_available_ip_count)",
          "{{subnet_name}} {{protocol}}",
        ],
      ],
      [
        "Free addresses",
        "short",
        ["max by (subnet_name, protocol) (subnet_available_ip_count)", "{{subnet_name}} {{protocol}}"],
      ],
      [
        "Gateway nodes of centralized subnets",
        "short",
        ["max by (subnet_name, ready) (weft_subnet_gateway_nodes)", "{{subnet_name}} ready: {{ready}}"],
      ],
      [
        "Restored",
        "ops",
        [`sum(rate(weft_nb_repairs_total[${RATE}]))`, "rows of the northbound database"],
        [`sum by (what) (rate(weft_node_repairs_total[${RATE}]))`, "{{what}}"],
      ],
    ],
  },
  controller: {
    title: "Weft / Controller",
    of: "weft_controller_leading",
    graphs: [
      ["Leads", "bool", [gauge("weft_controller_leading"), "{{instance}}"]],
      [
        "Connected to OVN's databases",
        "bool",
        [gauge("weft_controller_northbound_synced"), "northbound {{instance}}"],
        [gauge("weft_controller_southbound_synced"), "southbound {{instance}}"],
      ],
      ["Units that wait", "short", [gauge("weft_units_waiting"), "{{state}}"]],
      ["Units compiled", "ops", [rate("weft_units_compiled_total", "instance"), "{{instance}}"]],
      [
        "Units in a transaction",
        "short",
        [quantile(0.5, "weft_nb_transaction_units", "instance"), "50 %"],
        [quantile(0.99, "weft_nb_transaction_units", "instance"), "99 %"],
      ],
      [
        "Transactions of the northbound database",
        "ms",
        [quantile(0.5, "ovs_client_request_latency_milliseconds", "code"), "50 % code {{code}}"],
        [quantile(0.99, "ovs_client_request_latency_milliseconds", "code"), "99 % code {{code}}"],
      ],
      [
        "Transactions and operations",
        "ops",
        [rate("weft_nb_transactions_total", "instance"), "transactions"],
        [rate("weft_nb_operations_total", "instance"), "operations"],
      ],
      [
        "Restored, contended, refused",
        "ops",
        [rate("weft_nb_repairs_total", "instance"), "restored"],
        [rate("weft_nb_contended_total", "instance"), "contended"],
        [rate("weft_nb_refused_total", "instance"), "refused"],
      ],
      ["Internal errors", "ops", [rate("weft_controller_internal_failures_total", "part"), "{{part}}"]],
      ["Queued writes to the API server", "short", [gauge("weft_controller_pending_writes"), "{{instance}}"]],
      ...PROCESS,
    ],
  },
  cni: {
    title: "Weft / CNI",
    of: "weft_daemon_ready",
    graphs: [
      ["Ready", "bool", [gauge("weft_daemon_ready"), "{{instance}}"]],
      ["Requests", "ops", [rate("cni_op_latency_seconds_count", "method, status_code"), "{{method}} {{status_code}}"]],
      [
        "Duration of ADD",
        "s",
        [quantile(0.5, "cni_op_latency_seconds", "node_name", 'method="add"'), "50 % {{node_name}}"],
        [quantile(0.99, "cni_op_latency_seconds", "node_name", 'method="add"'), "99 % {{node_name}}"],
      ],
      ["Parts of ADD (99 %)", "s", [quantile(0.99, "weft_cni_part_seconds", "part", 'method="add"'), "{{part}}"]],
      ["Restored on nodes", "ops", [rate("weft_node_repairs_total", "instance, what"), "{{instance}} {{what}}"]],
      [
        "Orphaned ports and interfaces",
        "ops",
        [rate("weft_collected_total", "instance, what"), "{{instance}} {{what}}"],
      ],
      ...PROCESS,
    ],
  },
  ovn: {
    title: "Weft / OVN",
    of: "kube_ovn_ovs_status",
    graphs: [
      [
        "Central daemons (1 active, 2 follower, 0 failed)",
        "short",
        [gauge("kube_ovn_ovn_status"), "{{component}} {{hostname}}"],
      ],
      ["Storage of databases works", "bool", [gauge("kube_ovn_db_status"), "{{db_name}} {{hostname}}"]],
      ["Size of databases", "bytes", [gauge("kube_ovn_db_file_size_bytes"), "{{db_name}} {{hostname}}"]],
      ["Clients", "short", [gauge("weft_ovn_db_sessions"), "{{db_name}} {{hostname}}"]],
      ["Logical switches", "short", ["max(count by (instance) (kube_ovn_logical_switch_info))", "switches"]],
      [
        "Ports",
        "short",
        ["max by (logical_switch_name) (kube_ovn_logical_switch_ports_num)", "{{logical_switch_name}}"],
      ],
      ["Chassis", "short", ["max(count by (instance) (kube_ovn_chassis_info))", "chassis"]],
      [
        "BFD sessions and checked backends",
        "short",
        ["max by (status) (weft_ovn_bfd_sessions)", "BFD {{status}}"],
        ["max by (status) (weft_ovn_service_monitors)", "backends {{status}}"],
      ],
      ["Members of a raft cluster", "bool", [gauge("kube_ovn_cluster_enabled"), "{{db_name}} {{hostname}}"]],
      ["Raft: leader", "bool", [gauge("kube_ovn_cluster_leader_self"), "{{db_name}} {{hostname}}"]],
      ["Raft: term", "short", [gauge("kube_ovn_cluster_term"), "{{db_name}} {{hostname}}"]],
      [
        "Raft: entries that are not applied",
        "short",
        [gauge("kube_ovn_cluster_log_not_applied"), "{{db_name}} {{hostname}}"],
      ],
      [
        "Raft: connections",
        "short",
        [gauge("kube_ovn_cluster_outbound_connections_total"), "established {{db_name}} {{hostname}}"],
        [gauge("kube_ovn_cluster_outbound_connections_error_total"), "not established {{db_name}} {{hostname}}"],
      ],
    ],
  },
  ovs: {
    title: "Weft / Open vSwitch",
    of: "kube_ovn_ovs_status",
    graphs: [
      ["Daemons answer", "bool", [gauge("kube_ovn_ovs_status"), "{{component}} {{hostname}}"]],
      ["ovn-controller is connected", "bool", [gauge("weft_ovn_controller_connected"), "{{hostname}}"]],
      ["Flows in the datapath", "short", [gauge("kube_ovn_dp_flows_total"), "{{hostname}}"]],
      ["Ports", "short", [gauge("kube_ovn_dp_if_total"), "{{hostname}}"]],
      [
        "Lookups",
        "pps",
        [rate("kube_ovn_dp_flows_lookup_hit", "hostname"), "hit {{hostname}}"],
        [rate("kube_ovn_dp_flows_lookup_missed", "hostname"), "missed {{hostname}}"],
        [rate("kube_ovn_dp_flows_lookup_lost", "hostname"), "lost {{hostname}}"],
      ],
    ],
  },
  flows: {
    title: "Weft / Flows",
    of: "weft_flow_sampled_packets_total",
    graphs: [
      ["Dropped", "pps", [topFlows("dropped"), PAIR]],
      ["Allowed (first packets of connections)", "pps", [topFlows("allowed"), PAIR]],
    ],
  },
  pinger: {
    title: "Weft / Mesh probes",
    of: "pinger_apiserver_healthy",
    graphs: [
      [
        "Nodes, and those with a prober",
        "short",
        ["count(count by (nodeName) (pinger_ovs_up))", "nodes"],
        ["count(count by (nodeName) (pinger_apiserver_healthy))", "with a prober"],
      ],
      [
        "Lost echo requests to pods",
        "percentunit",
        ["max by (src_node_name) (weft:pod_ping_lost:ratio_2m)", "from {{src_node_name}}"],
        ["max by (target_node_name) (weft:pod_ping_lost:ratio_2m)", "to {{target_node_name}}"],
      ],
      [
        "Lost echo requests to nodes",
        "percentunit",
        ["max by (src_node_name) (weft:node_ping_lost:ratio_2m)", "from {{src_node_name}}"],
        ["max by (target_node_name) (weft:node_ping_lost:ratio_2m)", "to {{target_node_name}}"],
      ],
      [
        "Round-trip time to pods (99 %)",
        "ms",
        [quantile(0.99, "pinger_pod_ping_latency_ms", "src_node_name"), "{{src_node_name}}"],
      ],
      [
        "Round-trip time to nodes (99 %)",
        "ms",
        [quantile(0.99, "pinger_node_ping_latency_ms", "src_node_name"), "{{src_node_name}}"],
      ],
      [
        "DNS and API server answer",
        "bool",
        [gauge("pinger_internal_dns_healthy"), "DNS {{nodeName}}"],
        [gauge("pinger_apiserver_healthy"), "API server {{nodeName}}"],
        [gauge("pinger_external_dns_healthy"), "names outside {{nodeName}}"],
      ],
      [
        "DNS and API server (99 %)",
        "ms",
        [quantile(0.99, "pinger_internal_dns_latency_ms", "nodeName"), "DNS {{nodeName}}"],
        [quantile(0.99, "pinger_apiserver_latency_ms", "nodeName"), "API server {{nodeName}}"],
      ],
      [
        "Ports that do not answer",
        "percentunit",
        ["max by (src_node_name, protocol) (weft:port_failed:ratio_2m)", "{{protocol}} from {{src_node_name}}"],
      ],
      [
        "Addresses outside",
        "percentunit",
        ["max by (target_address) (weft:external_ping_lost:ratio_2m)", "lost {{target_address}}"],
      ],
      [
        "Round-trip time to addresses outside (99 %)",
        "ms",
        [quantile(0.99, "pinger_external_ping_latency_ms", "target_address"), "{{target_address}}"],
      ],
      [
        "Open vSwitch and ovn-controller answer",
        "bool",
        ["min by (nodeName) (pinger_ovs_up)", "Open vSwitch {{nodeName}}"],
        ["min by (nodeName) (pinger_ovn_controller_up)", "ovn-controller {{nodeName}}"],
      ],
      ["Ports without flows", "short", ["max by (nodeName) (pinger_inconsistent_port_binding)", "{{nodeName}}"]],
      ...PROCESS,
    ],
  },
};

const DATASOURCE = { type: "prometheus", uid: "$datasource" } as const;

function panel([title, unit, ...queries]: Graph, index: number): unknown {
  return {
    id: index + 1,
    title,
    type: "timeseries",
    datasource: DATASOURCE,
    gridPos: { x: (index % 2) * 12, y: Math.floor(index / 2) * 8, w: 12, h: 8 },
    fieldConfig: { defaults: { unit, min: 0, ...(unit === "bool" && { max: 1 }) }, overrides: [] },
    options: { legend: { displayMode: "list", placement: "bottom" }, tooltip: { mode: "multi", sort: "desc" } },
    targets: queries.map(([expr, legendFormat], at) => ({
      refId: String.fromCharCode(65 + at),
      datasource: DATASOURCE,
      expr,
      legendFormat,
    })),
  };
}

/** A dashboard as Grafana reads it (schema version 36: Grafana 9). */
function render(name: string, { title, of, graphs }: Dashboard): string {
  const query = `label_values(${of}, instance)`;
  const dashboard = {
    uid: `weft-${name}`,
    title,
    tags: ["weft"],
    schemaVersion: 36,
    editable: true,
    refresh: "30s",
    time: { from: "now-1h", to: "now" },
    templating: {
      list: [
        { name: "datasource", type: "datasource", query: "prometheus" },
        {
          ...{ name: "instance", type: "query", datasource: DATASOURCE, definition: query, refresh: 2, sort: 1 },
          ...{ query: { query, refId: "instance" }, includeAll: true, allValue: ".*", multi: true },
          current: { text: "All", value: "$__all" },
        },
      ],
    },
    panels: graphs.map(panel),
  };
  return `${JSON.stringify(dashboard, null, 1)}\n`;
}

/** The chart's dashboards: path from the root of the project → text. */
export function dashboards(): ReadonlyMap<string, string> {
  return new Map(
    Object.entries(DASHBOARDS).map(([name, dashboard]) => [
      `charts/weft/monitoring/dashboards/${name}.json`,
      render(name, dashboard),
    ]),
  );
}

/** Writes them; with `check` nothing is written. Returns those that were, or are, stale. */
export function generateDashboards(root: string, check: boolean): readonly string[] {
  return [...dashboards()].flatMap(([path, text]) => {
    const file = join(root, path);
    if (textOf(file) === text) return [];
    if (!check) {
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, text);
    }
    return [path];
  });
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
