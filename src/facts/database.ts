// SPDX-License-Identifier: Apache-2.0

/**
 * The facts that come from rows of OVN's databases, as `src/kinds/database.ts` declares. Each is as narrow as what is read of it:
 * what only counts or stamps the time (`nb_cfg`, `nb_cfg_timestamp`) is not even mirrored.
 */

/** The port of a pod's interface or of a node, by the name of its Logical_Switch_Port in the northbound database. */
export interface PortFact {
  readonly key: string;
  readonly name: string;
  /** The subnet that it was made for (`external_ids:ls`). */
  readonly subnet: string;
  readonly mac: string;
  /** "" for none. */
  readonly v4: string;
  /** "" for none. */
  readonly v6: string;
  /** Its row, where Weft made it. */
  readonly uuid?: string;
}

/**
 * That no chassis has bound the port of a pod or a node (ovn-nb(5), Logical_Switch_Port `up`), by its name. Apart from {@link PortFact}: every port
 * comes up once, which is of no concern to whoever asks for its addresses.
 */
export interface DownPortFact {
  readonly key: string;
}

/** A BFD session that a row of the northbound database asks for, by `<logical port>/<address>`. */
export interface BfdSessionFact {
  readonly key: string;
  /** The row's. */
  readonly uuid: string;
  /** Port of a router that it starts from. */
  readonly port: string;
  /** The address at its other end. */
  readonly address: string;
  /** `unknown` until northd has said it. */
  readonly status: "down" | "init" | "up" | "admin_down" | "unknown";
}

/** A host that runs ovn-controller, by the `_uuid` of its Chassis in the southbound database, to which other rows refer. */
export interface ChassisFact {
  readonly key: string;
  /** `external_ids:system-id` of the host's Open_vSwitch. */
  readonly name: string;
  /** The node's name: `external_ids:hostname`. */
  readonly host: string;
  /** A chassis of another availability zone, which ovn-ic made here (ovn-sb(5), `other_config:is-remote`). */
  readonly remote: boolean;
}

/** An address at which tunnels to a chassis end, by `<type>/<address>`: the southbound database takes one row for each. */
export interface EncapFact {
  readonly key: string;
  readonly ip: string;
  /** Name of the chassis. */
  readonly chassis: string;
}

/** A port that one chassis of several carries, by its name in the southbound database: a router's (`chassisredirect`), `cr-<port>`, or a switch's (`external`). */
export interface GatewayPortFact {
  readonly key: string;
  /** Key of the {@link ChassisFact} that carries it now; absent where none does. */
  readonly chassis?: string;
}

/** A backend of a load balancer that OVN checks, by `<logical port>/<address>/<protocol>/<port>` (ovn-sb(5), Service_Monitor). */
export interface ServiceMonitorFact {
  readonly key: string;
  readonly logicalPort: string;
  readonly ip: string;
  readonly protocol: string;
  readonly port: number;
  /** `unknown` until its chassis has said it. */
  readonly status: "online" | "offline" | "error" | "unknown";
}

/** What has been wrong for a while with the chassis that a node says it is; derived by `src/controller/status/chassis-watch.ts`. Key: the node. */
export interface ChassisProblemFact {
  readonly key: string;
  readonly reason: "ChassisMissing" | "ChassisConflict";
  /** A sentence that says what to do. */
  readonly message: string;
}
