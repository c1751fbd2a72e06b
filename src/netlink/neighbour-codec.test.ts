// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { decodeNeighbour, encodeNeighbourDelete, encodeNeighbourDump, encodeNeighbourSet } from "./neighbour-codec.ts";
import { canonical, canonicalGolden, survivesDamage, throwsCode } from "./testing/codec-checks.ts";

const HEADER = 12;

t.test("neighbours are set and deleted as iproute2 does", async (t) => {
  // ip neigh replace 10.16.0.1 lladdr 02:00:00:00:00:06 dev h1 nud permanent
  const set = "300000001c000505aa6b016b00000000020000000700000080000000080001000a1000010a0002000200000000060000";
  const request = encodeNeighbourSet({ index: 7, address: "10.16.0.1", mac: "02:00:00:00:00:06" });
  t.same(canonical(request, HEADER), canonicalGolden(set, HEADER));
  // ip neigh replace proxy fd00::77 dev h1
  const proxy = "300000001c000505aa6b016b000000000a000000070000008000080014000100fd000000000000000000000000000077";
  const proxied = encodeNeighbourSet({ index: 7, address: "fd00::77", proxy: true });
  t.same(canonical(proxied, HEADER), canonicalGolden(proxy, HEADER));
  // ip neigh del 10.16.0.1 dev h1
  const golden = "240000001d000500ab6b016b00000000020000000700000000000000080001000a100001";
  t.same(canonical(encodeNeighbourDelete({ index: 7, address: "10.16.0.1" }), HEADER), canonicalGolden(golden, HEADER));
});

t.test("invalid values are refused before they are sent", async (t) => {
  throwsCode(t, () => encodeNeighbourSet({ index: 7, address: "10.16.0.1" }), "invalid", /no MAC/);
  throwsCode(t, () => encodeNeighbourSet({ index: 7, address: "10.16.0.1", mac: "02" }), "invalid", /MAC/);
  throwsCode(t, () => encodeNeighbourDelete({ index: 7, address: "" }), "invalid", /not a valid IP/);
  throwsCode(t, () => encodeNeighbourDump({ index: 0 }), "invalid", /index/);
});

/** As kernel 6.18 reports them. */
const PERMANENT =
  "020000000200000080000001080001000a1000010a0002000200000000060000080004000000000014000300010000000100000001000000" +
  "00000000";
const MULTICAST =
  "0a000000020000004000000514000100ff0200000000000000000000000000160a0002003333000000160000080004000000000014000300" +
  "73170000030000000300000000000000";
const PROXY = "0a000000020000000000080114000100fd000000000000000000000000000077";

t.test("neighbours are decoded", async (t) => {
  const read = (hex: string) => decodeNeighbour(Buffer.from(hex, "hex"));
  t.same(read(PERMANENT), {
    index: 2,
    family: 4,
    address: "10.16.0.1",
    mac: "02:00:00:00:00:06",
    state: "permanent",
    proxy: false,
    router: false,
  });
  t.match(read(MULTICAST), { family: 6, address: "ff02::16", mac: "33:33:00:00:00:16", state: "noarp" });
  t.match(read(PROXY), { address: "fd00::77", proxy: true, state: "none" });
  t.equal(read(PROXY)?.mac, undefined);
});

t.test("an entry of a bridge's table is ignored", async (t) => {
  t.equal(decodeNeighbour(Buffer.from("070000000200000080000001", "hex")), undefined);
});

t.test("no input makes the decoder read out of bounds", async () => {
  for (const hex of [PERMANENT, MULTICAST, PROXY]) survivesDamage(decodeNeighbour, Buffer.from(hex, "hex"));
});
