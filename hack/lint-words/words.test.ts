// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { count, findTerms, lowered, tooMany } from "./words.ts";

const TERMS = { eldest: "oldest", "in force": "accepted", "pod wish": "address request" };
const at = (text: string, file = "src/a.ts") => findTerms(file, text, TERMS).map(({ line, term }) => `${line} ${term}`);

t.test("terms are found in prose, whatever their case, also over lines of comments", async (t) => {
  t.same(at("What is in force.\nIn Force, and\n// in\n// force; *\n * in\n   *   force"), [
    "1 in force",
    "2 in force",
    "3 in force",
    "5 in force",
  ]);
  t.same(at("the eldest object"), ["1 eldest"]);
});

t.test("terms are found in names, and in names of files", async (t) => {
  t.same(at("const podWish = 1; type PodWish = 2; f(specInForce); eldestOf();"), [
    "1 in force",
    "1 pod wish",
    "1 pod wish",
  ]);
  t.same(at("readEldest(x)"), ["1 eldest"]);
  t.same(at("", "src/pod-wish.test.ts"), ["0 pod wish"]);
});

t.test("other words, and names that users have written, are not", async (t) => {
  t.same(at("reinforce inform inForced in-force IN_FORCE enforce in forceful eldestly"), []);
});

t.test("a folder may have as many as it had: one more is too many, in another folder as well", async (t) => {
  const found = findTerms("src/ipam/a.ts", "in force, in force", TERMS);
  t.same(count(found), { "src/ipam": { "in force": 2 } });
  t.same(tooMany(found, { "src/ipam": { "in force": 2 } }), []);
  t.equal(tooMany(found, { "src/ipam": { "in force": 1 } }).length, 2);
  t.equal(tooMany(found, { "src/net": { "in force": 9 } }).length, 2);
});

t.test("what is allowed is lowered to what there is, and never raised", async (t) => {
  const found = [...findTerms("src/ipam/a.ts", "in force", TERMS), ...findTerms("docs/a.md", "eldest", TERMS)];
  t.same(lowered(found, { "src/ipam": { "in force": 3 } }), { "src/ipam": { "in force": 1 } });
});

t.test("a folder that was moved takes with it what it was allowed", async (t) => {
  const found = findTerms("src/new/a.ts", "in force, in force", TERMS);
  t.same(lowered(found, { "src/old": { "in force": 2 } }), { "src/new": { "in force": 2 } });
  t.same(lowered(found, { "src/old": { "in force": 1 } }), {}, "and no more");
});
