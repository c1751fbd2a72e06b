// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import {
  ACCEPTED_ANNOTATION,
  acceptedSubnetOf,
  FORMER_ACCEPTED_ANNOTATION,
  readFields,
  recordAnnotations,
  recordsIn,
  recordText,
  writeFields,
} from "./accepted.ts";

t.test("a record is read by either name", async (t) => {
  t.equal(recordText(undefined), "");
  t.equal(recordText({ [FORMER_ACCEPTED_ANNOTATION]: '{"a":1}' }), '{"a":1}', "of an object from before the upgrade");
  t.equal(recordText({ [ACCEPTED_ANNOTATION]: '{"a":1}' }), '{"a":1}');
  t.equal(recordText(recordAnnotations('{"a":1}')), '{"a":1}');
});

t.test("if the two differ, an older controller has written the one that it knows later", async (t) => {
  const both = { [ACCEPTED_ANNOTATION]: '{"a":"before"}', [FORMER_ACCEPTED_ANNOTATION]: '{"a":"rolled back"}' };
  t.equal(recordText(both), '{"a":"rolled back"}');
  t.equal(recordText({ ...both, [FORMER_ACCEPTED_ANNOTATION]: "{" }), '{"a":"before"}', "unless it is malformed");
  t.equal(recordText({ [ACCEPTED_ANNOTATION]: "[", [FORMER_ACCEPTED_ANNOTATION]: "{" }), "{");
  const annotations = {
    [ACCEPTED_ANNOTATION]: "10.1.0.0/24 10.1.0.1",
    [FORMER_ACCEPTED_ANNOTATION]: "10.2.0.0/24 10.2.0.1",
  };
  t.equal(acceptedSubnetOf({ uid: "s", annotations })?.cidr.v4, "10.2.0.0/24", "of a Subnet as well");
});

t.test("of an object's annotations only the records are taken", async (t) => {
  t.same(recordsIn({ a: "b", [ACCEPTED_ANNOTATION]: "x" }), { [ACCEPTED_ANNOTATION]: "x" });
  t.same(recordsIn(), {});
});

t.test("a long record is compressed, so that both copies fit into an object beside kubectl's copy of it", async (t) => {
  const fields = {
    list: Array.from({ length: 2_000 }, (_, i) => ({ cidr: `10.${i % 256}.0.0/16`, nextHopIP: "10.0.0.1" })),
  };
  const text = writeFields(fields) ?? "";
  t.ok(text.length < 48 * 1024, `${text.length} bytes for ${JSON.stringify(fields).length}`);
  t.strictSame(readFields(text), fields);
  t.equal(readFields(text.slice(0, 500)), undefined, "one that is cut off is malformed");
  t.strictSame(readFields(JSON.stringify(fields)), fields, "an earlier version did not compress it");
});

t.test("a record that expands to more than any object is malformed", async (t) => {
  const text = writeFields({ zeros: "0".repeat(5 * 1024 * 1024) }) ?? "";
  t.match(text, /^deflate:/);
  t.equal(readFields(text), undefined);
});
