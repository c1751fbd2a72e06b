// SPDX-License-Identifier: Apache-2.0

import type { Settings } from "../../src/controller/settings.ts";
import type { RandomFaultKind } from "./random-faults.ts";

/** The requests of pods: annotations without the prefix `ovn.kubernetes.io/`; those with a slash are complete. */
export type Wishes = Readonly<Record<string, string>>;

/** The type of a network: interfaces on OVN, another plugin's with addresses from here, not Weft's, or unreadable. */
export type NetworkWant = "ovn" | "ipam" | "other" | "invalid";

/**
 * How a live migration ends: in which order its phase and the end of the source become known, or with a failure.
 * Absent: no migration is reported.
 */
export type MigrationEnd = "moved" | "source-first" | "failed";

/** Actions of a user, an administrator or their programs. */
export type UserAction =
  | {
      readonly do: "pod";
      readonly ns: string;
      readonly name: string;
      readonly labels?: Readonly<Record<string, string>>;
      readonly wishes?: Wishes;
      readonly host?: boolean;
    }
  | { readonly do: "delete-pod"; readonly ns: string; readonly name: string; readonly now?: boolean }
  | { readonly do: "end-pod"; readonly pick: number; readonly phase: "Succeeded" | "Failed" }
  /** Deletes this share of all pods at once. */
  | { readonly do: "kill-pods"; readonly share: number; readonly pick: number }
  /** Removes or damages annotations that the controller has written on a pod. */
  | { readonly do: "edit-pod"; readonly pick: number; readonly how: "clear" | "unset" | "spoil" }
  /** Creates the StatefulSet, or scales it. */
  | {
      readonly do: "set";
      readonly ns: string;
      readonly name: string;
      readonly replicas: number;
      readonly start?: number;
      readonly wishes?: Wishes;
    }
  /** `orphan`: its pods stay, without an owner until there is a StatefulSet of that name again. */
  | { readonly do: "delete-set"; readonly ns: string; readonly name: string; readonly orphan?: true }
  | {
      readonly do: "deployment";
      readonly ns: string;
      readonly name: string;
      readonly replicas: number;
      readonly wishes?: Wishes;
    }
  | { readonly do: "machine"; readonly ns: string; readonly name: string; readonly wishes?: Wishes }
  | { readonly do: "migrate-machine"; readonly ns: string; readonly name: string; readonly ends?: MigrationEnd }
  | { readonly do: "stop-machine"; readonly ns: string; readonly name: string }
  | { readonly do: "delete-machine"; readonly ns: string; readonly name: string }
  /** Creates a NetworkAttachmentDefinition of the namespace `default`, or changes its type. */
  | { readonly do: "network"; readonly name: string; readonly wants: NetworkWant }
  | { readonly do: "delete-network"; readonly name: string }
  /** Installs the CRD of these definitions, or deletes it with all of them. */
  | { readonly do: "network-type"; readonly served: boolean }
  /** Changes the networks of an existing pod. */
  | { readonly do: "edit-networks"; readonly pick: number; readonly networks: string }
  | { readonly do: "namespace"; readonly name: string; readonly labels: Readonly<Record<string, string>> }
  | { readonly do: "end-namespace"; readonly name: string }
  /** Creates the subnet, or merges into its spec. */
  | { readonly do: "subnet"; readonly name: string; readonly spec: Readonly<Record<string, unknown>> }
  | { readonly do: "pool"; readonly name: string; readonly spec: Readonly<Record<string, unknown>> }
  | { readonly do: "vip"; readonly name: string; readonly spec: Readonly<Record<string, unknown>> }
  | { readonly do: "vpc"; readonly name: string; readonly spec: Readonly<Record<string, unknown>> }
  /** A user's IP object: a reservation. */
  | { readonly do: "reserve"; readonly name: string; readonly spec: Readonly<Record<string, unknown>> }
  | { readonly do: "node"; readonly name: string; readonly address: string }
  | { readonly do: "delete-node"; readonly name: string }
  /** kubelet sets whether the node is Ready. */
  | { readonly do: "ready-node"; readonly name: string; readonly ready: boolean }
  | { readonly do: "delete"; readonly type: "subnets" | "vpcs" | "ippools" | "vips"; readonly name: string }
  /** Deletes an IP object; `force`: with its finalizers. */
  | { readonly do: "delete-ip"; readonly pick: number; readonly force: boolean }
  /** Edits what the controller has written into an IP object. */
  | { readonly do: "edit-ip"; readonly pick: number; readonly how: "label" | "node" | "owner" }
  /** Writes other counters into the status of a subnet. */
  | { readonly do: "edit-status"; readonly pick: number }
  /** Removes all finalizers of an object. */
  | { readonly do: "strip"; readonly type: "ips" | "subnets" | "ippools" | "vips" | "vpcs"; readonly pick: number };

/** Actions of tenants on their VPCs, besides those of all users; see `tenants.ts`. */
export type TenantAction =
  /** A pod in a subnet of a VPC, mostly with an address that pods of other VPCs have as well. */
  | {
      readonly do: "tenant-pod";
      readonly ns: string;
      readonly name: string;
      readonly labels: Readonly<Record<string, string>>;
      readonly wishes: Wishes;
    }
  /** Creates the object, or merges into its spec. */
  | {
      readonly do: "tenant-object";
      readonly type: "services" | "switch-lb-rules" | "networkpolicies";
      readonly ns?: string;
      readonly name: string;
      readonly spec: Readonly<Record<string, unknown>>;
    }
  | {
      readonly do: "tenant-delete";
      readonly type: "services" | "switch-lb-rules" | "networkpolicies";
      readonly ns?: string;
      readonly name: string;
    };

/** What happens to BFD sessions and to the routes that name them; see `bfd-sessions.ts`. */
export type BfdAction =
  /** An administrator creates a session from a VPC's BFD port. */
  | { readonly do: "bfd-session"; readonly vpc: string; readonly hop: string }
  /** The VPC's routes to one destination. `mistaken`: with any session, perhaps that of another next hop or VPC. */
  | {
      readonly do: "bfd-routes";
      readonly vpc: string;
      readonly routes: readonly { readonly hop: string; readonly pick: number; readonly mistaken: boolean }[];
    }
  /** northd has another status of a session. */
  | { readonly do: "bfd-status"; readonly pick: number; readonly status: "up" | "down" | "init" }
  | { readonly do: "bfd-destroy"; readonly pick: number };

/** The types of objects that have addresses in external networks, translate them, or describe the network. */
export type NatType =
  | "ovn-eips"
  | "ovn-fips"
  | "ovn-snat-rules"
  | "ovn-dnat-rules"
  | "router-lb-rules"
  | "services"
  | "configmaps"
  | "vlans";

/** Actions on external networks, besides those of all users; see `nat.ts`. */
export type NatAction =
  /** Creates the object, or replaces its spec. */
  | {
      readonly do: "nat-put";
      readonly type: NatType;
      readonly ns?: string;
      readonly name: string;
      readonly annotations?: Readonly<Record<string, string>>;
      readonly spec?: Readonly<Record<string, unknown>>;
      readonly data?: Readonly<Record<string, string>>;
    }
  | { readonly do: "nat-delete"; readonly type: NatType; readonly ns?: string; readonly name: string }
  /** A node reports its chassis, and may host routers' ports in external networks from now on, or not any more. */
  | { readonly do: "nat-node"; readonly name: string; readonly gateway: boolean }
  /** Another client deletes a row. */
  | {
      readonly do: "nat-lose-row";
      readonly table: "NAT" | "Load_Balancer" | "Logical_Router_Port";
      readonly pick: number;
    };

/** Actions of another client on the northbound database. */
export type DatabaseAction =
  | { readonly do: "nb-delete-port"; readonly pick: number }
  | { readonly do: "nb-edit-port"; readonly pick: number; readonly how: "addresses" | "owner" | "security" }
  | { readonly do: "nb-delete-group"; readonly pick: number }
  | { readonly do: "nb-leave-group"; readonly pick: number }
  | { readonly do: "nb-delete-switch"; readonly pick: number }
  | { readonly do: "nb-delete-router"; readonly pick: number }
  /** An administrator's port on a switch of Weft: it must not be changed. */
  | { readonly do: "nb-foreign-port"; readonly pick: number }
  | { readonly do: "nb-backup" }
  /** Stops the server, puts the last backup in place and starts it again. */
  | { readonly do: "nb-restore"; readonly down: number };

/**
 * Code throws for a while. `share`: the fraction of objects that are affected; `chance`: for these the fraction of calls that throw.
 * `pick` distinguishes periods.
 */
export interface ThrowAction {
  readonly do: "throw";
  readonly at: number;
  /** `read:<kind of unit>`, `compile:<kind of unit>`, `project:<plural>`, `index:<kind of fact>` or `derive:<what>`. */
  readonly site: string;
  readonly pick: number;
  readonly share: number;
  readonly chance?: number;
  readonly for: number;
}

/** A client writes unexpected input; see `hostile.ts`. `pick`: the object, and the input. */
export interface HostileAction {
  readonly do: "hostile";
  readonly at: number;
  readonly what: string;
  readonly pick: number;
}

/** Events of a node, its daemon and its Open vSwitch. `pick`: the node; `thing`: the object there. */
export type NodeAction =
  | { readonly do: "daemon-crash"; readonly pick: number; readonly down: number; readonly steps?: number }
  | { readonly do: "daemon-restart"; readonly pick: number; readonly down: number }
  /** `database`: its server ends together with ovs-vswitchd; its rows stay. */
  | { readonly do: "ovs-restart"; readonly pick: number; readonly down: number; readonly database: boolean }
  /** Another program removes or changes our objects. */
  | {
      readonly do: "node-change";
      readonly pick: number;
      readonly thing: number;
      readonly how: "route" | "address" | "down" | "ovn0" | "table" | "port" | "pair";
    }
  /** Another program creates its own object. */
  | {
      readonly do: "node-foreign";
      readonly pick: number;
      readonly thing: number;
      readonly what: "link" | "route" | "rule" | "table" | "port";
    }
  | { readonly do: "cni-gc"; readonly pick: number }
  /** The runtime loses a sandbox: it creates another one for the pod and sends no DEL. `namespace`: the old network namespace is deleted. */
  | { readonly do: "cni-forget"; readonly pick: number; readonly thing: number; readonly namespace: boolean }
  /** A user writes a value that OVN cannot parse into a subnet, or removes it. */
  | { readonly do: "subnet-mistake"; readonly pick: number; readonly thing: number; readonly mend: boolean };

/** Events of a node's machine with its ovn-controller, and of the southbound database; see `southbound.ts`. */
export type ChassisAction =
  /** It dies, permanently or for a time; then it is unchanged, has another tunnel address, or was reinstalled and is another chassis. */
  | {
      readonly do: "chassis-dead";
      readonly name: string;
      readonly for?: number;
      readonly back?: "same" | "elsewhere" | "reinstalled";
      readonly encap?: string;
    }
  /** It is started again, if it is dead. */
  | { readonly do: "chassis-start"; readonly name: string }
  /** The administrator deletes the chassis that conflict with a node. */
  | { readonly do: "chassis-delete"; readonly name: string };

/** The clock of a machine (a replica's, a node's, or `api`) is set forwards by `by` ms, or backwards if that is negative. `for`: until it is set right again; absent: never. */
export interface ClockAction {
  readonly do: "clock-jump";
  readonly machine: string;
  readonly by: number;
  readonly for?: number;
}

/** The nodes' daemons run; without them pods have networks as soon as they are annotated. */
interface DaemonsAction {
  readonly do: "daemons";
}

/** Faults that occur by themselves. */
export type FaultAction =
  | {
      readonly do: "random-faults";
      readonly kind: RandomFaultKind;
      readonly rate: number;
      readonly for: number;
      readonly replica?: string;
    }
  | { readonly do: "api-down"; readonly for: number }
  /** The API server forgets its history: disconnected clients must list everything again (410). */
  | { readonly do: "api-compact" }
  | {
      readonly do: "watch-end";
      readonly replica: string;
      readonly plural?: string;
      readonly code?: "unavailable" | "gone";
    }
  | { readonly do: "watch-stall"; readonly replica: string; readonly plural?: string }
  | { readonly do: "crash"; readonly replica: string; readonly down: number; readonly server: "at once" | "later" }
  | { readonly do: "crash-leader"; readonly down: number; readonly server: "at once" | "later" }
  /** The leader dies between any two of its steps: after this number of further answers, events or timers. */
  | { readonly do: "crash-within"; readonly steps: number; readonly down: number; readonly server: "at once" | "later" }
  | { readonly do: "restart"; readonly replica: string; readonly down: number }
  /** The process is stopped; `lose`: the database closes its connection meanwhile, and releases its lock. */
  | { readonly do: "pause"; readonly replica: string; readonly for: number; readonly lose: boolean }
  | { readonly do: "pause-leader"; readonly for: number; readonly lose: boolean }
  | { readonly do: "nb-cut"; readonly replica: string; readonly up: boolean; readonly down: boolean }
  | { readonly do: "nb-unreachable"; readonly replica: string; readonly for: number; readonly lose: boolean }
  | { readonly do: "nb-down"; readonly for: number; readonly forget: boolean }
  | { readonly do: "sb-down"; readonly for: number; readonly forget: boolean }
  | { readonly do: "nb-follower"; readonly for: number }
  /** Another client steals the leader's lock for a while. */
  | { readonly do: "nb-steal"; readonly for: number };

/** One action, `at` this time in ms after the beginning. */
export type Action = { readonly at: number } & (
  | UserAction
  | TenantAction
  | BfdAction
  | NatAction
  | DatabaseAction
  | FaultAction
  | ThrowAction
  | HostileAction
  | NodeAction
  | ChassisAction
  | ClockAction
  | DaemonsAction
);

/** The names of all actions. */
export type ActionName = Action["do"];

/** A whole run as plain data: it can be printed, shortened and run again. */
export interface Script {
  /** Seed of all random choices that are not in the actions: delays, and which requests faults hit. */
  readonly seed: string;
  readonly replicas: number;
  readonly cidrs: Pick<Settings, "defaultCidr" | "nodeSwitchCidr">;
  /** Sorted by time. */
  readonly actions: readonly Action[];
  /** When the faults end. */
  readonly length: number;
}
