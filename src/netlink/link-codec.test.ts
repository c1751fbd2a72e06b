// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import { decodeAttributes } from "./attributes.ts";
import {
  decodeLink,
  encodeLinkCreate,
  encodeLinkDelete,
  encodeLinkGet,
  encodeLinkSet,
  encodeVethCreate,
} from "./link-codec.ts";
import { canonical, canonicalGolden, survivesDamage, throwsCode } from "./testing/codec-checks.ts";

const HEADER = 16;

t.test("creating a veth pair sends the request of iproute2", async (t) => {
  // ip link add h0 up address 02:00:00:00:00:01 mtu 1400 type veth
  //   peer address 02:00:00:00:00:05 mtu 1400 netns NAME name eth0
  const golden =
    "88000000100005069e6b016b00000000000000000000000001000000010000000a0001000200000000010000080004007805000007000300" +
    "683000004c0012000800010076657468400002003c000100000000000000000000000000000000000a000100020000000005000008000400" +
    "7805000008001c0004000000090003006574683000000000";
  const request = encodeVethCreate(
    { name: "h0", mac: "02:00:00:00:00:01", mtu: 1400, up: true },
    { name: "eth0", mac: "02:00:00:00:00:05", mtu: 1400 },
    4,
  );
  t.same(canonical(request, HEADER), canonicalGolden(golden, HEADER));
});

t.test("creating a bridge and a VLAN sends the requests of iproute2", async (t) => {
  // ip link add br0 type bridge
  const bridge =
    "38000000100005069f6b016b00000000000000000000000000000000000000000800030062723000100012000a0001006272696467650000";
  t.same(canonical(encodeLinkCreate("bridge", { name: "br0" }), HEADER), canonicalGolden(bridge, HEADER));
  // ip link add link h1 name h1.5 type vlan id 5
  const vlan =
    "4c00000010000506a06b016b000000000000000000000000000000000000000008000500070000000900030068312e35000000001800120008" +
    "000100766c616e0c0002000600010005000000";
  const request = encodeLinkCreate("vlan", { name: "h1.5" }, { parent: 7, vlan: 5 });
  t.same(canonical(request, HEADER), canonicalGolden(vlan, HEADER));
});

t.test("a change contains only the changed attributes", async (t) => {
  // ip link set h1 up address 02:00:00:00:00:09 mtu 1300 alias hello
  const golden =
    "4000000010000500a06b016b00000000000000000400000001000000010000000a00010002000000000900000800040014050000090014006865" +
    "6c6c6f000000";
  const request = encodeLinkSet(4, { up: true, mac: "02:00:00:00:00:09", mtu: 1300, alias: "hello" });
  // iproute2 sends RTM_NEWLINK, which changes an existing link if it may not create one.
  t.same(canonical({ ...request, type: 16 }, HEADER), canonicalGolden(golden, HEADER));
  t.equal(
    encodeLinkSet(4, { up: false, promiscuous: true }).payload.toString("hex"),
    "00000000040000000001000001010000",
  );
  t.equal(encodeLinkSet(4, {}).payload.toString("hex"), "00000000040000000000000000000000");
});

t.test("an interface is named by index or by name", async (t) => {
  // ip link del h1
  const golden = "20000000110005009f6b016b0000000000000000040000000000000000000000";
  t.same(canonical(encodeLinkDelete(4), HEADER), canonicalGolden(golden, HEADER));
  t.equal(decodeAttributes(encodeLinkGet("eth0").payload.subarray(HEADER)).text(3), "eth0");
});

t.test("values that the kernel would misinterpret are refused before they are sent", async (t) => {
  for (const name of ["", ".", "..", "a/b", "a b", "a:b", "a%d", "sixteen-letters-", "fünf-und-zwanzig", "a\0b"]) {
    throwsCode(t, () => encodeLinkSet(4, { name }), "invalid", /not a valid interface name/);
  }
  throwsCode(t, () => encodeLinkGet(0), "invalid", /index/);
  throwsCode(t, () => encodeLinkSet(1.5, {}), "invalid", /index/);
  throwsCode(t, () => encodeLinkSet(4, { mac: "01:00:5e:00:00:01" }), "invalid", /MAC/);
  throwsCode(t, () => encodeLinkSet(4, { mtu: -1 }), "invalid", /MTU/);
  throwsCode(t, () => encodeLinkSet(4, { alias: "x".repeat(256) }), "invalid", /alias/);
  throwsCode(t, () => encodeLinkCreate("vlan", { name: "v" }, { parent: 7, vlan: 4095 }), "invalid", /VLAN/);
});

/** A veth that is a bridge's port, as kernel 6.18 reports it, without its counters. */
const VETH =
  "00000100020000004310010000000000070003006830000008000d00e8030000050010000600000005001100000000000800040078050000" +
  "08001b000000000008001e0001000000080020000200000008000a000300000005002100010000000a00140068656c6c6f0000000a000100" +
  "02000000000100000a000200ffffffffffff00001c0012000900010076657468000000000b00040062726964676500000800250000000000" +
  "08000500020000000c0006006e6f717565756500300034801e003500612d7261746865722d6c6f6e672d6e616d652d666f722d6974000000" +
  "0b0035007365636f6e64000004003e8004004180";

t.test("a link is decoded", async (t) => {
  t.same(decodeLink(Buffer.from(VETH, "hex")), {
    index: 2,
    name: "h0",
    kind: "veth",
    mac: "02:00:00:00:00:01",
    mtu: 1400,
    up: true,
    carrier: true,
    operState: "up",
    loopback: false,
    promiscuous: false,
    alias: "hello",
    group: 0,
    altNames: ["a-rather-long-name-for-it", "second"],
    master: 3,
    peer: 2,
    peerNetnsId: 0,
    flags: 0x11043,
  });
});

t.test("a bridge's message that it lost a port is not of a link", async (t) => {
  const payload = Buffer.from(VETH, "hex");
  payload[0] = 7;
  t.equal(decodeLink(payload), undefined);
});

t.test("names, MACs and MTUs are decoded as they were encoded", async (t) => {
  const letters = "abcdefghijklmnopqrstuvwxyz0123456789.-_";
  const name = fc.string({ unit: fc.constantFrom(...letters.split("")), minLength: 3, maxLength: 15 });
  const mac = fc
    .array(fc.nat(255), { minLength: 5, maxLength: 5 })
    .map((rest) => [2, ...rest].map((byte) => byte.toString(16).padStart(2, "0")).join(":"));
  fc.assert(
    fc.property(fc.record({ name, mac, mtu: fc.nat(65_535), alias: name, up: fc.boolean() }), (link) => {
      t.match(decodeLink(encodeLinkSet(9, link).payload), { index: 9, ...link });
    }),
  );
});

t.test("no input makes the decoder read out of bounds", async () => {
  survivesDamage(decodeLink, Buffer.from(VETH, "hex"));
});
