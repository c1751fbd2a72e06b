// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { decodeAttributes } from "./attributes.ts";
import { decodeClass, encodeClassSet } from "./class-codec.ts";
import { survivesDamage, throwsCode } from "./testing/codec-checks.ts";

const HEADER = 20;
const spec = { index: 3, parent: "1:", handle: "1:10", rate: 20e6, ceil: 50e6, burst: 15_000, ceilBurst: 15_000 };

t.test("a class has its rates, and its bursts in ticks, as tc has them", async (t) => {
  const { payload } = encodeClassSet({ ...spec, priority: 2 });
  t.equal(payload.toString("hex", 0, HEADER), "0000000003000000100001000000010000000000");
  const options = decodeAttributes(payload.subarray(HEADER)).nested(2);
  const parms = options?.bytes(1);
  // tc class add dev ax parent 1: classid 1:10 htb rate 20mbit ceil 50mbit burst 15000 cburst 15000 prio 2
  t.equal(parms?.toString("hex", 8, 12), "a0252600");
  t.equal(parms?.toString("hex", 20, 24), "105e5f00");
  t.equal(parms?.toString("hex", 24, 32), "366e01007c920000");
  t.equal(parms?.toString("hex", 36, 44), "0000000002000000");
});

t.test("the quantum stays in the range in which the kernel logs no warning", async (t) => {
  const quantum = (rate: number) =>
    decodeAttributes(encodeClassSet({ ...spec, rate, burst: 2000, ceil: rate }).payload.subarray(HEADER))
      .nested(2)
      ?.bytes(1)
      ?.readUInt32LE(32);
  t.equal(quantum(8_000), 1_000);
  t.equal(quantum(1e6), 12_500);
  t.equal(quantum(10e9), 200_000);
});

t.test("invalid values are refused before they are sent", async (t) => {
  throwsCode(t, () => encodeClassSet({ ...spec, rate: 0 }), "invalid", /rate/);
  throwsCode(t, () => encodeClassSet({ ...spec, ceil: -1 }), "invalid", /rate/);
  throwsCode(t, () => encodeClassSet({ ...spec, rate: 8 }), "invalid", /burst/);
  throwsCode(t, () => encodeClassSet({ ...spec, parent: "one" }), "invalid", /handle/);
  throwsCode(t, () => encodeClassSet({ ...spec, priority: -1 }), "invalid", /priority/);
});

/** As kernel 6.18 reports it, its counters cut out. */
const CLASS =
  "000000000300000010000200ffffffff00000000080001006874620040000200300001000001000000000000a02526000001000000000000" +
  "ffffffff366e01005a620200400d030000000000020000000c00070000eb08bf01000000";

t.test("classes are decoded", async (t) => {
  t.same(decodeClass(Buffer.from(CLASS, "hex")), {
    index: 3,
    kind: "htb",
    handle: "2:10",
    parent: "root",
    rate: 20e6,
    ceil: 60e9,
    priority: 2,
  });
  t.match(decodeClass(encodeClassSet({ ...spec, ceil: 60e9 }).payload), { rate: 20e6, ceil: 60e9, parent: "1:" });
});

t.test("no input makes the decoder read out of bounds", async () => {
  survivesDamage(decodeClass, Buffer.from(CLASS, "hex"));
});
