// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { VSWITCH } from "./generated/vswitch.ts";
import { monitorRequests, parseServerSchema, tableRequests } from "./selection.ts";
import { fakeOvsdb } from "./testing/fake.ts";
import { TEST } from "./testing/schema.ts";
import { schemaJson } from "./testing/schema-json.ts";

const never = (): void => {
  throw new Error("nothing should be missing");
};

t.test("a selection requests the columns and rows that it names", async (t) => {
  const requests = tableRequests(TEST, {
    Switch: ["name", "ports"],
    Port: {
      columns: ["name"],
      whereAny: [
        ["tag", "==", 3],
        ["up", "==", true],
      ],
    },
    Group: "all",
  });
  t.same(monitorRequests(requests, parseServerSchema(JSON.stringify(schemaJson(TEST))), never), {
    Switch: [{ columns: ["name", "ports"] }],
    Port: [
      {
        columns: ["name"],
        where: [
          ["tag", "==", 3],
          ["up", "==", true],
        ],
      },
    ],
    Group: [{ columns: ["name", "ports", "leader"] }],
  });
});

t.test("any of no conditions selects no row, and not every row", async (t) => {
  const requests = tableRequests(TEST, { Port: { columns: ["name"], whereAny: [] } });
  t.same(monitorRequests(requests, undefined, never), { Port: [{ columns: ["name"], where: [false] }] });
});

t.test("tables and columns that an older server lacks are reported and omitted", async (t) => {
  const old = parseServerSchema(JSON.stringify({ tables: { Switch: { columns: { name: { type: "string" } } } } }));
  const lacking: string[] = [];
  const json = monitorRequests(tableRequests(TEST, { Switch: ["name", "mode"], Group: "all" }), old, (table, column) =>
    lacking.push(column === undefined ? table : `${table}.${column}`),
  );
  t.same(json, { Switch: [{ columns: ["name"] }] });
  t.same(lacking, ["Switch.mode", "Group"]);
});

t.test("names that the schema does not have are an error of the caller", async (t) => {
  t.throws(() => tableRequests(TEST, { Nonsense: "all" } as never), TypeError);
  t.throws(() => tableRequests(TEST, { Switch: ["nonsense"] } as never), TypeError);
  t.throws(() => parseServerSchema("{}"), { code: "protocol" });
  t.throws(() => parseServerSchema("nonsense"), { code: "protocol" });
});

t.test("a mirror has the selected columns, and the compiler checks it", async (t) => {
  const server = fakeOvsdb(VSWITCH);
  t.teardown(() => server.close());
  const mirror = server.connect().monitor(VSWITCH, {
    Interface: ["name", "external_ids", "error"],
    Bridge: { columns: ["name"], whereAny: [["name", "==", "br-int"]] },
  });
  await mirror.whenSynced();
  const read = (row: ReturnType<typeof mirror.get<"Interface">>) => [
    row?.name,
    row?.external_ids["iface-id"],
    row?.error,
  ];
  t.same(read(undefined), [undefined, undefined, undefined]);
  // @ts-expect-error not among the columns
  t.equal(mirror.get("Interface", "")?.ofport, undefined);
  // @ts-expect-error not among the columns
  t.equal(mirror.get("Bridge", "")?.ports, undefined);
  // @ts-expect-error not among the tables
  t.throws(() => mirror.rows("Port"), TypeError);
});
