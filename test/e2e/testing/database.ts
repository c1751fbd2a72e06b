// SPDX-License-Identifier: Apache-2.0

import { OVN_NB } from "../../../src/ovsdb/generated/ovn-nb.ts";
import { VSWITCH } from "../../../src/ovsdb/generated/vswitch.ts";
import { openOvsdb } from "../../../src/ovsdb/open.ts";
import { when } from "./when.ts";

const NB = {
  Logical_Switch: "all",
  Logical_Switch_Port: "all",
  Logical_Router: "all",
  Logical_Router_Port: "all",
  Logical_Router_Policy: "all",
  Logical_Router_Static_Route: "all",
  Port_Group: "all",
  Address_Set: "all",
  ACL: "all",
  DHCP_Options: "all",
  Load_Balancer: "all",
  Chassis_Template_Var: "all",
  QoS: "all",
  BFD: ["logical_port", "dst_ip", "status"],
  Gateway_Chassis: ["name", "chassis_name", "priority"],
} as const;

const VSWITCHD = {
  Open_vSwitch: ["external_ids"],
  Bridge: ["name", "ports", "datapath_type", "external_ids"],
  Port: ["name", "interfaces"],
  Mirror: ["name", "select_all", "select_src_port", "select_dst_port"],
  Interface: ["name", "type", "external_ids", "error"],
  QoS: ["type", "queues", "other_config", "external_ids"],
  Queue: ["other_config", "external_ids"],
} as const;

/** Follows the northbound database through its socket in the /run of its nodes; if there are several, through the leader's. */
export function followNorthbound(roots: readonly string[]) {
  const remotes = roots.map((root) => `unix:${root}/run/ovn/ovnnb_db.sock`);
  const client = openOvsdb({ remotes, database: OVN_NB.name, leaderOnly: true });
  const mirror = client.monitor(OVN_NB, NB);
  const portNamed = mirror.index("Logical_Switch_Port", "name", (row) => row.name);
  const groupNamed = mirror.index("Port_Group", "name", (row) => row.name);
  return {
    client,
    mirror,
    port: (name: string) => portNamed.lookup(name)[0],
    group: (name: string) => groupNamed.lookup(name)[0],
    /** Waits until `look` returns a result for the mirror. */
    until: <R>(what: string, look: () => R | undefined | false, ms = 20_000): Promise<R> =>
      when((listener) => mirror.subscribe(listener), look, `northbound: ${what}`, ms),
  };
}

/** The northbound database, followed. */
export type NorthboundRows = ReturnType<typeof followNorthbound>;

/** Follows a node's Open vSwitch through its socket in the node's /run. */
export function followOpenVSwitch(root: string) {
  const client = openOvsdb({ remotes: [`unix:${root}/run/openvswitch/db.sock`], database: VSWITCH.name });
  const mirror = client.monitor(VSWITCH, VSWITCHD);
  return {
    client,
    mirror,
    /** The settings of ovn-controller. */
    settings: (): Readonly<Record<string, string>> => [...mirror.rows("Open_vSwitch")][0]?.external_ids ?? {},
    /** Interfaces that are a pod's. */
    podInterfaces: () =>
      [...mirror.rows("Interface")].filter((row) => row.external_ids["vendor"] === "kube-ovn" && row.name !== "ovn0"),
    /** The ports of the row `m0`: names of ports, or "all"; undefined if there is no row. */
    mirrored: (): readonly string[] | "all" | undefined => {
      const [row] = [...mirror.rows("Mirror")].filter(({ name }) => name === "m0");
      if (row === undefined) return undefined;
      const named = (uuid: string): string => mirror.get("Port", uuid)?.name ?? uuid;
      return row.select_all ? "all" : [...new Set([...row.select_src_port, ...row.select_dst_port])].map(named);
    },
    until: <R>(what: string, look: () => R | undefined | false, ms = 20_000): Promise<R> =>
      when((listener) => mirror.subscribe(listener), look, `Open vSwitch: ${what}`, ms),
  };
}

/** A node's Open vSwitch, followed. */
export type OpenVSwitchRows = ReturnType<typeof followOpenVSwitch>;
