import t from "tap";
import { factStore } from "../kinds/store.ts";
import { dependency, recordingReader } from "./store.ts";
import type { IpFact } from "./types.ts";

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

t.test("writing an equal fact changes nothing and tells nobody", async (t) => {
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
  t.same(
    [...(change?.touched ?? [])].sort(),
    ["ips*", "ips/a", "ips?holder=x", "ips?subnet=s1", "ips?subnet=s2"].sort(),
  );
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
  const seen = new Set<string>();
  const reader = recordingReader(factStore(), seen);
  reader.get("pods", "x");
  reader.by("ips", "holder", "x");
  reader.all("nodes");
  t.same([...seen], [dependency.fact("pods", "x"), dependency.index("ips", "holder", "x"), dependency.all("nodes")]);
});
