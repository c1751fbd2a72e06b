// SPDX-License-Identifier: Apache-2.0

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { processCpuMs } from "./process-cpu.ts";
import { type OvnServers, program } from "./topology-servers.ts";

/** CPU that a node's programs have used, ms. */
export interface NodeCpu {
  readonly controllerMs: number;
  readonly vswitchdMs: number;
}

/**
 * One node of the cluster, as processes without privileges: an ovsdb-server, an ovs-vswitchd whose datapath and interfaces are dummies (no packet passes), and
 * an ovn-controller with the settings of the chart. The other nodes are rows of the southbound database: a chassis, to which their ports are bound.
 */
export class BenchNode {
  readonly #vswitchd: ChildProcess;
  readonly #controller: ChildProcess;

  private constructor(vswitchd: ChildProcess, controller: ChildProcess) {
    this.#vswitchd = vswitchd;
    this.#controller = controller;
  }

  /** Starts it as the chassis `name`. `ports` are bound here, `elsewhere` on other chassis. Resolves when ovn-controller has done everything. */
  static async start(
    servers: OvnServers,
    name: string,
    ports: readonly string[],
    elsewhere: ReadonlyMap<string, readonly string[]>,
    say: (text: string) => void,
  ): Promise<BenchNode> {
    say("chassis of the other nodes");
    await servers.addChassis(elsewhere);
    const local = await servers.openVswitch();
    const socket = (file: string): string => join(servers.path, file);
    const daemon = (path: string, ...args: readonly string[]): ChildProcess => {
      const [loader, ...first] = program(path);
      const quiet = [
        `--unixctl=${socket(`${path.split("/").at(-1)}.ctl`)}`,
        "-vconsole:off",
        "-vsyslog:off",
        "-vfile:off",
      ];
      return spawn(loader, [...first, ...args, ...quiet], { stdio: "ignore", env: servers.environment });
    };
    const dummies = ["--enable-dummy=override", "--disable-system"];
    // Debian's link in usr/sbin points out of the root file system.
    const vswitchd = daemon("usr/lib/openvswitch-switch/ovs-vswitchd", local, ...dummies);
    const settings = {
      ...{ "system-id": name, "ovn-remote": servers.southbound.remote, "ovn-monitor-all": true },
      ...{ "ovn-encap-type": "geneve", "ovn-encap-ip": "198.18.255.1" },
    };
    const ids = Object.entries(settings).map(([key, value]) => `external_ids:${key}="${value}"`);
    await servers.vsctl([
      ["set", "open", ".", ...ids],
      ["add-br", "br-int"],
      ["set", "bridge", "br-int", "datapath_type=dummy", "fail-mode=secure"],
    ]);
    await servers.vsctl(
      ports.flatMap((port, i) => [
        ["add-port", "br-int", `p${i}`],
        ["set", "interface", `p${i}`, "type=dummy", `external_ids:iface-id=${port}`],
      ]),
    );
    say("ovn-controller starts");
    const controller = daemon("usr/bin/ovn-controller", local);
    const node = new BenchNode(vswitchd, controller);
    await servers.chassisAppears(name);
    await servers.synced("hv");
    return node;
  }

  cpu(): NodeCpu {
    return { controllerMs: processCpuMs(this.#controller.pid), vswitchdMs: processCpuMs(this.#vswitchd.pid) };
  }

  async stop(): Promise<void> {
    for (const child of [this.#controller, this.#vswitchd]) {
      const gone = once(child, "exit");
      child.kill("SIGKILL");
      await gone;
    }
  }
}
