// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { SAMPLE_SET } from "../../api/sampling.ts";
import { type CollectorSetView, planCollector } from "./collector-rows.ts";
import { FlowTable, KEPT } from "./flow-table.ts";
import { type FlowSample, IpfixDecoder } from "./ipfix.ts";

/** A message of IPFIX with these sets: id → content. */
function message(...sets: readonly (readonly [id: number, content: Buffer])[]): Buffer {
  return messageOf(87, ...sets);
}

function messageOf(domain: number, ...sets: readonly (readonly [id: number, content: Buffer])[]): Buffer {
  const bodies = sets.map(([id, content]) => {
    const head = Buffer.alloc(4);
    head.writeUInt16BE(id, 0);
    head.writeUInt16BE(4 + content.length, 2);
    return Buffer.concat([head, content]);
  });
  const head = Buffer.alloc(16);
  head.writeUInt16BE(10, 0);
  head.writeUInt16BE(16 + bodies.reduce((sum, body) => sum + body.length, 0), 2);
  head.writeUInt32BE(domain, 12);
  return Buffer.concat([head, ...bodies]);
}

const words = (...values: readonly number[]): Buffer => {
  const buffer = Buffer.alloc(2 * values.length);
  for (const [i, value] of values.entries()) buffer.writeUInt16BE(value, 2 * i);
  return buffer;
};

/** Point, a name of variable length, an element of an enterprise's own, version 4, protocol, ports, packets. */
const TEMPLATE = Buffer.concat([
  words(256, 8),
  words(138, 4, 82, 0xffff, 0x8000 | 891, 1),
  Buffer.from([0, 0, 0x1a, 0xdc]),
  words(8, 4, 12, 4, 4, 1, 11, 2, 2, 8),
]);
const RECORD = Buffer.concat([
  Buffer.from([0, 0, 1, 2]),
  Buffer.from([3, ...Buffer.from("abc")]),
  Buffer.from([7]),
  Buffer.from([10, 16, 0, 2, 10, 16, 0, 3, 6]),
  words(5432),
  Buffer.from([0, 0, 0, 0, 0, 0, 0, 4]),
]);
const SAMPLE: FlowSample = {
  point: 258,
  from: "10.16.0.2",
  to: "10.16.0.3",
  protocol: 6,
  fromPort: 0,
  toPort: 5432,
  packets: 4,
};

t.test("a flow is decoded by the template that came before it, also in the same message", async (t) => {
  const decoder = new IpfixDecoder();
  t.strictSame(decoder.decode(message([256, RECORD])), [], "its template is not known yet");
  t.strictSame(decoder.decode(message([2, TEMPLATE], [256, RECORD])), [SAMPLE]);
  t.strictSame(decoder.decode(message([256, Buffer.concat([RECORD, RECORD, Buffer.alloc(2)])])), [SAMPLE, SAMPLE]);
});

t.test("IPv6 addresses are in canonical form", async (t) => {
  const decoder = new IpfixDecoder();
  const template = words(300, 4, 138, 4, 27, 16, 28, 16, 4, 1);
  const ip = (last: number): Buffer => Buffer.from([0xfd, 0, 0, 0x10, 0, 0x16, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
  const record = Buffer.concat([Buffer.from([0, 0, 0, 1]), ip(2), ip(0xab), Buffer.from([58])]);
  const [flow] = decoder.decode(message([2, template], [300, record]));
  t.match(flow, { from: "fd00:10:16::2", to: "fd00:10:16::ab", protocol: 58, toPort: 0 });
});

t.test("a message that is not IPFIX, or is truncated anywhere, gives no flow and no exception", async (t) => {
  const whole = message([2, TEMPLATE], [256, RECORD]);
  for (let length = 0; length < whole.length; length++)
    t.strictSame(new IpfixDecoder().decode(whole.subarray(0, length)), [], `${length} bytes`);
  for (let at = 0; at < whole.length; at++) {
    const other = Buffer.from(whole);
    other.writeUInt8(other.readUInt8(at) ^ 0xff, at);
    t.ok(new IpfixDecoder().decode(other).length <= 1, `byte ${at}`);
  }
});

t.test("flows of all datapaths of a node are decoded, however many there are", async (t) => {
  const decoder = new IpfixDecoder();
  const templates = Array.from(
    { length: 88 },
    (_, i) => [2, Buffer.concat([words(256 + i, 8), TEMPLATE.subarray(4)])] as const,
  );
  const domains = Array.from({ length: 200 }, (_, i) => (87 << 24) + i);
  for (const domain of domains) decoder.decode(messageOf(domain, ...templates));
  for (const domain of domains) t.equal(decoder.decode(messageOf(domain, [300, RECORD])).length, 1, String(domain));
});

t.test(
  "templates of another program do not displace those of Open vSwitch, and take little memory and time",
  async (t) => {
    const decoder = new IpfixDecoder();
    for (let id = 256; id < 0xffff; id++)
      decoder.decode(message([2, Buffer.concat([words(id, 8), TEMPLATE.subarray(4)])]));
    t.same(decoder.decode(message([2, TEMPLATE], [256, RECORD])), [SAMPLE]);
    const needed = [138, 4, 8, 4, 12, 4, 4, 1];
    const wide = Array.from({ length: 16_000 }, () => [900, 1]).flat();
    const empty = Array.from({ length: 60 }, () => [900, 0]).flat();
    const record = Buffer.alloc(60_000, 1);
    for (const extra of [wide, empty]) {
      const template = words(400, (needed.length + extra.length) / 2, ...needed, ...extra);
      decoder.decode(message([2, template]));
      t.strictSame(decoder.decode(message([400, record])), [], "it is not kept");
    }
    decoder.decode(message([2, words(400, 4, ...needed)]));
    t.equal(
      decoder.decode(message([400, Buffer.alloc(26, 1)])).length,
      2,
      "and neither is the one before it, once there is another",
    );
  },
);

t.test(
  "connections that differ in the client's port are one flow; who has seen the flows gets what has changed since",
  async (t) => {
    const table = new FlowTable(0);
    table.add({ ...SAMPLE, fromPort: 1000 }, 1_000);
    table.add({ ...SAMPLE, fromPort: 1001 }, 2_000);
    table.add({ ...SAMPLE, point: 3 }, 3_000);
    const flows = table.since(0, 3_000);
    t.match(flows, [
      { sequence: 2, point: 258, port: 5432, first: 1_000, last: 2_000, packets: 8 },
      { sequence: 3, point: 3, packets: 4 },
    ]);
    t.strictSame(
      table.since(2, 3_000).map(({ point }) => point),
      [3],
    );
    t.strictSame(
      table.since(0, 2_000 + KEPT.ms).map(({ point }) => point),
      [3],
      "an hour later it is gone",
    );
  },
);

t.test(
  "a node keeps a bounded number of flows: those that were not seen for longest are dropped, and counted",
  async (t) => {
    const table = new FlowTable(0);
    for (let i = 0; i < KEPT.flows + 10; i++) table.add({ ...SAMPLE, point: i + 1 }, i);
    t.equal(table.since(0, KEPT.flows).length, KEPT.flows);
    t.equal(table.dropped, 10);
    t.equal(table.since(0, KEPT.flows)[0]?.point, 11);
  },
);

t.test("who asks for what came after the last flow of a daemon gets the flows of the next daemon", async (t) => {
  const [first, next] = [new FlowTable(1_000), new FlowTable(2_000)];
  for (let i = 0; i < 9; i++) first.add(SAMPLE, 1_001 + i);
  const seen = first.since(0, 2_000).at(-1)?.sequence ?? 0;
  next.add(SAMPLE, 2_001);
  t.equal(next.since(seen, 2_001).length, 1);
  const behind = new FlowTable(500);
  behind.add(SAMPLE, 501);
  t.equal(behind.since(seen, 501).length, 1, "also if the clock has been set back meanwhile");
});

const BRIDGE = "00000000-0000-4000-8000-0000000000bb";
const own = (target: string, bridge = BRIDGE): CollectorSetView => ({
  ...{ _uuid: "00000000-0000-4000-8000-0000000000aa", id: SAMPLE_SET, bridge, ipfix: "x" },
  external_ids: { vendor: "kube-ovn", target },
});
const another: CollectorSetView = { _uuid: "other", id: 1, bridge: BRIDGE, ipfix: undefined, external_ids: {} };

t.test("Open vSwitch sends samples to the target of this process, and sets of other programs stay", async (t) => {
  let made = 0;
  const plan = (target: string | undefined, found: readonly CollectorSetView[], bridge: string | undefined = BRIDGE) =>
    planCollector(target, found, bridge, () => `00000000-0000-4000-8000-00000000000${made++ % 10}`).map(
      (operation) => `${operation.op} ${String(Reflect.get(operation, "table"))}`,
    );
  const insert = ["insert IPFIX", "insert Flow_Sample_Collector_Set"];
  t.strictSame(plan("127.0.0.1:1", [another]), insert);
  t.strictSame(plan("127.0.0.1:1", [another, own("127.0.0.1:1")]), []);
  t.strictSame(plan("127.0.0.1:2", [own("127.0.0.1:1")]), ["delete Flow_Sample_Collector_Set", ...insert]);
  t.strictSame(plan(undefined, [another, own("127.0.0.1:1")]), ["delete Flow_Sample_Collector_Set"]);
  t.strictSame(
    planCollector("127.0.0.1:1", [], undefined, () => ""),
    [],
    "there is no bridge yet",
  );
});
