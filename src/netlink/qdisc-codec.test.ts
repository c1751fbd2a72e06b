// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { decodeQdisc, encodeQdiscDelete, encodeQdiscSet } from "./qdisc-codec.ts";
import { handleNumber, handleText } from "./tc-message.ts";
import { canonical, canonicalGolden, survivesDamage, throwsCode } from "./testing/codec-checks.ts";

const HEADER = 20;

t.test("handles have the notation of tc", async (t) => {
  for (const handle of ["root", "1:", "1:10", "ffff:", "a:b", "0:"]) {
    t.equal(handleText(handleNumber("test", handle)), handle);
  }
  t.equal(handleNumber("test", "1:10"), 0x1_0010);
  t.equal(handleText(handleNumber("test", "0A:0B")), "a:b");
  for (const handle of ["", "1", ":1", "1:2:3", "10000:", "x:", "-1:"]) {
    throwsCode(t, () => handleNumber("test", handle), "invalid", /not a handle/);
  }
});

t.test("setting a qdisc sends the request of tc", async (t) => {
  // tc qdisc replace dev ax root handle 5746: netem …
  const netem = (options: string): string =>
    `4c0000002400050578e50b6b00000000000000000300000000004657ffffffff000000000a0001006e6574656d0000001c000200${options}`;
  for (const [how, options] of [
    // delay 600ms 400ms limit 2000 loss 10%
    [{ latency: 600, jitter: 400, limit: 2_000, loss: 10 }, "180d8f00d00700009a9999190000000000000000105e5f00"],
    // delay 20ms
    [{ latency: 20 }, "b4c40400e803000000000000000000000000000000000000"],
    // loss 0.5%
    [{ loss: 0.5 }, "00000000e803000014ae4701000000000000000000000000"],
    // limit 5
    [{ limit: 5 }, "000000000500000000000000000000000000000000000000"],
  ] as const) {
    const request = encodeQdiscSet({ index: 3, kind: "netem", handle: "5746:", ...how });
    t.same(canonical(request, HEADER), canonicalGolden(netem(options), HEADER), JSON.stringify(how));
  }
  // 300 s are too many ticks for the struct: nanoseconds follow it (TCA_NETEM_LATENCY64).
  const long = encodeQdiscSet({ index: 3, kind: "netem", latency: 300_000 }).payload.toString("hex");
  t.match(long, /00000000e8030000(00){16}0c000a0000b864d945000000$/);
  // tc qdisc del dev ax root
  const gone = "2400000025000500af71016b00000000000000000300000000000000ffffffff00000000";
  t.same(canonical(encodeQdiscDelete(3, "root"), HEADER), canonicalGolden(gone, HEADER));
});

t.test("invalid values are refused before they are sent", async (t) => {
  const tbf = { index: 3, kind: "tbf", rate: 1e6, burst: 2000, limit: 3000 } as const;
  throwsCode(t, () => encodeQdiscSet({ ...tbf, rate: 7 }), "invalid", /rate of 7/);
  throwsCode(t, () => encodeQdiscSet({ ...tbf, rate: Number.NaN }), "invalid", /rate/);
  throwsCode(t, () => encodeQdiscSet({ ...tbf, burst: 2 ** 32 }), "invalid", /burst/);
  throwsCode(t, () => encodeQdiscSet({ ...tbf, limit: -1 }), "invalid", /limit/);
  const netem = { index: 3, kind: "netem" } as const;
  throwsCode(t, () => encodeQdiscSet({ ...netem, loss: 101 }), "invalid", /loss of 101/);
  throwsCode(t, () => encodeQdiscSet({ ...netem, latency: -1 }), "invalid", /latency of -1/);
  throwsCode(t, () => encodeQdiscSet({ ...netem, jitter: Number.NaN }), "invalid", /jitter/);
  throwsCode(t, () => encodeQdiscSet({ ...netem, limit: 2 ** 32 }), "invalid", /limit/);
  throwsCode(t, () => encodeQdiscSet({ ...tbf, index: 0 }), "invalid", /index/);
});

/** As kernel 6.18 reports them, their counters cut out. */
const TBF =
  "000000000300000000000100ffffffff03000000080001007462660038000200280001000001000000000000ffffffff0000000000000000" +
  "0000000080f0fa02083d0000000000000c00040000dd0ee902000000";

t.test("qdiscs are decoded", async (t) => {
  const read = (hex: string) => decodeQdisc(Buffer.from(hex, "hex"));
  const tbf = { index: 3, kind: "tbf", handle: "1:", parent: "root", rate: 100e9, limit: 50_000_000 };
  t.same(read(TBF), tbf);
  const set = encodeQdiscSet({ index: 3, kind: "tbf", handle: "1:", rate: 200e6, burst: 125_000, limit: 500_000 });
  t.match(decodeQdisc(set.payload), { kind: "tbf", rate: 200e6, limit: 500_000 });
});

t.test("no input makes the decoder read out of bounds", async () => {
  survivesDamage(decodeQdisc, Buffer.from(TBF, "hex"));
});
