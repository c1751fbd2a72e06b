// SPDX-License-Identifier: Apache-2.0

import type { ChildProcess } from "node:child_process";

/** An address with the prefix length of its network. */
export interface ContainerAddress {
  readonly ip: string;
  readonly prefix: number;
}

/** The interface of a container in a network. */
export interface ContainerEndpoint {
  readonly id: string;
  /** In the container. */
  readonly device: string;
  readonly mac: string;
  readonly v4: ContainerAddress;
  readonly v6?: ContainerAddress | undefined;
}

/** A machine that exists without the API's doing: a node of the cluster. */
export interface HostNode {
  readonly name: string;
  /** As kind labels its containers. */
  readonly role: "control-plane" | "worker";
  /** Its interface in the network that all nodes are in. */
  readonly endpoint: ContainerEndpoint;
}

/** The network that all nodes are in from the beginning. */
export interface HostNetwork {
  readonly name: string;
  readonly subnets: readonly NetworkRange[];
}

/** A range of a network and the address in it that is outside the cluster. */
export interface NetworkRange {
  /** With prefix length. */
  readonly cidr: string;
  readonly gateway: string;
}

/** What the API's networks and containers are made of. `key` is a short name that is unique in the engine: `0`, `1` …. */
export interface Host {
  readonly network: HostNetwork;
  readonly nodes: readonly HostNode[];
  /** Makes a switch on which a host outside the cluster has the gateways' addresses. */
  createNetwork(key: string, subnets: readonly NetworkRange[]): Promise<void>;
  removeNetwork(key: string): Promise<void>;
  /** Starts an empty container: a network namespace with this machine's programs. */
  startContainer(name: string): Promise<void>;
  removeContainer(name: string): Promise<void>;
  /** Gives a node or container an interface in a network; `port`: unique in the engine. */
  connect(key: string, port: string, container: string, endpoint: ContainerEndpoint): Promise<void>;
  disconnect(port: string): Promise<void>;
  /** Starts a command; both outputs are pipes. */
  exec(container: string, command: readonly string[], env: Readonly<Record<string, string>>): ChildProcess;
  /** What a client is shown of a command's output. */
  shown?(container: string, command: readonly string[], output: string): Promise<string>;
  /** Removes all that was made. */
  close(): Promise<void>;
}
