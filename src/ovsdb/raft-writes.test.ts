// SPDX-License-Identifier: Apache-2.0

import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import t, { type Test } from "tap";
import type { OvsdbClient } from "./client.ts";
import { OvsdbError } from "./errors.ts";
import { openOvsdb } from "./open.ts";
import { insert, select } from "./operation.ts";
import { selectedRows } from "./result.ts";
import { findOvsTools, type OvsTools } from "./testing/ovs-tools.ts";
import { TEST } from "./testing/schema.ts";
import { TestFolder, type TestServer } from "./testing/server.ts";

const tools = findOvsTools();
const skip = typeof tools === "string" ? tools : false;

/** Commits rows one after the other; a row whose outcome is unknown is looked up before it is sent again. */
class Writer {
  readonly names: string[] = [];
  /** The time of each commit's answer, in ms. */
  readonly times: number[] = [];
  readonly #client: OvsdbClient;
  readonly #done: Promise<void>;
  #writing = true;

  constructor(client: OvsdbClient) {
    this.#client = client;
    this.#done = this.#run();
  }

  /** Ends with the row that is being written. */
  async stop(): Promise<void> {
    this.#writing = false;
    await this.#done;
  }

  async #run(): Promise<void> {
    while (this.#writing) {
      const name = `row-${this.names.length}`;
      while (!(await this.#commit(name)) && !(await this.#has(name)));
      this.names.push(name);
      this.times.push(performance.now());
      await delay(2);
    }
  }

  async #commit(name: string): Promise<boolean> {
    await this.#client.whenConnected();
    return await this.#client.transact(TEST.name, [insert(TEST, "Group", randomUUID(), { name })]).then(
      () => true,
      (error: unknown) => {
        if (error instanceof OvsdbError && error.retryable) return false;
        throw error;
      },
    );
  }

  async #has(name: string): Promise<boolean> {
    const found = await rowsNamed(this.#client, name);
    return found.length > 0;
  }
}

/** The rows of that name, or all, from the leader. */
async function rowsNamed(client: OvsdbClient, name?: string): Promise<readonly string[]> {
  for (;;) {
    await client.whenConnected();
    const where = name === undefined ? [] : ([["name", "==", name]] as const);
    try {
      const [result] = await client.transact(TEST.name, [select(TEST, "Group", where, ["name"])]);
      return selectedRows(TEST, "Group", result).map((row) => row.name ?? "");
    } catch (error) {
      if (!(error instanceof OvsdbError && error.retryable)) throw error;
    }
  }
}

async function setUp(t: Test) {
  const folder = await TestFolder.make(tools as OvsTools);
  t.teardown(() => folder.close());
  const servers = await folder.cluster(TEST, 3, 300);
  const client = openOvsdb({
    ...{ remotes: servers.map(({ remote }) => remote), database: TEST.name, leaderOnly: true },
    ...{ probeIntervalMs: 1_000, connectTimeoutMs: 1_000, maxBackoffMs: 200 },
  });
  t.teardown(() => client.close());
  await client.whenConnected();
  const leader = (): TestServer => servers.find(({ remote }) => remote === client.remote)!;
  return { client, leader, writer: new Writer(client) };
}

const FAULTS: readonly {
  readonly what: string;
  readonly begin: (leader: TestServer) => unknown;
  readonly end: (leader: TestServer) => unknown;
}[] = [
  {
    what: "is killed",
    begin: (leader) => leader.stop("SIGKILL"),
    end: (leader) => leader.start(),
  },
  {
    what: "hangs",
    begin: (leader) => leader.freeze(true),
    end: (leader) => leader.freeze(false),
  },
  {
    what: "transfers leadership",
    begin: (leader) => leader.control("cluster/failure-test", "transfer-leadership"),
    end: () => {},
  },
];

t.jobs = FAULTS.length;
for (const { what, begin, end } of FAULTS) {
  t.test(`when the leader ${what} while rows are written, none is lost or duplicated`, { skip }, async (t) => {
    const { client, leader, writer } = await setUp(t);
    const written = async (count: number): Promise<void> => {
      const goal = writer.names.length + count;
      while (writer.names.length < goal) await delay(5);
    };
    await written(20);
    const faulty = leader();
    await begin(faulty);
    await written(20);
    t.not(leader(), faulty);
    await end(faulty);
    await written(20);
    await writer.stop();
    t.same((await rowsNamed(client)).toSorted(), writer.names.toSorted());
    const gaps = writer.times.map((time, index) => time - (writer.times[index - 1] ?? time));
    t.comment(
      `${writer.names.length} rows, the longest pause between two commits was ${Math.round(Math.max(...gaps))} ms`,
    );
  });
}
