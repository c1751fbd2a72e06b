// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { OvsdbError } from "./errors.ts";
import { selectedRows, transactResults } from "./result.ts";
import { TEST } from "./testing/schema.ts";

const A = "00000000-0000-4000-8000-00000000000a";

function failure(reply: unknown, operations: number): OvsdbError {
  try {
    transactResults(reply as never, operations);
  } catch (error) {
    if (error instanceof OvsdbError) return error;
  }
  throw new Error("no error");
}

t.test("a reply gives one result for each operation", async (t) => {
  t.same(transactResults([{ uuid: ["uuid", A] }, { count: 2 }, {}], 3), [{ uuid: A }, { count: 2 }, {}]);
});

t.test("an error names the failed operation, or the commit", async (t) => {
  const first = failure([{}, { error: "constraint violation", details: "why" }, null], 3);
  t.match(first, {
    code: "constraint violation",
    operation: 1,
    message: "constraint violation: why",
    mayHaveApplied: false,
  });
  const commit = failure([{}, {}, { error: "referential integrity violation", details: "why" }], 2);
  t.match(commit, { code: "referential integrity violation", operation: undefined, retryable: false });
});

t.test("an unknown error name is kept in the message", async (t) => {
  t.match(failure([{ error: "flux violation" }], 1), { code: "other", message: "flux violation" });
});

t.test("an invalid reply is a protocol error", async (t) => {
  for (const reply of [null, {}, [null], ["x"], [{}]])
    t.equal(failure(reply, 2).code, "protocol", JSON.stringify(reply));
});

t.test("errors report what is known of the outcome", async (t) => {
  for (const code of ["disconnected", "timeout", "abandoned"] as const)
    t.ok(new OvsdbError(code, "").mayHaveApplied, code);
  for (const code of ["not connected", "constraint violation", "not owner", "overloaded"] as const) {
    t.notOk(new OvsdbError(code, "").mayHaveApplied, code);
  }
  for (const code of [
    "duplicate uuid",
    "constraint violation",
    "referential integrity violation",
    "timed out",
    "not owner",
  ] as const) {
    t.ok(new OvsdbError(code, "", { clustered: true }).mayHaveApplied, `${code} of a cluster`);
  }
  for (const code of ["aborted", "syntax error", "unknown column", "unknown database"] as const) {
    t.notOk(new OvsdbError(code, "", { clustered: true }).mayHaveApplied, `${code} of a cluster`);
  }
  t.ok(new OvsdbError("not connected", "").retryable);
  t.notOk(new OvsdbError("constraint violation", "").retryable);
});

t.test("selected rows are decoded with the selected columns", async (t) => {
  const rows = [{ _uuid: ["uuid", A], name: "s", ids: ["map", []], mode: ["set", []] }];
  t.same(selectedRows(TEST, "Switch", { rows }), [{ _uuid: A, name: "s", ids: {}, mode: undefined }]);
  t.same(selectedRows(TEST, "Switch", undefined), []);
});
