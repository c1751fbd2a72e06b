// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { abort, assertLock, comment, insert, mutate, remove, select, update, wait } from "./operation.ts";
import { TEST } from "./testing/schema.ts";
import { encodeWhere } from "./where.ts";

const A = "00000000-0000-4000-8000-00000000000a";
const B = "00000000-0000-4000-8000-00000000000b";

t.test("operations are encoded as in RFC 7047", async (t) => {
  t.same(insert(TEST, "Switch", A, { name: "s", ports: [B], ids: { k: "v" }, mode: "fast" }), {
    op: "insert",
    table: "Switch",
    uuid: A,
    row: { name: "s", ports: ["set", [["uuid", B]]], ids: ["map", [["k", "v"]]], mode: "fast" },
  });
  t.same(insert(TEST, "Group", undefined, {}), { op: "insert", table: "Group", row: {} });
  t.same(
    update(
      TEST,
      "Port",
      [
        ["name", "==", "p"],
        ["tag", ">", 3],
      ],
      { tag: undefined },
    ),
    {
      op: "update",
      table: "Port",
      where: [
        ["name", "==", "p"],
        ["tag", ">", 3],
      ],
      row: { tag: ["set", []] },
    },
  );
  t.same(remove(TEST, "Port", A), { op: "delete", table: "Port", where: [["_uuid", "==", ["uuid", A]]] });
  t.same(
    mutate(TEST, "Switch", A, [
      ["ports", "insert", [B]],
      ["ids", "delete", ["k"]],
      ["ids", "insert", { k: "w" }],
      ["queues", "delete", ["7"]],
      ["generation", "+=", 1],
    ]).op,
    "mutate",
  );
  t.same(select(TEST, "Group", [], ["name"]), { op: "select", table: "Group", where: [], columns: ["name"] });
  t.same(wait(TEST, "Switch", { where: A, until: "==", rows: [{ generation: 3 }], timeoutMs: 0 }), {
    op: "wait",
    table: "Switch",
    where: [["_uuid", "==", ["uuid", A]]],
    columns: ["generation"],
    until: "==",
    rows: [{ generation: 3 }],
    timeout: 0,
  });
  t.same(
    [assertLock("l"), comment("c"), abort()],
    [{ op: "assert", lock: "l" }, { op: "comment", comment: "c" }, { op: "abort" }],
  );
});

t.test("keys can be deleted from a map with or without their values", async (t) => {
  const operation = mutate(TEST, "Switch", A, [
    ["ids", "delete", ["k"]],
    ["ids", "delete", { k: "v" }],
    ["queues", "delete", ["7"]],
  ]);
  t.same("mutations" in operation && operation.mutations, [
    ["ids", "delete", ["set", ["k"]]],
    ["ids", "delete", ["map", [["k", "v"]]]],
    ["queues", "delete", ["set", [7]]],
  ]);
});

t.test("bad values, columns and tables are refused before anything is sent", async (t) => {
  t.throws(() => insert(TEST, "Switch", "not-a-uuid", {}), { code: "invalid value" });
  t.throws(() => remove(TEST, "Switch", "not-a-uuid"), { code: "invalid value" });
  t.throws(() => update(TEST, "Switch", A, { name: 5 as never }), { code: "invalid value", message: /^Switch\.name/ });
  for (const text of ["a\0b", "\udead"]) {
    t.throws(() => insert(TEST, "Port", A, { name: text }), { code: "invalid value", message: /^Port\.name: / });
    t.throws(() => update(TEST, "Switch", A, { ids: { k: text } }), {
      code: "invalid value",
      message: /^Switch\.ids: /,
    });
    t.throws(() => mutate(TEST, "Switch", [["name", "==", text]], []), { code: "invalid value" });
    t.throws(() => comment(text), { code: "invalid value" });
    t.throws(() => assertLock(text), { code: "invalid value" });
  }
  t.throws(() => mutate(TEST, "Switch", A, [["ports", "insert", [A, A]]]), { code: "invalid value" });
  t.throws(() => mutate(TEST, "Switch", A, [["ids", "delete", ["k", "k"]]]), { code: "invalid value" });
  t.throws(() => mutate(TEST, "Switch", A, [["generation", "+=", Number.NaN]]), { code: "invalid value" });
  t.throws(() => update(TEST, "Switch", A, { nonsense: 5 } as never), TypeError);
  t.throws(() => insert(TEST, "Nonsense" as never, A, {} as never), TypeError);
});

t.test("an explicitly empty condition selects every row", async (t) => {
  t.same(encodeWhere(TEST.tables.Switch, "Switch", []), []);
});
