// SPDX-License-Identifier: Apache-2.0

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { run } from "../host/run.ts";
import type { Lab } from "../lab/lab.ts";
import { spaceEnvironment } from "../lab/space.ts";
import { FABRIC, linksOf, OUTSIDE, PREFIX } from "../lab/topology.ts";
import type { ContainerEndpoint, Host, HostNetwork, HostNode, NetworkRange } from "./host.ts";
import { asKernelDatapath, showsAddresses } from "./kernel-view.ts";
import { followUserspacePorts } from "./userspace-ports.ts";

/** What the names of devices in the fabric begin with: `docker0` is a network's bridge, `docker-p1` an interface's other end. */
const MARK = "docker";
/** kind's name of the network that its nodes are in. */
const NODE_NETWORK = "kind";

/**
 * Opens the lab as a {@link Host}: its nodes are containers, a network is a bridge in the fabric on which the lab's outside host has the gateway's addresses, a created
 * container is a network namespace with the programs of this machine, whatever its image. Remains of an earlier process are removed first.
 */
export async function openLabHost(lab: Lab): Promise<Host> {
  const host = new LabHost(lab);
  await host.removeLinks();
  return host;
}

/** Where an interface is: the pid of a process in the network namespace, and how commands are run there. */
interface Place {
  readonly pid: number;
  readonly command: (command: readonly string[]) => readonly string[];
}

class LabHost implements Host {
  readonly network: HostNetwork;
  readonly nodes: readonly HostNode[];
  readonly #lab: Lab;
  readonly #switches: ReadonlyMap<string, ReturnType<typeof followUserspacePorts>>;
  /** Created containers: the processes that hold their namespaces. */
  readonly #holders = new Map<string, ChildProcess>();

  constructor(lab: Lab) {
    this.#lab = lab;
    this.network = { name: NODE_NETWORK, subnets: nodeSubnets() };
    this.nodes = lab.nodes.map(nodeOf);
    this.#switches = new Map(lab.nodes.map((node) => [node, followUserspacePorts(lab.node(node).root)]));
  }

  async createNetwork(key: string, subnets: readonly NetworkRange[]): Promise<void> {
    const bridge = `${MARK}${key}`;
    await this.#ip("link", "add", bridge, "type", "bridge", "mcast_snooping", "0");
    await this.#ip("link", "set", bridge, "up");
    const addresses = subnets.map(({ cidr, gateway }) => `${gateway}/${cidr.split("/")[1]}`);
    await this.#wire(bridge, `${bridge}-gw`, this.#place(OUTSIDE), { device: bridge, addresses });
  }

  async removeNetwork(key: string): Promise<void> {
    await this.#ip("link", "delete", `${MARK}${key}-gw`);
    await this.#ip("link", "delete", `${MARK}${key}`);
  }

  async startContainer(name: string): Promise<void> {
    const command = ["unshare", "--net", "sh", "-c", "ip link set lo up && echo && exec sleep infinity"];
    const [program = "", ...args] = this.#lab.node(FABRIC).command(command);
    const env = spaceEnvironment(this.#lab.paths, FABRIC);
    const holder = spawn(program, args, { stdio: ["ignore", "pipe", "ignore"], env });
    await Promise.race([
      once(holder.stdout, "data"),
      once(holder, "exit").then(() => Promise.reject(new Error(`cannot create a network namespace for ${name}`))),
    ]);
    this.#holders.set(name, holder);
  }

  async removeContainer(name: string): Promise<void> {
    const holder = this.#holders.get(name);
    this.#holders.delete(name);
    if (holder === undefined || holder.exitCode !== null || holder.signalCode !== null) return;
    const ended = once(holder, "exit");
    holder.kill("SIGKILL");
    await ended;
  }

  async connect(
    key: string,
    port: string,
    container: string,
    { device, mac, v4, v6 }: ContainerEndpoint,
  ): Promise<void> {
    const addresses = [v4, v6].flatMap((one) => (one === undefined ? [] : [`${one.ip}/${one.prefix}`]));
    await this.#wire(`${MARK}${key}`, `${MARK}-p${port}`, this.#place(container), { device, mac, addresses });
  }

  async disconnect(port: string): Promise<void> {
    await this.#ip("link", "delete", `${MARK}-p${port}`);
  }

  exec(container: string, command: readonly string[], env: Readonly<Record<string, string>>): ChildProcess {
    const [program = "", ...args] = this.#place(container).command(command);
    const space = this.#holders.has(container) ? FABRIC : container;
    return spawn(program, args, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...spaceEnvironment(this.#lab.paths, space), ...env },
    });
  }

  async shown(container: string, command: readonly string[], output: string): Promise<string> {
    const node = this.#switches.get(container);
    return node !== undefined && showsAddresses(command) ? asKernelDatapath(output, await node.ports()) : output;
  }

  async close(): Promise<void> {
    await this.removeLinks();
    for (const name of [...this.#holders.keys()]) await this.removeContainer(name);
    for (const { close } of this.#switches.values()) await close();
  }

  /** Removes all bridges and links of the API; an interface goes with its other end. */
  async removeLinks(): Promise<void> {
    const { stdout } = await this.#ip("-oneline", "link", "show");
    const names = [...stdout.matchAll(new RegExp(`^\\d+: (${MARK}[^:@]*)[:@]`, "gm"))].map(([, name = ""]) => name);
    for (const name of names) await this.#ip("link", "delete", name);
  }

  /** A veth from a bridge of the fabric into a namespace. Frames have their checksums: no device completes them on the way to a userspace datapath. */
  async #wire(
    bridge: string,
    port: string,
    { pid, command }: Place,
    {
      device,
      mac,
      addresses,
    }: { readonly device: string; readonly mac?: string; readonly addresses: readonly string[] },
  ): Promise<void> {
    const peer = ["name", device, ...(mac === undefined ? [] : ["address", mac]), "netns", String(pid)];
    await this.#ip("link", "add", port, "type", "veth", "peer", ...peer);
    const inside = async (...words: readonly string[]): Promise<void> => {
      const [program = "", ...args] = command(words);
      await run(program, args);
    };
    try {
      await this.#ip("link", "set", port, "master", bridge, "up");
      await this.#lab.node(FABRIC).exec(["ethtool", "-K", port, "tx", "off"]);
      await inside("ethtool", "-K", device, "tx", "off");
      for (const address of addresses)
        await inside("ip", "address", "add", address, "dev", device, ...(address.includes(":") ? ["nodad"] : []));
      await inside("ip", "link", "set", device, "up");
    } catch (error) {
      await this.#ip("link", "delete", port);
      throw error;
    }
  }

  #place(container: string): Place {
    const holder = this.#holders.get(container)?.pid;
    if (holder === undefined) return this.#lab.node(container);
    const fabric = this.#lab.node(FABRIC);
    return {
      pid: holder,
      command: (words) => fabric.command(["nsenter", `--target=${holder}`, "--net", "--", ...words]),
    };
  }

  #ip(...args: readonly string[]) {
    return this.#lab.node(FABRIC).exec(["ip", ...args]);
  }
}

function nodeOf(name: string, index: number): HostNode {
  const [link] = linksOf(name);
  if (link === undefined) throw new RangeError(`${name} has no interfaces`);
  return {
    name,
    role: index === 0 ? "control-plane" : "worker",
    endpoint: {
      id: "",
      device: link.name,
      mac: link.mac,
      v4: { ip: link.address.v4, prefix: PREFIX.v4 },
      v6: { ip: link.address.v6, prefix: PREFIX.v6 },
    },
  };
}

/** The ranges of the nodes' network; its gateway is the outside host. */
function nodeSubnets(): readonly NetworkRange[] {
  const [link] = linksOf(OUTSIDE);
  if (link === undefined) throw new RangeError("the outside host has no interfaces");
  const { v4, v6 } = link.address;
  return [
    { cidr: `${v4.replace(/\d+$/, "0")}/${PREFIX.v4}`, gateway: v4 },
    { cidr: `${v6.replace(/\w+$/, "")}/${PREFIX.v6}`, gateway: v6 },
  ];
}
