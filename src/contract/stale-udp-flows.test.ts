// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import { decodeStaleFlows, encodeStaleFlows, parseFlowEnd, type StaleFlows } from "./stale-udp-flows.ts";
import { anyIp } from "./testing/arbitraries.ts";

const end = (): fc.Arbitrary<string> =>
  fc
    .tuple(fc.oneof(anyIp(4), anyIp(6)), fc.integer({ min: 1, max: 65_535 }))
    .map(([ip, port]) => (ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`));
const entry = (): fc.Arbitrary<StaleFlows> =>
  fc.record(
    {
      cfg: fc.nat(),
      flows: fc.array(fc.record({ service: end(), endpoint: end() }, { noNullPrototype: true }), { maxLength: 4 }),
    },
    { noNullPrototype: true },
  );

t.test("what the controller writes is what a daemon reads", async (t) => {
  fc.assert(
    fc.property(fc.array(entry(), { maxLength: 4 }), (entries) => {
      t.strictSame(decodeStaleFlows(encodeStaleFlows(entries)), entries);
    }),
  );
});

t.test("of many flows the last ones that fit in a document are written", async (t) => {
  const flows = (count: number) =>
    Array.from({ length: count }, (_, i) => ({
      service: "[fd00:10:96::1111]:53",
      endpoint: `[fd00:10:16::${i.toString(16)}]:5353`,
    }));
  const many = Array.from({ length: 16 }, (_, cfg) => ({ cfg, flows: flows(100) }));
  const read = decodeStaleFlows(encodeStaleFlows(many));
  t.ok(read.length > 1 && read.length < 16, `${read.length} entries`);
  t.strictSame(read, many.slice(-read.length));
  const [one] = decodeStaleFlows(encodeStaleFlows([{ cfg: 7, flows: flows(2_000) }]));
  t.equal(one?.cfg, 7);
  t.ok((one?.flows.length ?? 0) > 100, `${one?.flows.length} flows`);
});

t.test("malformed flows and entries are left out", async (t) => {
  const text = JSON.stringify({
    version: 1,
    ended: [
      null,
      { cfg: "1", flows: [] },
      { cfg: 2, flows: ["10.96.0.1:53 10.16.0.2:53", "10.96.0.1:53", "a b", 7, "10.96.0.1:53 10.16.0.2:0"] },
    ],
  });
  t.strictSame(decodeStaleFlows(text), [{ cfg: 2, flows: [{ service: "10.96.0.1:53", endpoint: "10.16.0.2:53" }] }]);
  t.strictSame(decodeStaleFlows('{"version":1}'), []);
  for (const bad of ["^vip:53", "10.96.0.1", "10.96.0.1:", "10.96.0.1:65536", "fd00::1:53", "[10.96.0.1:53"])
    t.equal(parseFlowEnd(bad), undefined, bad);
});
