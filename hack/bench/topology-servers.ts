// SPDX-License-Identifier: Apache-2.0

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
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

  /** Runs commands of ovn-sbctl, each a list of words, in one transaction. */
  async sbctl(commands: readonly (readonly string[])[]): Promise<void> {
    if (commands.length === 0) return;
    await this.#run("usr/bin/ovn-sbctl", [`--db=${this.southbound.remote}`, ...joined(commands)]);
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
