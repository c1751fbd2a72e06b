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
    const [loader, ...first] = program("ovn-northd");
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

  /** Returns when northd has done what the northbound database says now; the time that took, ms. */
  async synced(): Promise<number> {
    const started = performance.now();
    const [loader, ...first] = program("ovn-nbctl");
    const sync = [`--db=${this.northbound.remote}`, "--timeout=1200", "--wait=sb", "sync"];
    await run(loader, [...first, ...sync], { env: environment(this.#folder) });
    return performance.now() - started;
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

function program(name: string): readonly [string, ...string[]] {
  const start = programsOf(ROOT);
  if (start === undefined) throw new Error(`no loader in ${ROOT}`);
  return start(join("usr/bin", name));
}

function environment({ path }: TestFolder): NodeJS.ProcessEnv {
  const folders = { OVS_RUNDIR: path, OVN_RUNDIR: path, OVS_LOGDIR: path, OVN_LOGDIR: path };
  return { ...process.env, ...folders, OVS_DBDIR: path, OVN_DBDIR: path };
}
