// SPDX-License-Identifier: Apache-2.0

import { spawnSync } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import type { FlowPage } from "../../api/flow-page.ts";
import type { SampledFlow } from "../../api/sampling.ts";
import { addChassis, addNode } from "../../compile/testing/sample-facts.ts";
import { FlowServer } from "../../daemon/flows/flow-server.ts";
import { FlowTable } from "../../daemon/flows/flow-table.ts";
import type { FactStore } from "../../facts/store.ts";
import { factStore } from "../../kinds/store.ts";
import { type CertifiedKey, issueKey, makeAuthority } from "../../pki/authority.ts";
import { SYSTEM_CLOCK } from "../../time/clock.ts";
import { type FlowChange, FlowReader, type FlowReaderParts } from "./flow-reader.ts";

const skip = spawnSync("openssl", ["version"]).status === 0 ? false : "no openssl on the PATH";
const pem = ({ privateKey, certificate }: CertifiedKey): string => privateKey + certificate;

/** The flows of a node, without Open vSwitch. */
class Flows {
  enabled = true;
  /** What a node that is not honest adds. */
  readonly extra: SampledFlow[] = [];
  readonly #table = new FlowTable(1_000);
  readonly #listeners = new Set<() => void>();
  #left = Promise.withResolvers<void>();

  add(port: number): void {
    const sample = { point: 7, from: "10.16.0.2", to: "10.16.0.3", protocol: 6, fromPort: 1, toPort: port, packets: 1 };
    this.#table.add(sample, Date.now());
    for (const listener of this.#listeners) listener();
  }

  page(sequence: number, most: number): FlowPage {
    const found = this.#table.since(sequence, Date.now());
    const flows = found.slice(-most);
    const [last, skipped] = [flows.at(-1)?.sequence ?? sequence, found.length - flows.length];
    return { enabled: this.enabled, sequence: last, dropped: 0, skipped, flows: [...flows, ...this.extra] };
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
      this.#left.resolve();
    };
  }

  /** Resolves when no client reads any more. */
  async unread(): Promise<void> {
    while (this.#listeners.size > 0) {
      this.#left = Promise.withResolvers();
      await this.#left.promise;
    }
  }
}

async function setUp(t: Test) {
  const top = mkdtempSync(join(tmpdir(), "weft-flows-"));
  t.teardown(() => rm(top, { recursive: true, force: true }));
  const at = { now: Date.now(), days: 9 };
  const [central, nodes] = await Promise.all(
    ["weft-central-ca", "weft-node-ca"].map((commonName) => makeAuthority(top, { commonName, ...at })),
  );
  if (central === undefined || nodes === undefined) throw new Error("an authority is missing");
  const client = (commonName: string, by = central): Promise<CertifiedKey> =>
    issueKey(top, by, { commonName, usages: ["clientAuth"], ...at });
  const controller = await client("weft-controller");
  const flows = new Flows();
  const folder = join(top, "node");
  await mkdir(folder);
  const certify = async (chassis: string, by = nodes): Promise<void> => {
    await writeFile(join(folder, "tls.pem"), pem(await client(chassis, by)));
    await writeFile(join(folder, "ca.pem"), central.certificate);
  };
  await certify("chassis-1");
  const listening = Promise.withResolvers<void>();
  const log = { info: () => listening.resolve(), warn: () => undefined };
  const server = new FlowServer({ port: 0, folder, flows, clock: SYSTEM_CLOCK, log });
  t.teardown(() => server.stop());
  server.trigger();
  await listening.promise;
  const port = server.port ?? 0;
  const reader = (facts: FactStore, more: Partial<FlowReaderParts> = {}): FlowReader => {
    const found = new FlowReader({
      ...{ facts, port, clock: SYSTEM_CLOCK },
      credentials: async () => ({ pem: pem(controller), authorities: [nodes.certificate] }),
      ...more,
    });
    t.teardown(() => found.stop());
    return found;
  };
  /** The status of a question with this key, or why there is none. */
  const ask = (by: CertifiedKey | undefined, path = "/flows", method = "GET"): Promise<string | number> =>
    new Promise((resolve) => {
      const key = by && { key: pem(by), cert: pem(by) };
      const asked = request({ host: "127.0.0.1", port, path, method, agent: false, rejectUnauthorized: false, ...key });
      asked.on("error", (error) => resolve(String(error)));
      asked.on("response", ({ statusCode = 0 }) => {
        asked.destroy();
        resolve(statusCode);
      });
      asked.end();
    });
  return { central, nodes, controller, client, certify, flows, server, reader, ask };
}

/** Facts of nodes, by their addresses. */
function cluster(...addresses: readonly string[]): FactStore {
  const facts = factStore();
  for (const [i, address] of addresses.entries()) {
    addNode(facts, `n${i + 1}`, address);
    addChassis(facts, `n${i + 1}`, `chassis-${i + 1}`);
  }
  return facts;
}

t.test(
  "the flows of a node are read as they change, while a user looks at them and not longer",
  { skip },
  async (t) => {
    const { flows, reader } = await setUp(t);
    flows.add(80);
    const reads = reader(cluster("127.0.0.1"));
    const first = await reads.read();
    t.match(first, { flows: [{ node: "n1", flow: { port: 80, to: "10.16.0.3" } }], unread: [], incomplete: false });
    const release = reads.hold();
    const changed = new Promise<readonly FlowChange[]>((resolve) => reads.subscribe(resolve));
    flows.add(443);
    t.match(await changed, [{ node: "n1", flow: { port: 443 } }]);
    t.strictSame(
      (await reads.read()).flows.map(({ flow }) => flow.port),
      [80, 443],
    );
    release();
    reads.stop();
    await flows.unread();
    t.equal((await reader(cluster()).read()).flows.length, 0);
  },
);

t.test(
  "a node that is down, and one that another program answers for, are named, and the others are shown",
  { skip },
  async (t) => {
    const { flows, reader } = await setUp(t);
    flows.add(80);
    const facts = cluster("127.0.0.1", "127.0.0.2");
    addNode(facts, "new", "127.0.0.3");
    const { flows: found, unread } = await reader(facts).read();
    t.equal(found.length, 1);
    t.match(unread, [
      { node: "n2", problem: "its certificate is of CN=chassis-1, not of CN=chassis-2" },
      { node: "new", problem: /no chassis/ },
    ]);
    const closed = await reader(cluster("127.0.0.1"), { port: 1 }).read();
    t.match(closed.unread, [{ node: "n1", problem: /ECONNREFUSED/ }]);
    const none = async (): Promise<never> => Promise.reject(new Error("no certificate yet"));
    t.match((await reader(cluster("127.0.0.1"), { credentials: none }).read()).unread, [
      { problem: /no certificate yet/ },
    ]);
  },
);

t.test(
  "a node with a certificate of another authority is not read, and a new certificate is used without a restart",
  { skip },
  async (t) => {
    const { flows, reader, certify, central, server } = await setUp(t);
    flows.add(80);
    await certify("chassis-1", central);
    server.trigger();
    const problem = async (): Promise<string | undefined> => {
      const reads = reader(cluster("127.0.0.1"));
      const [unread] = (await reads.read()).unread;
      reads.stop();
      return unread?.problem;
    };
    // The server reads its files in its own time; each question shows the certificate that it has then.
    while ((await problem()) === undefined);
    t.equal(await problem(), "its certificate is not of the nodes' authority");
  },
);

t.test("only the controller gets flows: no other certificate, and no other path", { skip }, async (t) => {
  const { ask, controller, client, nodes, central } = await setUp(t);
  t.equal(await ask(controller), 200);
  t.equal(await ask(controller, "/debug/log-level"), 404);
  t.equal(await ask(controller, "/flows", "POST"), 404);
  t.equal(await ask(await client("ovn-central")), 403);
  t.match(await ask(undefined), /Error/);
  t.match(await ask(await client("weft-controller", nodes)), /Error/, "a node's authority cannot make a controller");
  const server = await issueKey(t.testdir(), central, {
    ...{ commonName: "weft-controller", usages: ["serverAuth"], now: Date.now(), days: 1 },
  });
  t.match(await ask(server), /Error/);
});

t.test("of more flows than are kept the newest are, and it is said that some are missing", { skip }, async (t) => {
  const { flows, reader } = await setUp(t);
  for (let i = 1; i <= 40; i++) flows.add(i);
  const read = await reader(cluster("127.0.0.1"), { kept: 20 }).read();
  const ports = read.flows.map(({ flow }) => flow.port);
  t.strictSame(
    ports,
    Array.from({ length: 20 }, (_, i) => i + 21),
  );
  t.ok(read.incomplete);
});

t.test(
  "what a node says is not believed: times in the future, addresses that are none, what is no flow",
  { skip },
  async (t) => {
    const { flows, reader } = await setUp(t);
    flows.add(80);
    const [flow] = flows.page(0, 1).flows;
    if (flow === undefined) throw new Error("there is no flow");
    const late = { ...flow, to: "FD00::1", last: Date.now() + 3_600_000, port: 81 };
    flows.extra.push(late, { ...flow, to: "<b>", port: 82 });
    const { flows: found } = await reader(cluster("127.0.0.1")).read();
    t.match(
      found.map((one) => one.flow),
      [{ port: 80 }, { port: 81, to: "fd00::1" }],
    );
    t.ok(found.every((one) => one.flow.last <= Date.now()));
    flows.extra.push({ ...flow, packets: "3" } as unknown as SampledFlow);
    t.match((await reader(cluster("127.0.0.1")).read()).unread, [{ problem: /a flow without packets/ }]);
  },
);

t.test(
  "packets are told as they come: none of before reading began, one at least of a flow that was forgotten, all of a new one",
  { skip },
  async (t) => {
    const { flows, reader } = await setUp(t);
    for (const port of [80, 80, 80, 81]) flows.add(port);
    const reads = reader(cluster("127.0.0.1"), { kept: 1 });
    let told: (changes: readonly FlowChange[]) => void = () => undefined;
    reads.subscribe((changes) => told(changes));
    const next = (): Promise<readonly (readonly number[])[]> =>
      new Promise((resolve) => {
        told = (changes) => resolve(changes.map(({ flow, added }) => [flow.port, flow.packets, added]));
      });
    const first = next();
    reads.hold();
    t.strictSame(await first, [[81, 1, 0]], "the newest one only is kept");
    const changed = next();
    flows.add(81);
    t.strictSame(await changed, [[81, 2, 1]]);
    const forgotten = next();
    flows.add(80);
    t.strictSame(await forgotten, [[80, 4, 1]], "three of its packets are from before");
    const fresh = next();
    flows.add(443);
    t.strictSame(await fresh, [[443, 1, 1]]);
  },
);
