// SPDX-License-Identifier: Apache-2.0

import { createHash } from "node:crypto";
import { AddressPool } from "./address-pool.ts";
import { EngineError } from "./error.ts";
import type { ContainerEndpoint, Host, NetworkRange } from "./host.ts";

/** A network as clients see it. */
export interface DockerNetwork {
  readonly id: string;
  readonly name: string;
  readonly subnets: readonly NetworkRange[];
}

/** A node or a created container, with its interfaces by the networks' names. */
export interface DockerContainer {
  readonly id: string;
  readonly name: string;
  readonly image: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly command: readonly string[];
  readonly endpoints: ReadonlyMap<string, ContainerEndpoint>;
  readonly running: boolean;
}

/** What a created network is made of: `undefined` for the nodes' own. */
interface OwnNetwork extends DockerNetwork {
  readonly key: string | undefined;
  readonly pool: AddressPool | undefined;
}

interface OwnContainer extends DockerContainer {
  readonly endpoints: Map<string, ContainerEndpoint>;
  readonly ports: Map<string, string>;
  readonly isNode: boolean;
  running: boolean;
  /** The network in which it gets its first interface. */
  readonly initial: OwnNetwork | undefined;
}

/** Which containers a list has: those with all of these labels (`key` or `key=value`). */
export type LabelFilter = readonly string[];

/** The networks and containers of the API, and what becomes of them on a {@link Host}. Names and ids (also their beginnings, from 12 digits on) identify both. */
export class DockerEngine {
  readonly host: Host;
  readonly #networks = new Map<string, OwnNetwork>();
  readonly #containers = new Map<string, OwnContainer>();
  #made = 0;

  /** `cluster`: the name of kind's cluster that the nodes are labelled with. */
  constructor(host: Host, cluster: string) {
    this.host = host;
    const { name, subnets } = host.network;
    const network: OwnNetwork = { id: idOf(`network ${name}`), name, subnets, key: undefined, pool: undefined };
    this.#networks.set(network.id, network);
    for (const node of host.nodes) {
      const id = idOf(`container ${node.name}`);
      this.#containers.set(id, {
        id,
        name: node.name,
        image: "kindest/node",
        labels: { "io.x-k8s.kind.cluster": cluster, "io.x-k8s.kind.role": node.role },
        command: ["/sbin/init"],
        endpoints: new Map([[name, node.endpoint]]),
        ports: new Map(),
        isNode: true,
        running: true,
        initial: undefined,
      });
    }
  }

  networks(): readonly DockerNetwork[] {
    return [...this.#networks.values()];
  }

  network(name: string): DockerNetwork {
    return this.#network(name);
  }

  containers(labels: LabelFilter = []): readonly DockerContainer[] {
    return [...this.#containers.values()].filter((container) =>
      labels.every((label) => {
        const [key = "", value] = label.split(/=(.*)/s);
        return key in container.labels && (value === undefined || container.labels[key] === value);
      }),
    );
  }

  container(name: string): DockerContainer {
    return this.#container(name);
  }

  /** The containers of a network, with their interfaces in it. */
  members(
    network: DockerNetwork,
  ): readonly { readonly container: DockerContainer; readonly endpoint: ContainerEndpoint }[] {
    return this.containers().flatMap((container) => {
      const endpoint = container.endpoints.get(network.name);
      return endpoint === undefined ? [] : [{ container, endpoint }];
    });
  }

  async createNetwork(name: string, v6: string | undefined): Promise<DockerNetwork> {
    if ([...this.#networks.values()].some((network) => network.name === name))
      throw new EngineError("conflict", `network with name ${name} already exists`);
    const key = String(this.#made++);
    // The subnets of removed networks are not used again: a client or node may still have routes to them.
    const pool = new AddressPool(Number(key), v6);
    const network = { id: idOf(`network ${key} ${name}`), name, subnets: pool.subnets, key, pool };
    await this.host.createNetwork(key, pool.subnets);
    this.#networks.set(network.id, network);
    return network;
  }

  async removeNetwork(name: string): Promise<void> {
    const network = this.#created(name);
    if (this.members(network).length > 0)
      throw new EngineError("conflict", `network ${network.name} has active endpoints`);
    await this.host.removeNetwork(network.key);
    this.#networks.delete(network.id);
  }

  async connect(networkName: string, containerName: string): Promise<void> {
    await this.#connect(this.#created(networkName), this.#container(containerName));
  }

  async disconnect(networkName: string, containerName: string): Promise<void> {
    await this.#disconnect(this.#created(networkName), this.#container(containerName));
  }

  createContainer(
    name: string,
    image: string,
    command: readonly string[],
    networkName: string | undefined,
  ): DockerContainer {
    if ([...this.#containers.values()].some((container) => container.name === name))
      throw new EngineError("conflict", `The container name "/${name}" is already in use`);
    const container: OwnContainer = {
      id: idOf(`container ${this.#made++} ${name}`),
      name,
      image,
      labels: {},
      command,
      endpoints: new Map(),
      ports: new Map(),
      isNode: false,
      running: false,
      initial: networkName === undefined ? undefined : this.#created(networkName),
    };
    this.#containers.set(container.id, container);
    return container;
  }

  async startContainer(name: string): Promise<void> {
    const container = this.#container(name);
    if (container.running) return;
    await this.host.startContainer(container.name);
    container.running = true;
    if (container.initial !== undefined) await this.#connect(container.initial, container);
  }

  async removeContainer(name: string): Promise<void> {
    const container = this.#container(name);
    if (container.isNode)
      throw new EngineError("not-supported", `${container.name} is a node, which cannot be removed`);
    for (const network of [...this.#networks.values()])
      if (container.endpoints.has(network.name)) await this.#disconnect(network, container);
    if (container.running) await this.host.removeContainer(container.name);
    this.#containers.delete(container.id);
  }

  async #connect({ name, key, pool }: OwnNetwork, container: OwnContainer): Promise<void> {
    if (key === undefined || pool === undefined) throw new EngineError("not-supported", `nodes are in ${name} already`);
    if (container.endpoints.has(name))
      throw new EngineError("conflict", `endpoint with name ${container.name} already exists in network ${name}`);
    const port = String(this.#made++);
    const used = new Set([...container.endpoints.values()].map(({ device }) => device));
    // eth1 of a node carries its tunnels.
    let number = container.isNode ? 2 : 0;
    while (used.has(`eth${number}`)) number += 1;
    const endpoint: ContainerEndpoint = { id: idOf(`endpoint ${port}`), device: `eth${number}`, ...pool.take() };
    try {
      await this.host.connect(key, port, container.name, endpoint);
    } catch (error) {
      pool.release(endpoint.v4.ip);
      throw error;
    }
    container.endpoints.set(name, endpoint);
    container.ports.set(name, port);
  }

  async #disconnect({ name, pool }: OwnNetwork, container: OwnContainer): Promise<void> {
    const [endpoint, port] = [container.endpoints.get(name), container.ports.get(name)];
    if (endpoint === undefined || port === undefined)
      throw new EngineError("conflict", `container ${container.name} is not connected to network ${name}`);
    await this.host.disconnect(port);
    container.endpoints.delete(name);
    container.ports.delete(name);
    pool?.release(endpoint.v4.ip);
  }

  #created(name: string): OwnNetwork & { readonly key: string } {
    const network = this.#network(name);
    const { key } = network;
    if (key === undefined)
      throw new EngineError("not-supported", `the nodes' own network ${network.name} cannot be changed`);
    return { ...network, key };
  }

  #network(name: string): OwnNetwork {
    return named(this.#networks, name) ?? fail(`network ${name} not found`);
  }

  #container(name: string): OwnContainer {
    return named(this.#containers, name.replace(/^\//, "")) ?? fail(`No such container: ${name}`);
  }
}

function named<T extends { readonly name: string }>(all: ReadonlyMap<string, T>, name: string): T | undefined {
  const values = [...all.values()];
  const isBeginning = /^[0-9a-f]{12,}$/.test(name);
  return (
    all.get(name) ??
    values.find((value) => value.name === name) ??
    (isBeginning ? [...all].find(([id]) => id.startsWith(name))?.[1] : undefined)
  );
}

function fail(message: string): never {
  throw new EngineError("not-found", message);
}

/** 64 hexadecimal digits, as Docker's ids. */
function idOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
