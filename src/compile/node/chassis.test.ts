// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { equalsGolden } from "../../collections/testing/golden.ts";
import { formatFragment } from "../../reconcile/plan-text.ts";
import { plainVip, templateVip, zoneVariable } from "../service/template-variables.ts";
import { addChassis, addNode, sampleFacts } from "../testing/sample-facts.ts";
import { chassisUnit } from "./chassis.ts";

t.test("a node's variables are those in which addresses are spelled, and its zone", async (t) => {
  const facts = sampleFacts();
  t.equal(chassisUnit.read(facts, "weft-1"), undefined, "its daemon has not reported its chassis");
  addChassis(facts, "weft-1", "5b0f-1", "eu_1-a");
  const text = formatFragment(chassisUnit.compile(chassisUnit.read(facts, "weft-1")!));
  equalsGolden(t, new URL("../units.golden/chassis.txt", import.meta.url), text);
});

t.test("of nodes that report the same chassis one has its variables", async (t) => {
  const facts = sampleFacts();
  addChassis(facts, "weft-2", "twin");
  addChassis(facts, "weft-1", "twin");
  const rows = (node: string) => chassisUnit.compile(chassisUnit.read(facts, node)!).rows.length;
  t.equal(rows("weft-1"), 1);
  t.equal(rows("weft-2"), 0);
  addNode(facts, "weft-1", "172.18.0.11");
  t.equal(rows("weft-2"), 1);
});

t.test("names of variables have the characters that OVN accepts, and no two zones have the same", async (t) => {
  const zones = ["", "_", "-", "a-b", "a_b", "a.b", "a_db", "a_", "_n", "n", "é", "a_e9_"];
  const names = zones.map(zoneVariable);
  for (const name of names) t.match(name, /^[a-zA-Z0-9_.]+$/);
  t.equal(new Set(names).size, zones.length);
});

t.test("an address of a template is plain for IPv4, and without a colon of its own for IPv6", async (t) => {
  t.equal(templateVip("10.96.0.20", 80), "10.96.0.20:80");
  t.equal(templateVip("10.96.0.20", 80, "zone.a"), "10.96.0.20^zone.a:80");
  t.equal(templateVip("fd::2", 80), "^xf^xd^colon^colon^x2:80");
  t.equal(templateVip("10.96.0.20", 80, "zone.a", "other.u.tcp.80.v4"), "10.96.0.20^zone.a^other.u.tcp.80.v4:80");
  for (const where of [[], ["zone.a_db.c"], ["zone._n", "other.u_d1.tcp.80.v4"], ["other.u.tcp.80.v4"]]) {
    t.equal(plainVip(templateVip("10.96.0.20", 80, ...where)), "10.96.0.20:80");
    t.equal(plainVip(templateVip("fd::2", 80, ...where)), "[fd::2]:80");
  }
  t.equal(plainVip("[fd::2]:80"), "[fd::2]:80");
});
