// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { decodeStaleFlows, type StaleFlows } from "../../contract/stale-udp-flows.ts";
import { StaleFlowsRecord } from "./stale-udp-record.ts";

const entry = (cfg: number, count = 1): StaleFlows => ({
  cfg,
  flows: Array.from({ length: count }, (_, i) => ({
    service: "10.96.0.10:53",
    endpoint: `10.16.${i >> 8}.${i & 255}:5353`,
  })),
});

t.test("the last entries are recorded, as many as fit", (t) => {
  let text = "";
  const record = new StaleFlowsRecord((now) => {
    text = now;
  });
  const cfgs = (): readonly number[] => decodeStaleFlows(text).map(({ cfg }) => cfg);
  for (let cfg = 1; cfg <= 20; cfg++) record.add(entry(cfg));
  t.same(
    cfgs(),
    Array.from({ length: 16 }, (_, i) => i + 5),
  );
  record.add(entry(21, 1_000));
  t.same(cfgs(), [21]);
  t.ok((decodeStaleFlows(text)[0]?.flows.length ?? 0) >= 100, "part of them");
  record.add(entry(22, 100));
  t.same(cfgs(), [22]);
  t.end();
});

t.test("a later term does not record again what an earlier one has recorded", (t) => {
  let text = "";
  const record = new StaleFlowsRecord((now) => {
    text = now;
  });
  record.add(entry(1));
  // Another leader has replaced the record, and nodes would treat entry 1 as new.
  record.clear();
  record.add(entry(3));
  t.same(
    decodeStaleFlows(text).map(({ cfg }) => cfg),
    [3],
  );
  t.end();
});
