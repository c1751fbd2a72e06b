// SPDX-License-Identifier: Apache-2.0

/** A case of an alert: series (a value each minute, in promtool's notation), and minutes in which it fires and does not fire. */
export interface AlertCase {
  readonly series: Readonly<Record<string, string>>;
  readonly fires: readonly number[];
  readonly quiet: readonly number[];
}

/** `good` for 30 minutes, then `bad`: for an alert that waits for less than 15 minutes. */
function turns(series: string, good: number, bad: number, also: Readonly<Record<string, string>> = {}): AlertCase {
  return { series: { [series]: `${good}x29 ${bad}x40`, ...also }, fires: [60], quiet: [29] };
}

/** Does not grow for 30 minutes, then by `step` each minute. */
function grows(series: string, step: number, also: Readonly<Record<string, string>> = {}): AlertCase {
  return { series: { [series]: `0x29 ${step}+${step}x40`, ...also }, fires: [60], quiet: [29] };
}

/** Of 36 probes a minute none fails for 30 minutes, then `lost` of them. */
function loses(failed: string, all: string, labels: string, lost: number): AlertCase {
  return {
    series: { [`${failed}{${labels}}`]: `0x29 ${lost}+${lost}x40`, [`${all}{${labels}}`]: "0+36x80" },
    fires: [60],
    quiet: [29],
  };
}

const PAIR = 'src_node_name="a",target_node_name="b"';
const LEADS = { 'weft_controller_leading{instance="a"}': "1x80" };
const add = (rest: string): string => `cni_op_latency_seconds_${rest}`;

/** Alert → when it fires and when it does not. */
export const ALERT_CASES: Readonly<Record<string, AlertCase>> = {
  WeftNoLeader: {
    series: {
      'weft_controller_leading{instance="a"}': "1x29 0x10 0x29 stale",
      'weft_controller_leading{instance="b"}': "0x39 1x19 0x9 stale",
    },
    // No leader for 10 minutes; b leads; no leader; none is scraped.
    fires: [35, 65, 75],
    quiet: [29, 30, 45, 58],
  },
  WeftNorthboundNotSynced: turns('weft_controller_northbound_synced{instance="a"}', 1, 0),
  WeftSouthboundNotSynced: turns('weft_controller_southbound_synced{instance="a"}', 1, 0),
  WeftPodsWithoutAddress: {
    ...turns('weft_controller_waiting_addresses{instance="a"}', 0, 3, LEADS),
    // A burst of pods waits for a moment.
    quiet: [29, 33],
  },
  WeftPodsUnserved: grows('weft_controller_unserved_pods_total{instance="a"}', 1),
  WeftUnitsWaiting: { ...turns('weft_units_waiting{instance="a",state="dirty"}', 0, 40, LEADS), quiet: [29, 38] },
  WeftNorthboundRefused: turns('weft_units_waiting{instance="a",state="refused"}', 0, 1, LEADS),
  WeftNorthboundContended: { ...grows('weft_nb_contended_total{instance="a"}', 1), quiet: [29, 38] },
  WeftNorthboundSlow: {
    series: {
      'ovs_client_request_latency_milliseconds_bucket{db="ovn-nb",code="0",le="64"}': "0+10x29 290x40",
      'ovs_client_request_latency_milliseconds_bucket{db="ovn-nb",code="0",le="1024"}': "0+10x29 290x40",
      'ovs_client_request_latency_milliseconds_bucket{db="ovn-nb",code="0",le="4096"}': "0+10x29 290+10x40",
      'ovs_client_request_latency_milliseconds_bucket{db="ovn-nb",code="0",le="+Inf"}': "0+10x29 290+10x40",
    },
    fires: [60],
    quiet: [29],
  },
  WeftSweepHeldBack: turns('weft_nb_sweep_held_back_rows{instance="a"}', 0, 120),
  WeftInternalError: turns('weft_controller_internal_failing{instance="a"}', 0, 1),
  WeftApiRequestsFail: {
    series: {
      'rest_client_requests_total{instance="a",code="200",method="GET"}': "0+60x80",
      'rest_client_requests_total{instance="a",code="503",method="GET"}': "0x29 0+10x40",
    },
    fires: [60],
    quiet: [29],
  },
  WeftProcessRestarts: {
    series: {
      'process_start_time_seconds{instance="a"}': "1000x29 2000x4 3000x4 4000x40",
      'weft_controller_leading{instance="a"}': "1x29 0x50",
      // Another program that Prometheus scrapes.
      'process_start_time_seconds{instance="z"}': "1x5 2x5 3x5 4x5 5x5 6x55",
    },
    fires: [41],
    quiet: [29, 36, 75],
  },
  WeftSubnetAlmostFull: {
    series: {
      ...LEADS,
      'subnet_used_ip_count{instance="a",subnet_name="s",protocol="IPv4",subnet_cidr="10.16.0.0/24"}': "100x29 240x40",
      'subnet_available_ip_count{instance="a",subnet_name="s",protocol="IPv4",subnet_cidr="10.16.0.0/24"}':
        "153x29 13x40",
      // The standby counts nothing.
      'weft_controller_leading{instance="b"}': "0x80",
      'subnet_used_ip_count{instance="b",subnet_name="s",protocol="IPv4",subnet_cidr="10.16.0.0/24"}': "0x80",
      'subnet_available_ip_count{instance="b",subnet_name="s",protocol="IPv4",subnet_cidr="10.16.0.0/24"}': "0x80",
    },
    fires: [60],
    quiet: [29, 35],
  },
  WeftSubnetFull: {
    series: {
      ...LEADS,
      'subnet_available_ip_count{instance="a",subnet_name="s",protocol="IPv4",subnet_cidr="10.16.0.0/24"}': "1x29 0x40",
      'weft_controller_leading{instance="b"}': "0x80",
      'subnet_available_ip_count{instance="b",subnet_name="s",protocol="IPv4",subnet_cidr="10.16.0.0/24"}': "0x80",
    },
    fires: [60],
    quiet: [29],
  },
  WeftIPPoolFull: turns(
    'weft_ippool_available_ip_count{instance="a",ippool="p",subnet_name="s",protocol="IPv4"}',
    1,
    0,
    LEADS,
  ),
  WeftDaemonNotScraped: {
    series: {
      'kube_ovn_chassis_info{hostname="n1",uuid="u",name="c",ip="10.0.0.1"}': "1x80",
      'kube_ovn_ovs_status{hostname="n1",component="ovs-vswitchd"}': "1x29 stale",
    },
    fires: [60],
    quiet: [29, 33],
  },
  WeftNodeNotReady: turns('weft_daemon_ready{instance="n1:10665"}', 1, 0),
  WeftCniFails: {
    series: {
      [add('count{node_name="n1",method="add",status_code="200"}')]: "0+10x80",
      [add('count{node_name="n1",method="add",status_code="500"}')]: "0x29 0+5x40",
    },
    fires: [60],
    quiet: [29],
  },
  WeftCniSlow: {
    series: {
      [add('bucket{node_name="n1",method="add",status_code="200",le="0.1"}')]: "0+10x29 290x40",
      [add('bucket{node_name="n1",method="add",status_code="200",le="5"}')]: "0+10x29 290x40",
      [add('bucket{node_name="n1",method="add",status_code="200",le="30"}')]: "0+10x29 290+10x40",
      [add('bucket{node_name="n1",method="add",status_code="200",le="+Inf"}')]: "0+10x29 290+10x40",
    },
    fires: [60],
    quiet: [29],
  },
  WeftNodeRepairs: grows('weft_node_repairs_total{instance="n1",what="route"}', 1),
  WeftChassisProblem: turns('weft_controller_node_chassis_problems{instance="a",reason="ChassisMissing"}', 0, 1),
  WeftPortsDown: { ...turns('weft_controller_ports_down{instance="a"}', 0, 2), quiet: [29, 40] },
  WeftOvsDown: turns('kube_ovn_ovs_status{hostname="n1",component="ovs-vswitchd"}', 1, 0),
  WeftOvnControllerDisconnected: turns('weft_ovn_controller_connected{hostname="n1"}', 1, 0),
  WeftDatapathLosesPackets: grows('kube_ovn_dp_flows_lookup_lost{hostname="n1",datapath="system@ovs-system"}', 5),
  WeftGatewayLost: turns('weft_subnet_gateway_nodes{instance="a",subnet_name="s",ready="true"}', 1, 0),
  WeftBfdSessionDown: turns('weft_ovn_bfd_sessions{instance="a",status="down"}', 0, 1),
  WeftOvnDatabaseFailed: turns('kube_ovn_db_status{hostname="n1",db_name="OVN_Northbound"}', 1, 0),
  WeftOvnDatabaseLarge: {
    series: { 'kube_ovn_db_file_size_bytes{hostname="n1",db_name="OVN_Southbound"}': "1e9x29 3e9x60" },
    fires: [65],
    quiet: [29, 50],
  },
  WeftOvnNorthdDown: {
    series: {
      'kube_ovn_ovn_status{hostname="n1",component="ovn-northd"}': "1x29 0x40",
      'kube_ovn_ovn_status{hostname="n2",component="ovn-northd"}': "2x39 1x9 2x40",
    },
    // n1 fails, n2 takes over, and becomes a standby again.
    fires: [35, 60],
    quiet: [29, 45],
  },
  WeftRaftNoLeader: turns('kube_ovn_cluster_leader_self{hostname="n1",db_name="OVN_Northbound"}', 1, 0),
  WeftRaftMemberLost: turns(
    'kube_ovn_cluster_outbound_connections_total{hostname="n1",db_name="OVN_Northbound"}',
    2,
    1,
    { 'kube_ovn_cluster_peer_count{hostname="n1",db_name="OVN_Northbound"}': "2x80" },
  ),
  WeftRaftLags: turns('kube_ovn_cluster_log_not_applied{hostname="n1",db_name="OVN_Northbound"}', 0, 5000),
  WeftProberMissing: {
    series: {
      'pinger_ovs_up{nodeName="a"}': "1x80",
      'pinger_ovs_up{nodeName="b"}': "1x80",
      // The one of b is gone; both are, as when probers have been disabled; b has one again.
      'pinger_apiserver_healthy{nodeName="a"}': "1x49 stale stale stale stale stale stale stale stale stale stale 1x20",
      'pinger_apiserver_healthy{nodeName="b"}': "1x29 stale _x29 1x20",
    },
    fires: [45],
    quiet: [29, 38, 55, 75],
  },
  WeftPodsUnreachable: {
    ...loses("pinger_pod_ping_lost_total", "pinger_pod_ping_count_total", PAIR, 36),
    quiet: [29, 31],
  },
  WeftPodsLosePackets: {
    ...loses("pinger_pod_ping_lost_total", "pinger_pod_ping_count_total", PAIR, 4),
    quiet: [29, 38],
  },
  WeftNodesUnreachable: {
    ...loses("pinger_node_ping_lost_total", "pinger_node_ping_count_total", PAIR, 36),
    quiet: [29, 31],
  },
  WeftDnsFails: turns('pinger_internal_dns_healthy{nodeName="a"}', 1, 0),
  WeftExternalDnsFails: turns('pinger_external_dns_healthy{nodeName="a"}', 1, 0),
  WeftApiServerUnreachable: turns('pinger_apiserver_healthy{nodeName="a"}', 1, 0),
  WeftExternalUnreachable: loses(
    ...(["pinger_external_ping_lost_total", "weft_pinger_external_ping_count_total"] as const),
    ...(['src_node_name="a",target_address="192.0.2.1"', 36] as const),
  ),
  WeftPortUnreachable: loses(
    ...(["weft_pinger_port_failed_total", "weft_pinger_port_count_total"] as const),
    ...(['src_node_name="a",target="b",protocol="udp",family="IPv4"', 36] as const),
  ),
};
