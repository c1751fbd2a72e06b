// SPDX-License-Identifier: Apache-2.0

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { OVN_SB } from "../../src/ovsdb/generated/ovn-sb.ts";
import type { Json } from "../../src/ovsdb/json.ts";
import { openOvsdb } from "../../src/ovsdb/open.ts";
import type { Operation } from "../../src/ovsdb/operation.ts";
import { cachedRoot, findOvsTools, programsOf } from "../../src/ovsdb/testing/ovs-tools.ts";
import { TestFolder, type TestServer } from "../../src/ovsdb/testing/server.ts";
import { processCpuMs } from "./process-cpu.ts";

const run = promisify(execFile);

/** The root file system of the image, in which the programs of OVN are. */
const ROOT = cachedRoot();

/** OVN's two databases and northd, as processes without privileges, in a folder of their own. */
export class OvnServers {
  readonly northbound: TestServer;
  readonly southbound: TestServer;
  readonly #folder: TestFolder;
  readonly #northd: ChildProcess;
  #conf = "";

  private constructor(folder: TestFolder, northbound: TestServer, southbound: TestServer, northd: ChildProcess) {
    this.#folder = folder;
    this.northbound = northbound;
    this.southbound = southbound;
    this.#northd = northd;
  }

  /** Starts them with empty databases. Throws where the image's root file system has not been made yet. */
  static async start(): Promise<OvnServers> {
    const schema = (name: string): string => join(ROOT, "usr/share/ovn", name);
    if (!existsSync(schema("ovn-nb.ovsschema")))
      throw new Error(`no OVN in ${ROOT}: run "npm run lab -- up" once, which makes it`);
    const tools = findOvsTools();
    if (typeof tools === "string") throw new Error(tools);
    const folder = await TestFolder.make(tools);
    const northbound = await folder.ofSchemaFile("nb", schema("ovn-nb.ovsschema"));
    const southbound = await folder.ofSchemaFile("sb", schema("ovn-sb.ovsschema"));
    const [loader, ...first] = program("usr/bin/ovn-northd");
    const northd = spawn(
      loader,
      [
        ...first,
        ...[`--ovnnb-db=${northbound.remote}`, `--ovnsb-db=${southbound.remote}`],
        ...[`--unixctl=${join(folder.path, "northd.ctl")}`, "-vconsole:off", "-vsyslog:off", "-vfile:off"],
      ],
      { stdio: "ignore", env: environment(folder) },
    );
    return new OvnServers(folder, northbound, southbound, northd);
  }

  /** Returns when northd, and with `hv` each ovn-controller, has done what the northbound database says now. */
  async synced(wait: "sb" | "hv" = "sb"): Promise<void> {
    await this.#run("usr/bin/ovn-nbctl", [`--db=${this.northbound.remote}`, `--wait=${wait}`, "sync"]);
  }

  /** Resolves when an ovn-controller has registered as that chassis. */
  async chassisAppears(name: string): Promise<void> {
    const wait = ["wait-until", "Chassis_Private", name];
    await this.#run("usr/bin/ovn-sbctl", [`--db=${this.southbound.remote}`, ...wait]);
  }

  /** Adds chassis of nodes that do not run, with the ports that are bound to them (ovn-sbctl would look for each port in all of them). */
  async addChassis(ports: ReadonlyMap<string, readonly string[]>): Promise<void> {
    const client = openOvsdb({ remotes: [this.southbound.remote], database: OVN_SB.name, maxMessageBytes: 2 ** 30 });
    await client.whenConnected();
    const columns = ["_uuid", "logical_port"];
    const [bindings] = await client.transact(OVN_SB.name, [
      { op: "select", table: "Port_Binding", where: [], columns },
    ]);
    const rows = new Map((bindings?.rows ?? []).map((row) => [row["logical_port"], row["_uuid"] as Json]));
    const operations = [...ports].flatMap(([name, bound], i): readonly Operation[] => {
      const ip = `198.18.${i >> 8}.${i & 255}`;
      const [encap, chassis] = [randomUUID(), randomUUID()];
      const row = { name, encaps: ["uuid", encap] };
      return [
        { op: "insert", table: "Encap", uuid: encap, row: { type: "geneve", ip, chassis_name: name } },
        { op: "insert", table: "Chassis", uuid: chassis, row },
        ...bound.flatMap((port): readonly Operation[] => {
          const uuid = rows.get(port);
          if (uuid === undefined) throw new Error(`no port ${port} in the southbound database`);
          return [
            {
              op: "update",
              table: "Port_Binding",
              where: [["_uuid", "==", uuid]],
              row: { chassis: ["uuid", chassis] },
            },
          ];
        }),
      ];
    });
    await client.transact(OVN_SB.name, operations, { timeoutMs: 600_000 });
    await client.close();
  }

  /** Starts the database of a node's Open vSwitch; returns how it is reached. */
  async openVswitch(): Promise<string> {
    const schema = join(ROOT, "usr/share/openvswitch/vswitch.ovsschema");
    const { remote } = await this.#folder.ofSchemaFile("conf", schema);
    this.#conf = remote;
    await this.#run("usr/bin/ovs-vsctl", [`--db=${remote}`, "--no-wait", "init"]);
    return remote;
  }

  /** Runs commands of ovs-vsctl, each a list of words, in one transaction. */
  async vsctl(commands: readonly (readonly string[])[]): Promise<void> {
    await this.#run("usr/bin/ovs-vsctl", [`--db=${this.#conf}`, ...joined(commands)]);
  }

  /** The folder of their sockets. */
  get path(): string {
    return this.#folder.path;
  }

  /** What programs of OVN need to find it. */
  get environment(): NodeJS.ProcessEnv {
    return environment(this.#folder);
  }

  async #run(path: string, args: readonly string[]): Promise<void> {
    const [loader, ...first] = program(path);
    await run(loader, [...first, "--timeout=1200", ...args], { env: this.environment, maxBuffer: 2 ** 26 });
  }

  /** CPU that northd has used so far, ms. */
  northdCpuMs(): number {
    return processCpuMs(this.#northd.pid);
  }

  async stop(): Promise<void> {
    const gone = once(this.#northd, "exit");
    this.#northd.kill("SIGKILL");
    await gone;
    await this.#folder.close();
  }
}

/** How a program of the image is started, by its path there. */
export function program(path: string): readonly [string, ...string[]] {
  const start = programsOf(ROOT);
  if (start === undefined) throw new Error(`no loader in ${ROOT}`);
  return start(path);
}

function joined(commands: readonly (readonly string[])[]): readonly string[] {
  return commands.flatMap((command, i) => (i === 0 ? command : ["--", ...command]));
}

function environment({ path }: TestFolder): NodeJS.ProcessEnv {
  const folders = { OVS_RUNDIR: path, OVN_RUNDIR: path, OVS_LOGDIR: path, OVN_LOGDIR: path };
  return { ...process.env, ...folders, OVS_DBDIR: path, OVN_DBDIR: path };
}
