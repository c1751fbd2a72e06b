// SPDX-License-Identifier: Apache-2.0

import { Registry } from "prom-client";
import t from "tap";
import type { WeftEffect } from "../compile/effects.ts";
import { addSubnet, sampleFacts } from "../compile/testing/sample-facts.ts";
import { Ipam } from "../ipam/ipam.ts";
import { hashedMacs } from "../ipam/mac-choice.ts";
import { projectIpPool } from "../kinds/ippool.ts";
import { idleEngine } from "../reconcile/testing/idle-engine.ts";
import { configureSubnet } from "./allocation/subnet-configuration.ts";
import { controllerMetrics, type MetricSources } from "./metrics.ts";

/** The metrics of a controller with the sample cluster, as lines of Prometheus' text. */
function rig(more: Partial<MetricSources> = {}) {
  const facts = sampleFacts();
  const ipam = new Ipam({ macs: hashedMacs("") });
  const registry = new Registry();
  const engine = idleEngine<WeftEffect>(facts);
  controllerMetrics(registry, {
    ...{ engine, facts, ipam },
    ...{ northbound: () => true, southbound: () => undefined, switches: () => [], leading: () => false },
    ...{ waiting: () => 0, unserved: () => 0, pendingWrites: () => 0 },
    ...more,
  });
  const lines = async (): Promise<ReadonlySet<string>> => new Set((await registry.metrics()).split("\n"));
  return { facts, ipam, lines };
}

t.test("free and used addresses are shown by subnet, pool and family, with Kube-OVN's names", async (t) => {
  const { facts, ipam, lines } = rig();
  addSubnet(facts, "small", { cidrBlock: "10.30.0.0/28" });
  const spec = { subnet: "small", ips: ["10.30.0.8..10.30.0.11"] };
  facts.set("ipPools", "few", projectIpPool({ metadata: { name: "few", uid: "u" }, spec }));
  t.strictSame(configureSubnet(facts, ipam, "small"), []);
  const request = { owner: "web.shop", subnets: ["small"], want: { kind: "any" }, namespace: "shop" } as const;
  t.ok(ipam.allocate(request).ok);
  const seen = await lines();
  const small = '{subnet_name="small",protocol="IPv4",subnet_cidr="10.30.0.0/28"}';
  for (const line of [
    `subnet_available_ip_count${small} 12`,
    `subnet_used_ip_count${small} 1`,
    'weft_ippool_available_ip_count{ippool="few",subnet_name="small",protocol="IPv4"} 4',
    'weft_ippool_used_ip_count{ippool="few",subnet_name="small",protocol="IPv4"} 0',
  ])
    t.ok(seen.has(line), line);
  t.notOk(
    [...seen].some((line) => line.includes('subnet_name="small",protocol="IPv6"')),
    "it has no IPv6 range",
  );
});

t.test("gateway nodes of centralized subnets are shown by whether traffic can leave by them", async (t) => {
  const { facts, lines } = rig();
  addSubnet(facts, "out", { cidrBlock: "10.31.0.0/24", gatewayType: "centralized", gatewayNode: "weft-1,weft-2" });
  const nodes = facts.get("subnetGateways", "out")?.nodes ?? [];
  const ready = nodes.filter(({ problem }) => problem === undefined).length;
  const seen = await lines();
  t.equal(nodes.length, 2);
  t.ok(seen.has(`weft_subnet_gateway_nodes{subnet_name="out",ready="true"} ${ready}`));
  t.ok(seen.has(`weft_subnet_gateway_nodes{subnet_name="out",ready="false"} ${2 - ready}`));
});

t.test(
  "a replica shows whether it leads, what waits, and whether its copies of the databases are current",
  async (t) => {
    const leader = rig({
      leading: () => true,
      waiting: () => 3,
      unserved: () => 2,
      pendingWrites: () => 5,
      southbound: () => true,
    });
    for (const line of [
      ...["weft_controller_leading 1", "weft_controller_waiting_addresses 3", "weft_controller_pending_writes 5"],
      ...["weft_controller_unserved_pods_total 2", "weft_controller_southbound_synced 1"],
    ])
      t.ok((await leader.lines()).has(line), line);
    const standby = await rig({ northbound: () => false }).lines();
    for (const line of [
      "weft_controller_leading 0",
      "weft_controller_northbound_synced 0",
      "weft_controller_southbound_synced 0",
    ])
      t.ok(standby.has(line), line);
  },
);

t.test(
  "chassis, switches, BFD sessions and checked endpoints of OVN are shown, also a status that none has",
  async (t) => {
    const { facts, lines } = rig({ switches: () => [{ uuid: "u-1", name: "ovn-default", ports: 4 }] });
    facts.set("chassis", "c-1", { key: "c-1", name: "weft-1-id", host: "weft-1", remote: false });
    facts.set("encaps", "e-1", { key: "e-1", ip: "172.18.0.11", chassis: "weft-1-id" });
    facts.set("bfdSessions", "b-1", { key: "b-1", uuid: "b-1", port: "p", address: "10.0.0.1", status: "up" } as never);
    const monitor = { key: "m-1", logicalPort: "web.shop", ip: "10.16.0.2", protocol: "tcp", port: 80 } as const;
    facts.set("serviceMonitors", "m-1", { ...monitor, status: "offline" });
    const seen = await lines();
    for (const line of [
      'kube_ovn_chassis_info{hostname="weft-1",uuid="c-1",name="weft-1-id",ip="172.18.0.11"} 1',
      'kube_ovn_logical_switch_info{uuid="u-1",name="ovn-default"} 1',
      'kube_ovn_logical_switch_ports_num{uuid="u-1",logical_switch_name="ovn-default"} 4',
      'weft_ovn_bfd_sessions{status="up"} 1',
      'weft_ovn_bfd_sessions{status="down"} 0',
      'weft_ovn_service_monitors{status="offline"} 1',
      'weft_ovn_service_monitors{status="online"} 0',
      'weft_controller_node_chassis_problems{reason="ChassisMissing"} 0',
    ])
      t.ok(seen.has(line), line);
  },
);
