// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import { readNodeNetworks } from "./node-networks.ts";

t.test("networks are read by name, with canonical addresses", async (t) => {
  const text = '{"storage": "192.168.10.11", "backup": "FD00:0:0::11"}';
  t.strictSame(readNodeNetworks(text), {
    ok: true,
    networks: { backup: "fd00::11", storage: "192.168.10.11" },
    problems: [],
  });
  for (const nothing of [undefined, "", " ", "{}"])
    t.strictSame(readNodeNetworks(nothing), { ok: true, networks: {}, problems: [] });
});

t.test("a text that is not a JSON object is ignored", async (t) => {
  for (const text of ["{", "[]", "null", '"storage"', "storage=192.168.10.11", `{"a":"${"1".repeat(5_000)}"}`])
    t.match(readNodeNetworks(text), { ok: false, message: /must be a JSON object|more than 4096/ }, text.slice(0, 40));
  const many = Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`n${i}`, `192.168.10.${i + 1}`]));
  t.match(readNodeNetworks(JSON.stringify(many)), { ok: false, message: "has 17 networks; the limit is 16" });
});

t.test("an invalid entry is reported, and the others are used", async (t) => {
  for (const [name, address, message] of [
    ["a", "192.168.10.300", '"192.168.10.300" is not a valid IP address'],
    ["a", "192.168.10.0/24", '"192.168.10.0/24" is not a valid IP address'],
    ["a", 7, "7 is not a valid IP address"],
    ["a", null, "null is not a valid IP address"],
    ["a", "127.0.0.1", "127.0.0.1 cannot be the address of one host"],
    ["a", "224.0.0.1", "224.0.0.1 cannot be the address of one host"],
    ["a", "fe80::1", "fe80::1 cannot be the address of one host"],
    ["a", "::1", "::1 cannot be the address of one host"],
    ["a", "::ffff:192.168.10.1", "::ffff:192.168.10.1 cannot be the address of one host"],
    ["", "192.168.10.1", "its name must have 1 to 63 printable ASCII characters without blanks"],
    ["a b", "192.168.10.1", "its name must have 1 to 63 printable ASCII characters without blanks"],
  ] as const) {
    const found = readNodeNetworks(JSON.stringify({ [name]: address, z: "192.168.10.11" }));
    t.match(found, { ok: true, networks: { z: "192.168.10.11" } }, String(address));
    t.strictSame(found.ok && found.problems, [{ network: name, message }]);
  }
});

t.test("no text throws", async () => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => typeof readNodeNetworks(text).ok === "boolean"));
});
