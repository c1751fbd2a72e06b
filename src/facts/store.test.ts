// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { Failures } from "../desired/failures.ts";
import { factStore } from "../kinds/store.ts";
import { ManualClock } from "../time/testing/manual-clock.ts";
import { type Dependency, dependency, includesDependency } from "./dependency.ts";
import type { IpFact } from "./ip.ts";
import { recordingReader, strictReader, UnreadFactError } from "./store.ts";

function ip(name: string, holder: string, subnet: string): IpFact {
  const rest = {
    provider: "ovn",
    node: "",
    v4: "",
    v6: "",
    mac: "",
    version: "",
    podUid: "",
    podType: "",
    created: "",
    reserved: false,
    deleting: false,
    finalizers: [],
  };
  return { key: name, name, uid: name, holder, subnet, ...rest };
}

t.test("writing an equal fact changes nothing and notifies no listener", async (t) => {
  const facts = factStore();
  let told = 0;
  facts.subscribe(() => told++);
  facts.set("ips", "a", ip("a", "x", "s"));
  t.equal(facts.set("ips", "a", ip("a", "x", "s")), undefined);
  t.equal(told, 1);
});

t.test("a change touches the fact, its kind, and the index entries it left and entered", async (t) => {
  const facts = factStore();
  facts.set("ips", "a", ip("a", "x", "s1"));
  const change = facts.set("ips", "a", ip("a", "x", "s2"));
  t.same(change?.touched, [
    dependency.fact("ips", "a"),
    dependency.all("ips"),
    dependency.index("ips", "subnet", "s1"),
    dependency.index("ips", "holder", "x"),
    dependency.index("ips", "subnet", "s2"),
  ]);
  t.same(facts.by("ips", "subnet", "s1"), []);
  t.equal(facts.by("ips", "subnet", "s2").length, 1);
  facts.set("ips", "a", undefined);
  t.same(facts.by("ips", "subnet", "s2"), []);
});

t.test("lookups come in the order of keys, whatever order facts came in", async (t) => {
  const facts = factStore();
  for (const name of ["c", "a", "b"]) facts.set("ips", name, ip(name, "", "s"));
  t.same(
    facts.by("ips", "subnet", "s").map((fact) => fact.name),
    ["a", "b", "c"],
  );
  t.same(
    facts.all("ips").map((fact) => fact.name),
    ["a", "b", "c"],
  );
});

t.test("a recording reader notes what is asked for, also where nothing is found", async (t) => {
  const seen: Dependency[] = [];
  const reader = recordingReader(factStore(), seen);
  reader.get("pods", "x");
  reader.by("ips", "holder", "x");
  reader.all("nodes");
  t.same(seen, [dependency.fact("pods", "x"), dependency.index("ips", "holder", "x"), dependency.all("nodes")]);
});

t.test("changes made by listeners are delivered breadth-first, each to all listeners before the next", async (t) => {
  const facts = factStore();
  const told: string[] = [];
  facts.subscribe(({ key }) => {
    told.push(`first ${key}`);
    if (key === "a") for (const name of ["b", "c"]) facts.set("ips", name, ip(name, "", "s"));
    if (key === "b") facts.set("ips", "d", ip("d", "", "s"));
  });
  facts.subscribe(({ key }) => void told.push(`second ${key}`));
  facts.set("ips", "a", ip("a", "", "s"));
  t.same(
    told,
    ["a", "b", "c", "d"].flatMap((key) => [`first ${key}`, `second ${key}`]),
  );
});

t.test("a subscriber sees everything that is derived from a change", async (t) => {
  const facts = factStore();
  const next: Record<string, string> = { a: "b", b: "c", x: "y" };
  facts.derive(({ key }) => {
    const follows = next[key];
    if (follows !== undefined) facts.set("ips", follows, ip(follows, "", "s"));
  });
  const found: string[] = [];
  facts.subscribe(({ key }) => {
    found.push(
      `${key}: ${facts
        .all("ips")
        .map(({ name }) => name)
        .join(" ")}`,
    );
    if (key === "a") facts.set("ips", "x", ip("x", "", "s"));
  });
  facts.subscribe(({ key }) => key === "a" && t.equal(facts.get("ips", "y")?.name, "y", "what another has set, too"));
  facts.set("ips", "a", ip("a", "", "s"));
  t.same(found, ["a: a b c", "b: a b c x y", "c: a b c x y", "x: a b c x y", "y: a b c x y"]);
});

t.test("a listener that throws does not affect the others, and gets what it missed as one change", async (t) => {
  const timers = new ManualClock();
  const said: string[] = [];
  const failures = new Failures(timers, ({ part, where, kind, key, error, attempts }) =>
    said.push(`${part} ${where} ${kind} ${key}: ${error.message} (${attempts})`),
  );
  const facts = factStore(failures);
  let broken = true;
  const took: string[] = [];
  facts.subscribe(({ key, old, new: now, touched }) => {
    if (broken && key === "a") throw new Error("odd");
    took.push(`${key} ${(old as IpFact | undefined)?.holder} -> ${(now as IpFact | undefined)?.holder}`);
    t.equal(includesDependency(touched, dependency.index("ips", "holder", "x")), key === "a");
  }, "odd one");
  let heard = 0;
  facts.subscribe(() => heard++);
  facts.set("ips", "a", ip("a", "x", "s"));
  facts.set("ips", "b", ip("b", "y", "s"));
  facts.set("ips", "a", ip("a", "z", "s"));
  t.equal(heard, 3);
  t.same(took, ["b undefined -> y"]);
  t.same(said, ["listener odd one ips a: odd (1)", "listener odd one ips a: odd (2)"]);
  await timers.advance(999);
  t.equal(said.length, 2, "it backs off");
  await timers.advance(1);
  t.equal(said.length, 3, "and it is reported again");
  broken = false;
  await timers.advance(2000);
  t.same(took, ["b undefined -> y", "a undefined -> z"]);
  t.equal(failures.size, 0);
  await timers.advance(600_000);
  t.equal(took.length, 2, "once");
});

t.test("a fact at which an index throws is not stored: the previous one stays, and it is retried", async (t) => {
  const timers = new ManualClock();
  const said: string[] = [];
  const facts = factStore(new Failures(timers, ({ part, kind, key }) => said.push(`${part} ${kind} ${key}`)));
  let broken = false;
  const former = ip("a", "x", "s1");
  facts.set("ips", "a", former);
  let told = 0;
  facts.subscribe(() => told++);
  broken = true;
  const hostile = Object.defineProperty({ ...ip("a", "x", "s2") }, "v4", {
    enumerable: false,
    get: () => {
      if (broken) throw new Error("odd");
      return "10.0.0.1";
    },
  }) as IpFact;
  t.equal(facts.set("ips", "a", hostile), undefined);
  t.equal(facts.get("ips", "a"), former);
  t.equal(told, 0);
  t.same(facts.by("ips", "subnet", "s1"), [former]);
  t.same(said, ["index ips a"]);
  facts.set("ips", "b", ip("b", "x", "s1"));
  t.equal(told, 1, "the others go on");
  broken = false;
  await timers.advance(500);
  t.same(
    facts.by("ips", "subnet", "s1").map(({ name }) => name),
    ["b"],
  );
  t.same(facts.by("ips", "address", "10.0.0.1").length, 1);
  broken = true;
  facts.set("ips", "a", undefined);
  t.same(facts.by("ips", "address", "10.0.0.1"), [], "what an index said then is taken out, whatever it says now");
});

t.test("a fact of an unreadable object is different from no fact", async (t) => {
  const facts = factStore();
  const touched: Dependency[] = [];
  facts.subscribe((change) => touched.push(...change.touched));
  facts.setUnread("vpcs", "a", true);
  facts.setUnread("pods", "default/p", true);
  const told = (one: Dependency) => includesDependency(touched, one);
  t.ok(
    told(dependency.fact("vpcs", "a")) && told(dependency.index("pods", "holder", "default/p")),
    "its readers are triggered",
  );
  const reader = strictReader(facts);
  t.throws(() => reader.get("vpcs", "a"), UnreadFactError);
  t.throws(() => reader.by("pods", "holder", "default/p"), UnreadFactError);
  t.equal(reader.get("vpcs", "b"), undefined);
  touched.length = 0;
  facts.set("vpcs", "a", undefined);
  t.ok(told(dependency.fact("vpcs", "a")), "now it is known that there is none");
  t.equal(reader.get("vpcs", "a"), undefined);
});
