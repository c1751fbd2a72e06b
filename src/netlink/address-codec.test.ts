// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import { ipFromValue } from "../net/address.ts";
import { decodeAddress, encodeAddressDelete, encodeAddressDump, encodeAddressNew } from "./address-codec.ts";
import { canonical, canonicalGolden, survivesDamage, throwsCode } from "./testing/codec-checks.ts";

const HEADER = 8;

t.test("adding an address sends the request of iproute2", async (t) => {
  const goldens = [
    [
      // ip addr add 10.16.0.5/16 broadcast 10.16.255.255 dev h1
      "3000000014000506a16b016b000000000210000007000000080002000a100005080004000a10ffff080001000a100005",
      encodeAddressNew({ index: 7, address: "10.16.0.5", prefix: 16, broadcast: "10.16.255.255" }, false),
    ],
    [
      // ip addr replace 10.17.0.5 peer 10.17.0.6/32 dev h1 noprefixroute scope link
      "3000000014000506a26b016b00000000022000fd07000000080002000a110005080001000a1100060800080000020000",
      encodeAddressNew(
        { index: 7, address: "10.17.0.5", prefix: 32, peer: "10.17.0.6", noPrefixRoute: true, scope: "link" },
        false,
      ),
    ],
    [
      // ip addr add fd00::5/64 dev h1 nodad
      "4000000014000506a36b016b000000000a4002000700000014000200fd00000000000000000000000000000514000100fd0000000000000000" +
        "00000000000005",
      encodeAddressNew({ index: 7, address: "fd00::5", prefix: 64, noDad: true }, false),
    ],
    [
      // ip addr add fd00::6/64 dev h1 valid_lft 3600 preferred_lft 1800
      "5400000014000506a46b016b000000000a4000000700000014000200fd00000000000000000000000000000614000100fd0000000000000000" +
        "0000000000000614000600" +
        "08070000100e00000000000000000000",
      encodeAddressNew({ index: 7, address: "fd00::6", prefix: 64, validSeconds: 3600, preferredSeconds: 1800 }, false),
    ],
    [
      // ip addr del 10.17.0.5 peer 10.17.0.6/32 dev h1
      "2800000015000500a46b016b000000000220000007000000080002000a110005080001000a110006",
      encodeAddressDelete({ index: 7, address: "10.17.0.5", prefix: 32, peer: "10.17.0.6" }),
    ],
  ] as const;
  for (const [golden, request] of goldens) t.same(canonical(request, HEADER), canonicalGolden(golden, HEADER));
});

t.test("ensuring an address replaces an existing one", async (t) => {
  t.equal(encodeAddressNew({ index: 7, address: "10.16.0.5", prefix: 16 }, true).flags, 0x500);
});

t.test("invalid values are refused before they are sent", async (t) => {
  const add = (spec: object) => () => encodeAddressNew({ index: 7, address: "10.16.0.5", prefix: 16, ...spec }, false);
  throwsCode(t, add({ address: "10.16.0" }), "invalid", /not a valid IP/);
  throwsCode(t, add({ prefix: 33 }), "invalid", /prefix length/);
  throwsCode(t, add({ prefix: -1 }), "invalid", /prefix length/);
  throwsCode(t, add({ index: 0 }), "invalid", /index/);
  throwsCode(t, add({ peer: "fd00::1" }), "invalid", /peer/);
  throwsCode(t, add({ broadcast: "fd00::1" }), "invalid", /broadcast/);
  throwsCode(t, add({ validSeconds: -1 }), "invalid", /lifetime/);
  throwsCode(t, () => encodeAddressDump({ index: -1 }), "invalid", /index/);
});

/** As kernel 6.18 reports them: `ip addr` of the commands above. */
const PEER =
  "022080fd02000000080001000a110006080002000a1100050700030068300000080008008002000014000600ffffffffffffffffec330500" +
  "ec330500";
const PLAIN =
  "0210800002000000080001000a100005080002000a100005080004000a10ffff0700030068300000080008008000000014000600ffffffff" +
  "ffffffffec330500ec330500";
const DYNAMIC =
  "0a4040000200000014000100fd0000000000000000000000000000061400060008070000100e0000ec330500ec3305000800080040000000";
const NODAD =
  "0a4082000200000014000100fd00000000000000000000000000000514000600ffffffffffffffffec330500ec3305000800080082000000";

t.test("addresses are decoded", async (t) => {
  const read = (hex: string) => decodeAddress(Buffer.from(hex, "hex"));
  t.match(read(PLAIN), {
    index: 2,
    family: 4,
    address: "10.16.0.5",
    prefix: 16,
    scope: "global",
    broadcast: "10.16.255.255",
    label: "h0",
    permanent: true,
  });
  t.equal(read(PLAIN)?.peer, undefined);
  t.match(read(PEER), { address: "10.17.0.5", peer: "10.17.0.6", prefix: 32, scope: "link", noPrefixRoute: true });
  t.match(read(NODAD), { family: 6, address: "fd00::5", prefix: 64, noDad: true, tentative: false, permanent: true });
  t.equal(read(NODAD)?.validSeconds, undefined);
  t.match(read(DYNAMIC), { tentative: true, permanent: false, validSeconds: 3600, preferredSeconds: 1800 });
});

t.test("an address of another family is ignored", async (t) => {
  t.equal(decodeAddress(Buffer.from("1c00000002000000", "hex")), undefined);
});

t.test("a decoded request has the requested values", async (t) => {
  const address = fc.oneof(
    fc.record({ ip: fc.bigInt(0n, 0xffff_ffffn).map((value) => ipFromValue(4, value)), prefix: fc.nat(32) }),
    fc.record({ ip: fc.bigInt(0n, (1n << 128n) - 1n).map((value) => ipFromValue(6, value)), prefix: fc.nat(128) }),
  );
  fc.assert(
    fc.property(address, fc.boolean(), ({ ip, prefix }, noPrefixRoute) => {
      const request = encodeAddressNew({ index: 3, address: ip.text, prefix, noPrefixRoute }, true);
      const expected = { index: 3, family: ip.family, address: ip.text, prefix, noPrefixRoute, scope: "global" };
      t.match(decodeAddress(request.payload), expected);
    }),
  );
});

t.test("no input makes the decoder read out of bounds", async () => {
  for (const hex of [PEER, PLAIN, DYNAMIC, NODAD]) survivesDamage(decodeAddress, Buffer.from(hex, "hex"));
});
