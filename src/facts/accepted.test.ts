// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import {
  ACCEPTED_ANNOTATION,
  acceptedSubnetOf,
  FORMER_ACCEPTED_ANNOTATION,
  recordAnnotations,
  recordsIn,
  recordText,
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
