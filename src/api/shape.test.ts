// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import { SHAPES } from "./generated/shapes.ts";
import { type Shape, shapedSpec, shapedStatus } from "./shape.ts";

const SUBNET = SHAPES["subnets"] ?? { spec: { fields: {} }, status: { fields: {} } };

t.test("an object with the types of the CRD is returned unchanged", async (t) => {
  const spec = { cidrBlock: "10.0.0.0/8", mtu: 1400, acls: [{ match: "ip4", priority: 5 }], unknown: { a: [null] } };
  const { value, malformed } = shapedSpec(spec, SUBNET.spec);
  t.equal(value, spec);
  t.same(malformed, []);
});

t.test("a value of another type is replaced by an invalid value of the right type, and is reported", async (t) => {
  const spec = {
    cidrBlock: 5,
    mtu: {},
    private: "yes",
    excludeIps: "10.0.0.1",
    allowSubnets: ["10.1.0.0/16", null],
    acls: [null, { match: ["ip4"], priority: "9", direction: "to-lport" }],
    namespaceSelectors: ["blue", { matchLabels: { team: 5 } }],
  };
  const { value, malformed } = shapedSpec(spec, SUBNET.spec);
  t.same(value, {
    cidrBlock: "5",
    excludeIps: ['"10.0.0.1"'],
    allowSubnets: ["10.1.0.0/16", "null"],
    acls: [
      { direction: "null", match: "null", action: "null" },
      { match: "[1 entries]", direction: "to-lport" },
    ],
    namespaceSelectors: [
      { matchLabels: { "?": '"blue"' }, matchExpressions: [{ key: '"blue"', operator: '"blue"', values: ['"blue"'] }] },
      { matchLabels: { team: "5" } },
    ],
  });
  t.same(malformed.slice(0, 2), [
    { path: "spec.cidrBlock", message: "5 is not a text" },
    { path: "spec.mtu", message: "{0 fields} is not a number" },
  ]);
  t.equal(malformed.length, 5, "of many only the first ones are named");
});

t.test("null is no value, and a value that is not an object has no fields", async (t) => {
  t.same(shapedSpec({ cidrBlock: null, acls: null }, SUBNET.spec), { value: {}, malformed: [] });
  t.same(shapedSpec(undefined, SUBNET.spec), { value: {}, malformed: [] });
  for (const odd of [5, "x"]) t.equal(shapedSpec(odd, SUBNET.spec).malformed[0]?.path, "spec");
});

t.test("values of another type are left out of a status", async (t) => {
  const status = { conditions: [null, { type: "Ready", status: "True" }, "x"], v4usingIPs: {}, v6usingIPs: "9" };
  t.same(shapedStatus(status, SUBNET.status), { conditions: [{ type: "Ready", status: "True" }], v6usingIPs: "9" });
  t.same(shapedStatus({ conditions: 5 }, SUBNET.status), {});
  t.same(shapedStatus([], SUBNET.status), {});
});

t.test("any input is read with the types of the CRD", async (t) => {
  const check = (value: unknown, shape: Shape): boolean => {
    if (value === undefined) return true;
    if (shape === "text") return typeof value === "string";
    if (shape === "number") return typeof value === "number";
    if (shape === "flag") return typeof value === "boolean";
    if (shape === "count") return typeof value === "number" || typeof value === "string";
    if ("list" in shape) return Array.isArray(value) && value.every((item) => check(item, shape.list));
    if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
    const fields = Object.entries(value);
    if ("map" in shape) return fields.every(([, field]) => check(field, shape.map));
    return fields.every(
      ([key, field]) => !Object.hasOwn(shape.fields, key) || check(field, shape.fields[key] ?? "text"),
    );
  };
  const keys = Object.values(SHAPES).flatMap(({ spec }) => Object.keys(spec.fields));
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof({ maxDepth: 5 }, fc.jsonValue(), fc.array(tie("tree")), tie("object")),
    object: fc.dictionary(
      fc.constantFrom(...new Set(keys), "matchLabels", "matchExpressions", "key", "values", "__proto__", "toString"),
      tie("tree"),
    ),
  }));
  fc.assert(
    fc.property(fc.constantFrom(...Object.values(SHAPES)), tree, ({ spec, status }, value) => {
      t.ok(check(shapedSpec(value, spec).value, spec));
      t.ok(check(shapedStatus(value, status), status));
    }),
  );
});
