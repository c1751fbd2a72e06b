// SPDX-License-Identifier: Apache-2.0

/**
 * The facts that come from rows of OVN's databases, as `src/kinds/database.ts` declares. Each has only the columns that are read: counters and
 * timestamps (`nb_cfg`, `nb_cfg_timestamp`) are not mirrored.
 */

/** The port of a pod's interface or of a node, by the name of its Logical_Switch_Port in the northbound database. */
export interface PortFact {
  readonly key: string;
  readonly name: string;
  /** Its subnet (`external_ids:ls`). */
  readonly subnet: string;
  readonly mac: string;
  /** "" for none. */
  readonly v4: string;
  /** "" for none. */
  readonly v6: string;
  /** Its row, if Weft created it. */
  readonly uuid?: string;
}

/**
 * The port of a pod or node, by name, that no chassis has bound (ovn-nb(5), Logical_Switch_Port `up`). Separate from {@link PortFact}, because
 * readers of a port's addresses must not be triggered when it comes up.
 */
export interface DownPortFact {
  readonly key: string;
}

/** A BFD session of the northbound database, by `<logical port>/<address>`. */
export interface BfdSessionFact {
  readonly key: string;
  /** The row's. */
  readonly uuid: string;
  /** The router port at its local end. */
  readonly port: string;
  /** The address at its other end. */
  readonly address: string;
  /** `unknown` until northd has set it. */
  readonly status: "down" | "init" | "up" | "admin_down" | "unknown";
  /** Whether another client created it. */
  readonly foreign: boolean;
}

/** A host that runs ovn-controller, by the `_uuid` of its Chassis in the southbound database. */
export interface ChassisFact {
  readonly key: string;
  /** `external_ids:system-id` of the host's Open_vSwitch. */
  readonly name: string;
  /** The node's name: `external_ids:hostname`. */
  readonly host: string;
  /** A chassis of another availability zone, created by ovn-ic (ovn-sb(5), `other_config:is-remote`). */
  readonly remote: boolean;
}

/** An address at which tunnels to a chassis end, by `<type>/<address>`: the southbound database allows one row for each. */
export interface EncapFact {
  readonly key: string;
  readonly ip: string;
  /** Name of the chassis. */
  readonly chassis: string;
}

/**
 * A port that is bound to one of several chassis, by its name in the southbound database: a router's (`chassisredirect`), `cr-<port>`, or a switch's
 * (`external`).
 */
export interface GatewayPortFact {
  readonly key: string;
  /** Key of the {@link ChassisFact} that it is bound to; absent if there is none. */
  readonly chassis?: string;
}

/** A load balancer backend with a health check, by `<logical port>/<address>/<protocol>/<port>` (ovn-sb(5), Service_Monitor). */
export interface ServiceMonitorFact {
  readonly key: string;
  readonly logicalPort: string;
  readonly ip: string;
  readonly protocol: string;
  readonly port: number;
  /** `unknown` until its chassis has set it. */
  readonly status: "online" | "offline" | "error" | "unknown";
}

/** A lasting problem with the chassis that a node reports; derived by `src/controller/status/chassis-watch.ts`. Key: the node. */
export interface ChassisProblemFact {
  readonly key: string;
  readonly reason: "ChassisMissing" | "ChassisConflict";
  /** A message with the required action. */
  readonly message: string;
}
