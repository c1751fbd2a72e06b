// SPDX-License-Identifier: Apache-2.0

import { spawnSync } from "node:child_process";
import t from "tap";
import { makeAuthority } from "../../pki/authority.ts";
import { decideTrust, decodeTrust, encodeTrust, KEEP_MS, nextChange, SETTLE_MS, settledTime } from "./trust.ts";

const skip = spawnSync("openssl", ["version"]).status === 0 ? false : "no openssl on the PATH";
const now = Date.UTC(2026, 0, 1);
const certificate = async (folder: string, days = 30) =>
  (await makeAuthority(folder, { commonName: "ca", now, days })).certificate;

t.test("the first authorities can be used at once, a later one when all components trust it", { skip }, async (t) => {
  const folder = t.testdir();
  const [one, two] = [await certificate(folder), await certificate(folder)];
  const first = decideTrust(undefined, [one], now);
  t.equal(settledTime(first, one), 0);
  const both = decideTrust(first, [one, two], now);
  t.equal(settledTime(both, one), 0);
  t.equal(settledTime(both, two), now + SETTLE_MS);
  t.equal(nextChange(both, now), now + SETTLE_MS);
  t.equal(nextChange(both, now + SETTLE_MS), Number.POSITIVE_INFINITY);
  t.equal(settledTime(first, two), Number.POSITIVE_INFINITY);
});

t.test("a former authority is trusted for an hour, and not after its own end", { skip }, async (t) => {
  const folder = t.testdir();
  const [old, short, next] = [await certificate(folder), await certificate(folder, 1 / 48), await certificate(folder)];
  const first = decideTrust(undefined, [old, short], now);
  const replaced = decideTrust(first, [next], now + 1000);
  const names = (at: number) => decideTrust(replaced, [next], at).map((authority) => authority.certificate);
  t.strictSame(names(now + 1000), [next, old, short]);
  t.strictSame(names(now + KEEP_MS / 2), [next, old], "one has expired");
  t.equal(
    nextChange(decideTrust(replaced, [next], now + SETTLE_MS + 1000), now + SETTLE_MS + 1000),
    now + 1000 + KEEP_MS,
  );
  t.strictSame(names(now + 1000 + KEEP_MS), [next]);
  t.match(decideTrust(replaced, [old], now + 2000), [
    { certificate: old, since: 0, until: undefined },
    { certificate: next, until: now + 2000 },
    { certificate: short },
  ]);
});

t.test("the record is read as it was written, and a damaged one is refused", { skip }, async (t) => {
  const one = await certificate(t.testdir());
  const record = {
    central: decideTrust(undefined, [one], now),
    nodes: decideTrust(decideTrust([], [one], now), [], now),
  };
  t.match(record.nodes, [{ since: now, until: now }]);
  t.strictSame(decodeTrust(encodeTrust(record)), record);
  const of = (item: object) => JSON.stringify({ central: [item], nodes: [] });
  for (const text of [
    ...[
      "",
      "[]",
      "{}",
      '{"central": []}',
      of({}),
      of({ certificate: one }),
      of({ certificate: "no", since: "2026-01-01T00:00:00Z" }),
    ],
    of({ certificate: one, since: "yesterday" }),
    of({ certificate: one, since: "2026-01-01T00:00:00Z", until: 7 }),
  ])
    t.throws(() => decodeTrust(text), { code: "malformed" }, text.slice(0, 80));
});
