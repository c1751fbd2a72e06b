// SPDX-License-Identifier: Apache-2.0

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, watch } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import type { DatabaseSchema } from "../schema.ts";
import type { OvsTool, OvsTools } from "./ovs-tools.ts";
import { schemaJson } from "./schema-json.ts";

const run = promisify(execFile);

/** A folder for the servers of one test, on paths short enough for unix sockets. */
export class TestFolder {
  readonly path: string;
  readonly tools: OvsTools;
  readonly #servers: TestServer[] = [];

  private constructor(path: string, tools: OvsTools) {
    this.path = path;
    this.tools = tools;
  }

  static async make(tools: OvsTools): Promise<TestFolder> {
    return new TestFolder(await mkdtemp(join(tmpdir(), "ovsdb-")), tools);
  }

  /**
   * A standalone server with an empty database, started; `options` are further options of ovsdb-server. `probeMs`: it
   * disconnects clients that do not answer its probes, as ovn-central's servers do; 1,000 at least.
   */
  async standalone<Tables>(
    schema: DatabaseSchema<Tables>,
    options: readonly string[] = [],
    probeMs?: number,
  ): Promise<TestServer> {
    const server = this.#add("db", options, probeMs);
    await this.tool("ovsdb-tool", "create", server.file, await this.#schemaFile(schema));
    await server.start();
    return server;
  }

  /** A standalone server named `name`, with an empty database of the schema in a file (ovsdb-tool(1)), started. */
  async ofSchemaFile(name: string, schemaFile: string, options: readonly string[] = []): Promise<TestServer> {
    const server = this.#add(name, options);
    await this.tool("ovsdb-tool", "create", server.file, schemaFile);
    await server.start();
    return server;
  }

  /** A raft cluster with an empty database, all servers joined. */
  async cluster<Tables>(
    schema: DatabaseSchema<Tables>,
    size: number,
    electionMs: number,
  ): Promise<readonly TestServer[]> {
    const servers: TestServer[] = [];
    const raft = (number: number): string => `unix:${join(this.path, `s${number}.raft`)}`;
    for (let number = 1; number <= size; number++) {
      const server = this.#add(`s${number}`, []);
      servers.push(server);
      if (number === 1) {
        const contents = await this.#schemaFile(schema);
        const timer = `--election-timer=${electionMs}`;
        await this.tool("ovsdb-tool", timer, "create-cluster", server.file, contents, raft(1));
      } else {
        await this.tool("ovsdb-tool", "join-cluster", server.file, schema.name, raft(number), raft(1));
      }
      await server.start();
    }
    const joined = servers.map((server) => this.tool("ovsdb-client", "wait", server.remote, schema.name, "connected"));
    await Promise.all(joined);
    return servers;
  }

  async tool(tool: OvsTool, ...args: readonly string[]): Promise<string> {
    const [command, ...first] = this.tools.command(tool);
    // Without these, the tools use folders that only an installed system has.
    const env = { ...process.env, OVS_RUNDIR: this.path, OVS_LOGDIR: this.path, OVS_DBDIR: this.path };
    const { stdout } = await run(command, [...first, ...args], { env, timeout: 30_000 });
    return stdout;
  }

  /**
   * Inserts rows in one transaction, `name` being a row's `uuid-name` (RFC 7047 §5.2.1), and returns ovsdb-client's
   * output.
   */
  insert(server: TestServer, database: string, rows: readonly NewRow[]): Promise<string> {
    const operations = rows.map(({ table, row, name }) => ({
      op: "insert",
      table,
      row,
      ...(name && { "uuid-name": name }),
    }));
    return this.tool("ovsdb-client", "transact", server.remote, JSON.stringify([database, ...operations]));
  }

  /** Stops all servers and removes the folder. */
  async close(): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.stop("SIGKILL")));
    await rm(this.path, { recursive: true, force: true });
  }

  #add(name: string, options: readonly string[], probeMs?: number): TestServer {
    const server = new TestServer(this, name, options, probeMs);
    this.#servers.push(server);
    return server;
  }

  async #schemaFile<Tables>(schema: DatabaseSchema<Tables>): Promise<string> {
    const file = join(this.path, `${schema.name}.ovsschema`);
    await writeFile(file, JSON.stringify(schemaJson(schema)));
    return file;
  }
}

/** A row to insert, in the notation of RFC 7047. */
export interface NewRow {
  readonly table: string;
  readonly row: object;
  readonly name?: string;
}

/** A real ovsdb-server, run without privileges. */
export class TestServer {
  readonly file: string;
  /** The connection method of its unix socket. */
  readonly remote: string;
  readonly #folder: TestFolder;
  readonly #control: string;
  readonly #options: readonly string[];
  readonly #probeMs: number | undefined;
  #process: ChildProcess | undefined;

  constructor(folder: TestFolder, name: string, options: readonly string[], probeMs?: number) {
    this.#folder = folder;
    this.file = join(folder.path, `${name}.db`);
    this.remote = `unix:${join(folder.path, `${name}.sock`)}`;
    this.#control = join(folder.path, `${name}.ctl`);
    this.#options = options;
    this.#probeMs = probeMs;
  }

  /** Resolves when the server listens. */
  async start(): Promise<void> {
    const socket = this.remote.slice("unix:".length);
    await Promise.all([rm(socket, { force: true }), rm(this.#control, { force: true })]);
    const [command, ...first] = this.#folder.tools.command("ovsdb-server");
    const quiet = ["--no-chdir", "-vconsole:off", "-vsyslog:off"];
    const what =
      this.#probeMs === undefined ? [`--remote=p${this.remote}`, this.file] : [await this.#configured(this.#probeMs)];
    const options = [...quiet, `--unixctl=${this.#control}`, ...this.#options, ...what];
    const path = this.#folder.path;
    const env = { ...process.env, OVS_RUNDIR: path, OVS_LOGDIR: path, OVS_DBDIR: path };
    this.#process = spawn(command, [...first, ...options], { stdio: "ignore", env });
    await Promise.all([fileAppears(socket), fileAppears(this.#control)]);
  }

  /** Ends the process and waits for it. */
  async stop(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
    const server = this.#process;
    this.#process = undefined;
    if (server === undefined || server.exitCode !== null || server.signalCode !== null) return;
    const exited = once(server, "exit");
    server.kill(signal);
    await exited;
  }

  /** Suspends the process (SIGSTOP), connections left open; or resumes it. */
  freeze(frozen: boolean): void {
    this.#process?.kill(frozen ? "SIGSTOP" : "SIGCONT");
  }

  /** An inactivity probe of a remote can be set only by a configuration file, ovsdb-server(1). */
  async #configured(probeMs: number): Promise<string> {
    const file = `${this.file}.conf`;
    const remotes = { [`p${this.remote}`]: { "inactivity-probe": probeMs } };
    await writeFile(file, JSON.stringify({ remotes, databases: { [this.file]: {} } }));
    return `--config-file=${file}`;
  }

  control(...args: readonly string[]): Promise<string> {
    return this.#folder.tool("ovs-appctl", "-t", this.#control, ...args);
  }
}

function fileAppears(path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const watcher = watch(dirname(path));
    const timer = setTimeout(() => settle(new Error(`${basename(path)} did not appear`)), 20_000);
    const settle = (error?: Error): void => {
      clearTimeout(timer);
      watcher.close();
      if (error === undefined) resolve();
      else reject(error);
    };
    watcher.on("change", () => existsSync(path) && settle());
    watcher.on("error", settle);
    if (existsSync(path)) settle();
  });
}
