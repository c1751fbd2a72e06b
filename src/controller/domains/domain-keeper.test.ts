// SPDX-License-Identifier: Apache-2.0

import t, { type Test } from "tap";
import { ManualClock } from "../../time/testing/manual-clock.ts";
import { answer, fakeDns } from "../testing/fake-dns.ts";
import { DomainKeeper } from "./domain-keeper.ts";

const LIMITS = { graceMs: 60_000, addresses: 4, minPauseMs: 1000, maxPauseMs: 300_000 };

function world(t: Test) {
  const clock = new ManualClock();
  clock.chance = 1;
  const dns = fakeDns();
  const facts = new Map<string, { v4: readonly string[]; v6: readonly string[] }>();
  const states = new Map<string, string>();
  let published = 0;
  let servers: readonly string[] = ["10.96.0.10"];
  const keeper = new DomainKeeper({
    client: dns,
    clock,
    limits: LIMITS,
    servers: () => servers,
    publish: (name, fact) => {
      published++;
      if (fact === undefined) facts.delete(name);
      else facts.set(name, { v4: fact.v4, v6: fact.v6 });
    },
    state: (name, fact) => {
      if (fact === undefined) states.delete(name);
      else states.set(name, fact.reason);
    },
  });
  t.teardown(() => keeper.stop());
  return {
    clock,
    dns,
    keeper,
    states,
    known: (name: string) => facts.get(name),
    published: () => published,
    serve: (list: readonly string[]) => {
      servers = list;
    },
  };
}

t.test("a name is queried again when the shortest TTL has expired, and not before", async (t) => {
  const { clock, dns, keeper, known } = world(t);
  dns.zone.set("a.test/4", {
    kind: "addresses",
    addresses: [
      { address: "192.0.2.1", ttl: 30 },
      { address: "192.0.2.2", ttl: 90 },
    ],
  });
  dns.zone.set("a.test/6", answer(120, "2001:DB8::1"));
  keeper.add("a.test");
  await clock.advance(0);
  t.same(known("a.test"), { v4: ["192.0.2.1", "192.0.2.2"], v6: ["2001:db8::1"] });
  await clock.advance(29_000);
  t.equal(dns.asked.length, 2);
  await clock.advance(1_000);
  t.same(dns.asked.slice(2), ["a.test/4"]);
});

t.test("rotating answers are all kept if they return within the grace period", async (t) => {
  const { clock, dns, keeper, known } = world(t);
  dns.zone.set("cdn.test/4", { ttl: 10, rotate: [["192.0.2.1"], ["192.0.2.2"], ["192.0.2.3"]] });
  dns.zone.set("cdn.test/6", answer(600));
  keeper.add("cdn.test");
  await clock.advance(30_000);
  for (let i = 0; i < 60; i++) {
    await clock.advance(10_000);
    t.same(known("cdn.test")?.v4, ["192.0.2.1", "192.0.2.2", "192.0.2.3"]);
  }
  dns.zone.set("cdn.test/4", answer(10, "192.0.2.9"));
  await clock.advance(40_000);
  t.equal(known("cdn.test")?.v4.length, 4, "the grace of the others is not over");
  await clock.advance(60_000);
  t.same(known("cdn.test")?.v4, ["192.0.2.9"]);
});

t.test("while the DNS is down nothing is removed; afterwards stale addresses are removed", async (t) => {
  for (const reason of ["ESERVFAIL", "ETIMEOUT"]) {
    const { clock, dns, keeper, known, states } = world(t);
    dns.zone.set("a.test/4", answer(30, "192.0.2.1"));
    dns.zone.set("a.test/6", answer(30));
    keeper.add("a.test");
    await clock.advance(0);
    dns.down = reason;
    await clock.advance(3_600_000);
    t.same(known("a.test")?.v4, ["192.0.2.1"]);
    t.equal(states.get("a.test"), "DomainNotResolved");
    t.ok(dns.asked.length < 300, `${dns.asked.length} questions in an hour`);
    dns.down = undefined;
    dns.zone.set("a.test/4", answer(30, "192.0.2.2"));
    await clock.advance(30_000);
    t.same(known("a.test")?.v4, ["192.0.2.2"]);
    t.notOk(states.has("a.test"));
  }
});

t.test("occasional failures of the DNS have no effect", async (t) => {
  const { clock, dns, keeper, known, states } = world(t);
  dns.zone.set("a.test/4", answer(5, "192.0.2.1"));
  dns.zone.set("a.test/6", answer(5));
  keeper.add("a.test");
  for (let i = 0; i < 50; i++) {
    dns.down = i % 2 === 0 ? "ESERVFAIL" : undefined;
    await clock.advance(i % 2 === 0 ? 2_000 : 5_000);
    if (i > 0) t.same(known("a.test")?.v4, ["192.0.2.1"]);
    t.notOk(states.has("a.test"));
  }
});

t.test("a name that does not exist (any more) is reported, and queried again with back-off", async (t) => {
  const { clock, dns, keeper, known, states } = world(t);
  keeper.add("new.test");
  await clock.advance(0);
  t.same(known("new.test"), { v4: [], v6: [] });
  t.equal(states.get("new.test"), "DomainNotFound");
  await clock.advance(600_000);
  t.ok(dns.asked.length < 60, `${dns.asked.length} questions`);
  dns.zone.set("new.test/4", answer(5, "192.0.2.1"));
  dns.zone.set("new.test/6", answer(5));
  await clock.advance(30_000);
  t.same(known("new.test")?.v4, ["192.0.2.1"]);
  t.notOk(states.has("new.test"));
  dns.zone.clear();
  await clock.advance(30_000);
  t.same(known("new.test")?.v4, ["192.0.2.1"], "for its grace");
  await clock.advance(90_000);
  t.same(known("new.test")?.v4, []);
  t.equal(states.get("new.test"), "DomainNotFound");
});

t.test("addresses from before a restart stay until an answer replaces them", async (t) => {
  const { clock, dns, keeper, known } = world(t);
  dns.down = "ETIMEOUT";
  keeper.add("a.test", ["192.0.2.1", "2001:db8::1", "nonsense"]);
  t.same(known("a.test"), { v4: ["192.0.2.1"], v6: ["2001:db8::1"] }, "at once");
  await clock.advance(600_000);
  t.same(known("a.test"), { v4: ["192.0.2.1"], v6: ["2001:db8::1"] });
  keeper.add("b.test");
  await clock.advance(600_000);
  t.equal(known("b.test"), undefined, "nothing is known, not that there is nothing");
});

t.test("of too many addresses those of the last answer stay, and the omission is reported", async (t) => {
  const { clock, dns, keeper, known, states } = world(t);
  dns.zone.set("a.test/4", {
    ttl: 5,
    rotate: [
      ["192.0.2.1", "192.0.2.2", "192.0.2.3"],
      ["192.0.2.4", "192.0.2.5"],
    ],
  });
  dns.zone.set("a.test/6", answer(600));
  keeper.add("a.test");
  await clock.advance(5_000);
  t.equal(known("a.test")?.v4.length, 4);
  for (const address of ["192.0.2.4", "192.0.2.5"]) t.ok(known("a.test")?.v4.includes(address));
  t.notOk(states.has("a.test"));
  dns.zone.set("a.test/4", answer(5, ...Array.from({ length: 9 }, (_, i) => `198.51.100.${i}`)));
  await clock.advance(5_000);
  t.equal(known("a.test")?.v4.length, 4);
  t.equal(states.get("a.test"), "TooManyAddresses");
});

t.test("a TTL of 0 does not cause a tight loop, and a long one is limited", async (t) => {
  const { clock, dns, keeper } = world(t);
  dns.zone.set("zero.test/4", answer(0, "192.0.2.1"));
  dns.zone.set("zero.test/6", answer(1e9, "2001:db8::1"));
  keeper.add("zero.test");
  await clock.advance(600_000);
  t.equal(dns.asked.filter((question) => question.endsWith("/4")).length, 601);
  t.equal(dns.asked.filter((question) => question.endsWith("/6")).length, 3);
});

t.test("wildcards are not queried; a name that no policy has any more is not queried again", async (t) => {
  const { clock, dns, keeper, known } = world(t);
  keeper.add("*.test");
  keeper.add("a.test");
  keeper.remove("a.test");
  await clock.advance(60_000);
  t.same(
    dns.asked.filter((question) => question.startsWith("*")),
    [],
  );
  t.ok(dns.asked.length <= 2);
  t.equal(known("a.test"), undefined);
  t.equal(keeper.size, 0);
  keeper.add("b.test");
  await clock.advance(0);
  keeper.stop();
  t.equal(clock.pending, 0, "no timer is left");
});

t.test("when the DNS has another address, failed queries are repeated at once", async (t) => {
  const { clock, dns, keeper, serve, known } = world(t);
  dns.zone.set("a.test/4", answer(5, "192.0.2.1"));
  dns.zone.set("a.test/6", answer(5));
  dns.down = "ETIMEOUT";
  keeper.add("a.test");
  await clock.advance(120_000);
  dns.down = undefined;
  serve(["10.96.0.11"]);
  keeper.hurry();
  await clock.advance(0);
  t.same(known("a.test")?.v4, ["192.0.2.1"]);
});

t.test("a limited number of queries is sent at a time", async (t) => {
  const { clock, dns, keeper } = world(t);
  let open = 0;
  let most = 0;
  const plain = dns.ask.bind(dns);
  dns.ask = async (...question) => {
    most = Math.max(most, ++open);
    await new Promise((resolve) => setImmediate(resolve));
    open--;
    return plain(...question);
  };
  for (let i = 0; i < 500; i++) keeper.add(`n${i}.test`);
  for (let i = 0; i < 100; i++) await clock.advance(0);
  t.ok(dns.asked.length >= 1000);
  t.ok(most <= 32, `${most}`);
});
