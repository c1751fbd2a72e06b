// SPDX-License-Identifier: Apache-2.0

import { OWNER_KEY } from "../desired/identity.ts";
import type {
  BfdSessionFact,
  ChassisFact,
  DownPortFact,
  EncapFact,
  GatewayPortFact,
  PortFact,
  ServiceMonitorFact,
} from "../facts/database.ts";
import type { Indexes } from "../facts/store.ts";
import type { FactKind, FactTypes } from "../facts/types.ts";
import { parseDualIp } from "../net/dual.ts";
import type { OvnNbTables } from "../ovsdb/generated/ovn-nb.ts";
import type { OvnSbTables } from "../ovsdb/generated/ovn-sb.ts";
import type { MirrorRow } from "../ovsdb/mirror.ts";
import type { ColumnName, TableName } from "../ovsdb/schema.ts";
import type { WhereClause } from "../ovsdb/where.ts";

declare module "../facts/types.ts" {
  interface FactTypes {
    readonly ports: PortFact;
    readonly downPorts: DownPortFact;
    readonly bfdSessions: BfdSessionFact;
    readonly chassis: ChassisFact;
    readonly encaps: EncapFact;
    readonly gatewayPorts: GatewayPortFact;
    readonly serviceMonitors: ServiceMonitorFact;
  }
  interface FactIndexes {
    readonly bfdSessions: "uuid";
    readonly chassis: "name" | "host";
    readonly encaps: "ip";
  }
}

/** The projection of rows of one table to one kind of fact. */
export interface TableKind<Tables, T extends TableName<Tables>, C extends ColumnName<Tables[T]>, K extends FactKind> {
  readonly facts: K;
  readonly table: T;
  /** The columns that the projection reads. Of tables that the controller does not write no other columns are monitored. */
  readonly columns: readonly C[];
  /** Only rows that match any of these are monitored. */
  readonly whereAny?: readonly WhereClause<Tables[T]>[];
  readonly indexes: Indexes<K>;
  /** The fact of a row; `undefined` if it has none. */
  readonly project: (row: MirrorRow<Pick<Tables[T], C>>) => FactTypes[K] | undefined;
}

/** A {@link TableKind} of any type. */
export interface AnyTableKind<Tables> {
  readonly facts: FactKind;
  readonly table: TableName<Tables>;
  readonly columns: readonly string[];
  readonly whereAny?: readonly WhereClause<never>[];
  readonly indexes: object;
  readonly project: (row: never) => FactTypes[FactKind] | undefined;
}

function tablesOf<Tables>() {
  return <T extends TableName<Tables>, C extends ColumnName<Tables[T]>, K extends FactKind>(
    kind: TableKind<Tables, T, C, K>,
  ): AnyTableKind<Tables> => kind as unknown as AnyTableKind<Tables>;
}
const northbound = tablesOf<OvnNbTables>();
const southbound = tablesOf<OvnSbTables>();

/** Facts of rows and columns of the northbound database that other programs write. */
export const NORTHBOUND_KINDS: readonly AnyTableKind<OvnNbTables>[] = [
  northbound({
    facts: "ports",
    table: "Logical_Switch_Port",
    columns: ["name", "addresses", "external_ids"],
    indexes: {},
    project: projectPort,
  }),
  northbound({
    facts: "downPorts",
    table: "Logical_Switch_Port",
    columns: ["name", "external_ids", "up"],
    indexes: {},
    project: ({ name: key, external_ids, up }): DownPortFact | undefined =>
      up !== true && isOfPodOrNode(external_ids) ? { key } : undefined,
  }),
  northbound({
    facts: "bfdSessions",
    table: "BFD",
    columns: ["logical_port", "dst_ip", "status", "external_ids"],
    indexes: { uuid: ({ uuid }) => [uuid] },
    project: ({ _uuid: uuid, logical_port: port, dst_ip: address, status, external_ids: ids }): BfdSessionFact => {
      const foreign = ids[OWNER_KEY] === undefined;
      return { key: `${port}/${address}`, uuid, port, address, status: status ?? "unknown", foreign };
    },
  }),
];

/**
 * Facts of the southbound database. There is a Port_Binding for each pod, and many more flows: only the rows and columns named here are monitored.
 */
export const SOUTHBOUND_KINDS: readonly AnyTableKind<OvnSbTables>[] = [
  southbound({
    facts: "chassis",
    table: "Chassis",
    columns: ["name", "hostname", "other_config"],
    indexes: { name: ({ name }) => [name], host: ({ host }) => [host] },
    project: ({ _uuid: key, name, hostname: host, other_config }): ChassisFact => {
      return { key, name, host, remote: other_config["is-remote"] === "true" };
    },
  }),
  southbound({
    facts: "encaps",
    table: "Encap",
    columns: ["type", "ip", "chassis_name"],
    indexes: { ip: ({ ip }) => [ip] },
    project: ({ type, ip, chassis_name: chassis }): EncapFact => ({ key: `${type}/${ip}`, ip, chassis }),
  }),
  southbound({
    facts: "gatewayPorts",
    table: "Port_Binding",
    columns: ["logical_port", "chassis"],
    whereAny: [
      ["type", "==", "chassisredirect"],
      ["type", "==", "external"],
    ],
    indexes: {},
    project: ({ logical_port: key, chassis }): GatewayPortFact => ({ key, ...(chassis !== undefined && { chassis }) }),
  }),
  southbound({
    facts: "serviceMonitors",
    table: "Service_Monitor",
    columns: ["ip", "protocol", "port", "logical_port", "status"],
    indexes: {},
    project: ({ ip, protocol = "tcp", port, logical_port: logicalPort, status }): ServiceMonitorFact => {
      return {
        key: `${logicalPort}/${ip}/${protocol}/${port}`,
        logicalPort,
        ip,
        protocol,
        port,
        status: status ?? "unknown",
      };
    },
  }),
];

/** The fact of a port of a pod or a node with its valid addresses; none for other ports. */
function projectPort(
  row: MirrorRow<Pick<OvnNbTables["Logical_Switch_Port"], "name" | "addresses" | "external_ids">>,
): PortFact | undefined {
  const { name, addresses, external_ids } = row;
  const unit = external_ids[OWNER_KEY];
  const [mac, ...ips] = (addresses.find((entry) => entry !== "unknown") ?? "").split(" ");
  const subnet = external_ids["ls"];
  if (!isOfPodOrNode(external_ids) || subnet === undefined || mac === undefined) return undefined;
  const { v4, v6 } = parseDualIp(ips.join(",")) ?? {};
  const made = unit === undefined ? {} : { uuid: row._uuid };
  return { key: name, name, subnet, mac, v4: v4?.text ?? "", v6: v6?.text ?? "", ...made };
}

function isOfPodOrNode(ids: Readonly<Record<string, string>>): boolean {
  return ids["pod"] !== undefined || ids[OWNER_KEY]?.startsWith("node:") === true;
}
