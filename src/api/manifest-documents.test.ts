// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { manifestDocuments } from "./manifest-documents.ts";

t.test("documents have the lines at which they begin, empty ones too", async (t) => {
  const documents = [...manifestDocuments('# a comment\nkind: A\n---\n---\n{"kind": "B"}\n')];
  t.match(documents, [{ line: 2, value: { kind: "A" } }, { value: null }, { line: 5, value: { kind: "B" } }]);
  t.strictSame([...manifestDocuments("")], []);
});

t.test("a document that cannot be read says why and where, and the others are read", async (t) => {
  const [first, second] = [...manifestDocuments("kind: A\n---\nkind: [\n")];
  t.strictSame(first, { line: 1, value: { kind: "A" } });
  t.match(second, { problem: /at line 4/ });
  t.match([...manifestDocuments("a: *unknown\n")], [{ line: 1, problem: /alias/ }]);
  const aliases = `a: &a [x, x]\nb: [${"*a, ".repeat(200)}*a]\n`;
  t.match([...manifestDocuments(aliases)], [{ line: 1, problem: /line 1: more than 100 aliases/ }]);
});
