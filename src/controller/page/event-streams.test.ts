// SPDX-License-Identifier: Apache-2.0

import { EventEmitter } from "node:events";
import type { ServerResponse } from "node:http";
import t from "tap";
import { projectNamespace } from "../../facts/project-core.ts";
import type { FactStore } from "../../facts/store.ts";
import { PageError } from "../../page/page-error.ts";
import { ADMINISTRATOR, addTenantPod, pageWorld, tenant, tenantName } from "../../page/testing/page-world.ts";
import type { Viewer } from "../../page/viewer.ts";
import { ChangeLog } from "./change-log.ts";
import { EventStreams } from "./event-streams.ts";

/** Timers that are run by hand. */
class HandTimers {
  readonly #waiting = new Map<() => void, number>();

  after(ms: number, run: () => void): () => void {
    this.#waiting.set(run, ms);
    return () => this.#waiting.delete(run);
  }

  /** Runs the timers of so many ms. */
  run(ms: number): void {
    for (const [run, after] of [...this.#waiting]) {
      if (after !== ms) continue;
      this.#waiting.delete(run);
      run();
    }
  }

  get size(): number {
    return this.#waiting.size;
  }
}

class Client extends EventEmitter {
  text = "";
  ended = false;
  destroyed = false;
  writableLength = 0;
  writeHead(): this {
    return this;
  }
  write(text: string): boolean {
    this.text += text;
    return true;
  }
  end(text = ""): this {
    if (this.ended) throw new Error("write after end");
    this.text += text;
    this.ended = true;
    return this;
  }
  destroy(): void {
    this.destroyed = true;
  }
  /** The events since the last call. */
  take(): readonly { type: string; id: string | undefined; data: unknown }[] {
    const events = this.text.split("\n\n").flatMap((part) => {
      const type = /^event: (.*)$/m.exec(part)?.[1];
      const data = /^data: (.*)$/m.exec(part)?.[1];
      return type === undefined || data === undefined
        ? []
        : [{ type, id: /^id: (.*)$/m.exec(part)?.[1], data: JSON.parse(data) as unknown }];
    });
    this.text = "";
    return events;
  }
}

function rig(): {
  facts: FactStore;
  streams: EventStreams;
  timers: HandTimers;
  open: (viewer: Viewer, last?: string, again?: () => Promise<Viewer>, flows?: boolean) => Client;
  held: () => number;
  pass: (ms: number) => void;
} {
  const facts = pageWorld({ namespaces: 3, podsEach: 1, nodes: 2 });
  const timers = new HandTimers();
  let now = 0;
  const log = new ChangeLog({ now: () => now }, (port) => facts.get("ips", port)?.holder);
  let held = 0;
  const streams = new EventStreams(log, timers, () => {
    held++;
    return () => held--;
  });
  facts.subscribe((change) => streams.note(change));
  const open = (viewer: Viewer, last?: string, again = () => Promise.resolve(viewer), flows = false): Client => {
    const client = new Client();
    streams.open(client as unknown as ServerResponse, { viewer, again, flows, last });
    return client;
  };
  const pass = (ms: number): void => {
    now += ms;
  };
  return { facts, streams, timers, open, held: () => held, pass };
}

const OWN = tenantName(1);
const addPod = (facts: FactStore, namespace: string, i = 0): void =>
  addTenantPod(facts, { namespace, name: `new-${i}`, node: "weft-1", v4: `10.16.${8 + (i >> 8)}.${i & 255}`, v6: "" });

t.test("a stream begins with a reset, and tells once a second what has changed", async (t) => {
  const { facts, timers, open } = rig();
  const client = open(ADMINISTRATOR);
  t.match(client.take(), [{ type: "reset", data: { reason: "connected" } }]);
  addPod(facts, OWN);
  t.strictSame(client.take(), []);
  timers.run(1_000);
  const change = {
    type: "change",
    kinds: ["addresses", "pods"],
    objects: [{ kind: "Pod", namespace: OWN, name: "new-0" }],
  };
  t.match(client.take(), [{ type: "change", data: change }]);
  timers.run(1_000);
  t.strictSame(client.take(), []);
});

t.test("a tenant is told of their own namespace only, and nothing when only others change", async (t) => {
  const { facts, timers, open } = rig();
  const client = open(tenant(OWN));
  client.take();
  addPod(facts, tenantName(0));
  facts.set("namespaces", "new", projectNamespace({ metadata: { name: "new", uid: "uid-new" } }));
  const node = facts.get("nodes", "weft-1");
  if (node !== undefined) facts.set("nodes", "weft-1", { ...node, ready: false });
  facts.set("downPorts", `web-0.${tenantName(0)}`, { key: `web-0.${tenantName(0)}` });
  timers.run(1_000);
  t.equal(client.text, "");
  facts.set("downPorts", `web-0.${OWN}`, { key: `web-0.${OWN}` });
  addPod(facts, tenantName(0), 1);
  timers.run(1_000);
  t.match(client.take(), [{ data: { kinds: ["pods"], objects: [], more: false } }]);
});

t.test("a client that comes back is told what it has missed, or that it must ask again", async (t) => {
  const { facts, timers, open } = rig();
  const first = open(ADMINISTRATOR);
  const [{ id } = { id: "" }] = first.take();
  addPod(facts, OWN);
  timers.run(1_000);
  t.match(open(ADMINISTRATOR, id).take(), [{ type: "change", data: { kinds: ["addresses", "pods"] } }]);
  for (let i = 1; i <= 256; i++) {
    addPod(facts, OWN, i);
    timers.run(1_000);
  }
  t.match(open(ADMINISTRATOR, id).take(), [{ type: "reset", data: { reason: "missed" } }], "more than are kept");
  for (const other of ["q-3", "p-x", "p-999", "", "p", `A${id?.slice(1)}`])
    t.match(open(tenant(OWN, other), other).take(), [{ type: "reset" }], other);
});

t.test(
  "ids of events, and whether a client that comes back has missed some, say nothing about what others do",
  async (t) => {
    const ids: (string | undefined)[] = [];
    for (const busy of [true, false]) {
      const { facts, timers, open, pass } = rig();
      const [first] = open(tenant(OWN)).take();
      ids.push(first?.id);
      for (let i = 0; i < 100; i++) {
        if (busy) addPod(facts, tenantName(0), i);
        timers.run(1_000);
      }
      pass(60_000);
      t.strictSame(open(tenant(OWN), first?.id).take(), [], "nothing of theirs has changed");
      pass(1);
      const [late] = open(tenant(OWN, "b"), first?.id).take();
      t.match(late, { type: "reset", data: { reason: "missed" } });
      ids.push(late?.id);
    }
    t.equal(new Set(ids).size, ids.length, "each is another one");
    t.equal(new Set(ids.map((id) => id?.length)).size, 1);
  },
);

t.test("of many changes only kinds and some names are kept", async (t) => {
  const { facts, timers, open } = rig();
  const client = open(ADMINISTRATOR);
  client.take();
  for (let i = 0; i < 500; i++) addPod(facts, OWN, i);
  timers.run(1_000);
  const [event] = client.take();
  const { objects, more } = (event?.data ?? {}) as { objects: readonly unknown[]; more: boolean };
  t.equal(objects.length, 50);
  t.ok(more);
  for (let i = 0; i < 1_001; i++)
    facts.set("namespaces", `n-${i}`, projectNamespace({ metadata: { name: `n-${i}`, uid: `uid-n-${i}` } }));
  timers.run(1_000);
  t.match(client.take(), [{ type: "reset", data: { reason: "missed" } }]);
});

t.test("a client that reads too slowly is dropped, and others are not", async (t) => {
  const { facts, timers, open, streams } = rig();
  const [slow, other] = [open(ADMINISTRATOR), open(ADMINISTRATOR)];
  slow.take();
  other.take();
  slow.writableLength = 70_000;
  addPod(facts, OWN);
  timers.run(1_000);
  t.match(slow.take(), [{ type: "end", data: { reason: "slow" } }]);
  t.ok(slow.destroyed);
  t.match(other.take(), [{ type: "change" }]);
  t.equal(streams.size, 1);
});

t.test("an account has eight streams at most, all accounts 64", async (t) => {
  const { open, streams } = rig();
  const viewers = Array.from({ length: 9 }, (_, i) => tenant(`n-${i}`));
  for (let i = 0; i < 8; i++) open(viewers[0] ?? ADMINISTRATOR);
  t.throws(() => open(viewers[0] ?? ADMINISTRATOR), { code: "busy" });
  for (const viewer of viewers.slice(1, 8)) for (let i = 0; i < 8; i++) open(viewer);
  t.equal(streams.size, 64);
  t.throws(() => open(viewers[8] ?? ADMINISTRATOR), { code: "busy" });
});

t.test("a stream ends with its login, keeps its connection alive, and leaves no timer behind", async (t) => {
  const { timers, open, streams } = rig();
  const expired = open(ADMINISTRATOR, undefined, () => Promise.reject(new PageError("unauthenticated", "ended")));
  const unknown = open(ADMINISTRATOR, undefined, () => Promise.reject(new PageError("unavailable", "no answer")));
  expired.take();
  unknown.take();
  timers.run(15_000);
  await new Promise((resolve) => setImmediate(resolve));
  t.match(expired.take(), [{ type: "end", data: { reason: "expired" } }]);
  t.equal(unknown.text, ":\n\n");
  t.equal(streams.size, 1);
  unknown.emit("close");
  t.equal(timers.size, 0);
});

t.test("when the process stops, every stream is told so", async (t) => {
  const { open, streams } = rig();
  const client = open(ADMINISTRATOR);
  client.take();
  streams.stop();
  t.match(client.take(), [{ type: "end", data: { reason: "stopping" } }]);
});

t.test("a client that has gone while its account was asked for takes no stream", async (t) => {
  const { facts, streams, timers, held } = rig();
  const gone = new Client();
  gone.destroyed = true;
  const viewer = ADMINISTRATOR;
  const again = (): Promise<Viewer> => Promise.resolve(viewer);
  streams.open(gone as unknown as ServerResponse, { viewer, again, flows: true, last: undefined });
  t.equal(held(), 0);
  addPod(facts, OWN);
  t.equal(streams.size, 0);
  t.equal(timers.size, 0);
});

t.test("a stream of which two beats learn that its login has ended is ended once", async (t) => {
  const { timers, open, streams } = rig();
  const asked = Promise.withResolvers<Viewer>();
  const client = open(ADMINISTRATOR, undefined, () => asked.promise);
  client.take();
  timers.run(15_000);
  timers.run(15_000);
  asked.reject(new PageError("unauthenticated", "ended"));
  await new Promise((resolve) => setImmediate(resolve));
  t.match(client.take(), [{ type: "end", data: { reason: "expired" } }]);
  t.equal(streams.size, 0);
});

t.test(
  "flows are told to streams that follow them, of the viewer's namespaces, and are read only while one does",
  async (t) => {
    const { streams, timers, open, held } = rig();
    const [plain, follows, another] = [
      open(tenant(OWN)),
      open(tenant(OWN), undefined, undefined, true),
      open(tenant(tenantName(0)), undefined, undefined, true),
    ];
    for (const client of [plain, follows, another]) client.take();
    t.equal(held(), 2);
    streams.noteFlows([OWN]);
    timers.run(1_000);
    t.match(follows.take(), [{ type: "change", data: { kinds: ["flows"], objects: [], more: false } }]);
    t.strictSame([plain.take(), another.take()], [[], []]);
    for (const client of [follows, another]) client.emit("close");
    t.equal(held(), 0);
  },
);
