// SPDX-License-Identifier: Apache-2.0

import { randomUUID } from "node:crypto";
import t, { type Test } from "tap";
import { NODE } from "../../api/annotations.ts";
import { VSWITCH } from "../../ovsdb/generated/vswitch.ts";
import { insert, mutate, type Operation, update } from "../../ovsdb/operation.ts";
import { fakeOvsdb } from "../../ovsdb/testing/fake.ts";
import { until } from "../../ovsdb/testing/until.ts";
import { ManualClock } from "../../time/testing/manual-clock.ts";
import { OvsView } from "../ovs/ovs-view.ts";
import { NodeReader, type OwnNode } from "./node-reader.ts";
import { TunnelReport } from "./tunnel-report.ts";

type Session = "up" | "down" | "unknown" | "off";

const BFD: Readonly<Record<Session, { bfd: Record<string, string>; bfd_status: Record<string, string> }>> = {
  up: { bfd: { enable: "true" }, bfd_status: { state: "up", flap_count: "1" } },
  down: { bfd: { enable: "true" }, bfd_status: { state: "down", flap_count: "2" } },
  unknown: { bfd: { enable: "true" }, bfd_status: {} },
  off: { bfd: {}, bfd_status: {} },
};

/** A node with Open vSwitch's database and an API server that stores one annotation. */
async function setup(t: Test, reported?: string) {
  const server = fakeOvsdb(VSWITCH);
  const bridge = randomUUID();
  await server.edit(VSWITCH, [
    insert(VSWITCH, "Open_vSwitch", undefined, { bridges: [bridge] }),
    insert(VSWITCH, "Bridge", bridge, { name: "br-int" }),
  ]);
  const view = new OvsView(server.connect());
  await view.mirror.whenSynced();
  const clock = new ManualClock();
  const listeners = new Set<() => void>();
  let own: OwnNode;
  const read = (unreachable: string | undefined): void => {
    const annotations = unreachable === undefined ? {} : { [NODE.unreachable]: unreachable };
    const reader = new NodeReader({ warn: () => undefined });
    own = reader.read({ metadata: { name: "n1", uid: "n1", resourceVersion: "1", annotations } });
    for (const listener of listeners) listener();
  };
  read(reported);
  const written: (string | undefined)[] = [];
  let refuse = false;
  const report = new TunnelReport({
    ...{ view, clock, node: "n1", log: { info: () => undefined, warn: () => undefined } },
    nodes: {
      synced: true,
      get: () => own,
      subscribe: (listener) => {
        listeners.add(listener);
        return () => void listeners.delete(listener);
      },
    },
    annotate: async (chassis) => {
      written.push(chassis);
      if (refuse) throw new Error("the API server does not answer");
      read(chassis);
    },
  });
  t.teardown(async () => {
    await report.stop();
    await server.close();
  });
  const interfaces = new Map<string, string>();
  /** Commits, and waits until the mirror has it. */
  const edit = async (operations: readonly Operation[]): Promise<void> => {
    const seen = Promise.withResolvers<void>();
    const stop = view.mirror.subscribe(() => seen.resolve());
    await server.edit(VSWITCH, operations);
    await seen.promise;
    stop();
    await clock.advance(0);
  };
  const tunnel = async (name: string, id: string, session: Session): Promise<void> => {
    const known = interfaces.get(name);
    if (known !== undefined) return edit([update(VSWITCH, "Interface", known, BFD[session])]);
    const [row, port] = [randomUUID(), randomUUID()];
    interfaces.set(name, row);
    return edit([
      insert(VSWITCH, "Interface", row, { name, type: "geneve", ...BFD[session] }),
      insert(VSWITCH, "Port", port, { name, interfaces: [row], external_ids: { "ovn-chassis-id": id } }),
      mutate(VSWITCH, "Bridge", bridge, [["ports", "insert", [port]]]),
    ]);
  };
  return {
    server,
    view,
    clock,
    report,
    written,
    tunnel,
    refuse: (is: boolean) => {
      refuse = is;
    },
    read,
  };
}

t.test("the other chassis is reported when its tunnel goes down, until the tunnel has been up", async (t) => {
  const { clock, report, written, tunnel } = await setup(t);
  await tunnel("ovn-b-0", "b@172.19.0.12%172.19.0.11", "down");
  report.start();
  await clock.advance(0);
  t.same(written, [], "the session may be about to start");
  await tunnel("ovn-b-0", "", "up");
  await clock.advance(600_000);
  t.same(written, []);
  await tunnel("ovn-b-0", "", "down");
  t.same(written, ["b"], "at once");
  await clock.advance(600_000);
  t.same(written, ["b"], "and once");
  await tunnel("ovn-b-0", "", "up");
  await clock.advance(1_999);
  t.same(written, ["b"]);
  await clock.advance(1);
  t.same(written, ["b", undefined]);
  await report.stop();
  t.equal(clock.pending, 0);
});

t.test("a flapping session is written at most twice in two seconds", async (t) => {
  const { clock, report, written, tunnel } = await setup(t);
  await tunnel("ovn-b-0", "b@172.19.0.12", "up");
  report.start();
  for (let i = 0; i < 20; i++) {
    await tunnel("ovn-b-0", "", "down");
    await clock.advance(100);
    await tunnel("ovn-b-0", "", "up");
    await clock.advance(1_900);
  }
  t.same(written, ["b"], "it is not up long enough");
  written.length = 0;
  await clock.advance(100);
  for (let i = 0; i < 10; i++) {
    await tunnel("ovn-b-0", "", "down");
    await tunnel("ovn-b-0", "", "up");
    await clock.advance(2_000);
  }
  t.ok(written.length <= 21, `${written.length} writes in 20 s`);
  t.equal(written.at(-1), undefined);
});

t.test("a chassis to which no tunnel has been up is reported after a while", async (t) => {
  const { clock, report, written, tunnel } = await setup(t);
  await tunnel("ovn-b-0", "b@172.19.0.12", "unknown");
  report.start();
  await clock.advance(600_000);
  t.same(written, [], "nothing is known");
  await tunnel("ovn-b-0", "", "down");
  await clock.advance(9_999);
  t.same(written, []);
  await clock.advance(1);
  t.same(written, ["b"]);
});

t.test("one tunnel of several is enough, and of several chassis none is reported", async (t) => {
  const { clock, report, written, tunnel } = await setup(t);
  await tunnel("ovn-b-0", "b@172.19.0.12", "up");
  await tunnel("ovn-b-1", "b@172.20.0.12", "up");
  await tunnel("ovn-d-0", "d@172.19.0.14", "off");
  report.start();
  await tunnel("ovn-b-0", "", "down");
  await clock.advance(600_000);
  t.same(written, []);
  await tunnel("ovn-b-1", "", "down");
  t.same(written, ["b"], "one without BFD does not count");
  await tunnel("ovn-c-0", "c@172.19.0.13", "up");
  await clock.advance(1_000);
  t.same(written, ["b", undefined], "there OVN decides");
  await tunnel("ovn-c-0", "", "down");
  await clock.advance(600_000);
  t.same(written, ["b", undefined]);
});

t.test("a daemon that starts continues from the existing report, whether it is still true or not", async (t) => {
  const down = await setup(t, "b");
  await down.tunnel("ovn-b-0", "b@172.19.0.12", "unknown");
  down.report.start();
  await down.clock.advance(600_000);
  await down.tunnel("ovn-b-0", "", "down");
  await down.clock.advance(600_000);
  t.same(down.written, []);
  down.read(undefined);
  await down.clock.advance(1_000);
  t.same(down.written, ["b"], "an annotation that another program removes is restored");

  const up = await setup(t, "b");
  await up.tunnel("ovn-b-0", "b@172.19.0.12", "up");
  up.report.start();
  await up.clock.advance(2_000);
  t.same(up.written, [undefined]);

  const gone = await setup(t, "b");
  gone.report.start();
  await gone.clock.advance(0);
  t.same(gone.written, [undefined], "nothing is monitored any more");
});

t.test("while Open vSwitch's database is unreachable nothing changes, and a failed write is retried", async (t) => {
  const { server, view, clock, report, written, tunnel, refuse } = await setup(t);
  await tunnel("ovn-b-0", "b@172.19.0.12", "up");
  report.start();
  refuse(true);
  await tunnel("ovn-b-0", "", "down");
  t.same(written, ["b"]);
  await clock.advance(1_500);
  t.same(written, ["b", "b", "b"]);
  refuse(false);
  await clock.advance(2_000);
  t.same(written, ["b", "b", "b", "b"]);
  await clock.advance(600_000);
  t.equal(written.length, 4);
  const away = new Promise<void>((resolve) => {
    view.mirror.onSyncedChange((synced) => !synced && resolve());
  });
  server.cut();
  await away;
  await until(
    (listener) => view.mirror.onSyncedChange(listener),
    () => view.synced,
    "the mirror is current again",
  );
  await clock.advance(600_000);
  t.equal(written.length, 4);
});
