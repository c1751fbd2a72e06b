// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { factStore } from "../../kinds/store.ts";
import { ManualClock } from "../../time/testing/manual-clock.ts";
import { GatewayWatch } from "./gateway-watch.ts";

/** Three chassis, the first of which belongs to a gateway node. */
function world() {
  const facts = factStore();
  const clock = new ManualClock();
  const watch = new GatewayWatch(facts, clock);
  facts.subscribe((change) => watch.noteFact(change));
  for (const name of ["c1", "c2", "c3"])
    facts.set("chassis", `uuid-${name}`, { key: `uuid-${name}`, name, host: name, remote: false });
  const group = (): unknown => facts.set("gatewayGroups", "n1", { key: "n1", members: ["c1", "c2", "c3"] });
  const carried = (by?: string): unknown =>
    facts.set("gatewayPorts", "gateway/n1", { key: "gateway/n1", ...(by !== undefined && { chassis: `uuid-${by}` }) });
  const lost = (): boolean => facts.get("gatewayLosses", "n1") !== undefined;
  return { facts, clock, watch, group, carried, lost };
}

t.test(
  "a gateway node is lost while another chassis carries its port, and back when it has had it for a while",
  async (t) => {
    const { clock, group, carried, lost, facts } = world();
    group();
    carried();
    carried("c1");
    await clock.advance(5_000);
    carried("c2");
    t.equal(lost(), false, "it may be for a moment");
    await clock.advance(699);
    t.equal(lost(), false);
    await clock.advance(1);
    t.equal(lost(), true);
    carried("c3");
    carried("c1");
    await clock.advance(4_999);
    t.equal(lost(), true, "one that flaps is not used");
    carried("c2");
    carried("c1");
    await clock.advance(4_999);
    t.equal(lost(), true);
    await clock.advance(1);
    t.equal(lost(), false);
    carried("c2");
    await clock.advance(699);
    carried("c1");
    await clock.advance(10_000);
    t.equal(lost(), false, "dead for a moment only");
    carried("c3");
    await clock.advance(1_000);
    t.equal(lost(), true);
    facts.set("gatewayGroups", "n1", undefined);
    t.equal(lost(), false, "no node watches it any more");
  },
);

t.test("while the sessions of a new group come up, the port may be bound to any chassis", async (t) => {
  const { clock, group, carried, lost } = world();
  group();
  carried();
  carried("c2");
  await clock.advance(9_000);
  t.equal(lost(), false);
  carried("c1");
  carried("c3");
  await clock.advance(9_999);
  t.equal(lost(), false);
  await clock.advance(1);
  t.equal(lost(), true, "one that never gets it is lost");
});

t.test("a new process uses the state that it finds, unless no chassis has bound the port", async (t) => {
  const { group, carried, lost, clock } = world();
  carried("c2");
  group();
  t.equal(lost(), true);
  carried();
  await clock.advance(60_000);
  t.equal(lost(), true, "it stays as it was");
  const other = world();
  other.group();
  other.carried();
  await other.clock.advance(60_000);
  t.equal(other.lost(), false);
});
