// SPDX-License-Identifier: Apache-2.0

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { findOvsTools } from "../../src/ovsdb/testing/ovs-tools.ts";
import { TestFolder, type TestServer } from "../../src/ovsdb/testing/server.ts";

const run = promisify(execFile);

/** The root file system of the image, in which the programs of OVN are. */
const ROOT = join(
  process.env["WEFT_CACHE"] ?? join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "weft"),
  `${process.env["WEFT_DEBIAN_SUITE"] ?? "trixie"}-base`,
);

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

  /** CPU that northd has used so far, ms (in steps of 10: proc(5), utime and stime). */
  northdCpuMs(): number {
    const stat = readFileSync(`/proc/${this.#northd.pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) * 10;
  }

  async stop(): Promise<void> {
    const gone = once(this.#northd, "exit");
    this.#northd.kill("SIGKILL");
    await gone;
    await this.#folder.close();
  }
}

/** A program of the root file system, through its own loader: it needs its own libc. */
function program(name: string): readonly [string, ...string[]] {
  const loader = ["lib64/ld-linux-x86-64.so.2", "lib/ld-linux-aarch64.so.1"]
    .map((path) => join(ROOT, path))
    .find((path) => existsSync(path));
  if (loader === undefined) throw new Error(`no loader in ${ROOT}`);
  const libraries = readdirSync(join(ROOT, "usr/lib"))
    .filter((entry) => entry.endsWith("-linux-gnu"))
    .map((entry) => join(ROOT, "usr/lib", entry));
  return [loader, "--library-path", libraries.join(":"), join(ROOT, "usr/bin", name)];
}

function environment({ path }: TestFolder): NodeJS.ProcessEnv {
  const folders = { OVS_RUNDIR: path, OVN_RUNDIR: path, OVS_LOGDIR: path, OVN_LOGDIR: path };
  return { ...process.env, ...folders, OVS_DBDIR: path, OVN_DBDIR: path };
}
