// SPDX-License-Identifier: Apache-2.0

import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import t from "tap";
import { parseIp } from "../net/address.ts";
import { MatchError } from "./match-error.ts";
import { evaluateMatch, parseMatch } from "./match-evaluation.ts";
import { formatMatch } from "./match-expression.ts";
import type { NamedSets, Packet } from "./packet.ts";
import { matches } from "./testing/match.ts";

const SETS: NamedSets = {
  portGroup: (name) =>
    ({ "weft.pods.a": new Set(["web", "db"]), b_c: new Set(["db"]), empty: new Set<string>() })[name],
  addressSet: (name) =>
    ({
      some: ["10.0.0.1", "10.0.1.0/24"],
      six: ["fd00::1", "fd00:0:0:2::/64"],
      "weft.pods.none_ip4": [],
      odd: ["nonsense", "10.0.0.9", "10.0.0.77/24"],
    })[name],
};

function packet(source: string, destination: string, rest: Partial<Packet> = {}): Packet {
  return { source: parseIp(source)!, destination: parseIp(destination)!, protocol: "TCP", ...rest };
}

const WEB = packet("10.0.0.1", "10.0.1.7", { inport: "web", outport: "db", sourcePort: 4000, destinationPort: 80 });
const SIX = packet("fd00::1", "fd00:0:0:2::9", { protocol: "UDP", sourcePort: 53, destinationPort: 5353 });

function holds(text: string, it: Packet = WEB): boolean {
  return evaluateMatch(parseMatch(text), it, SETS);
}

function problem(act: () => unknown): string | undefined {
  try {
    act();
  } catch (error) {
    if (error instanceof MatchError) return error.code;
    throw error;
  }
  return undefined;
}

t.test("a match is evaluated as defined in ovn-sb(5)", async (t) => {
  for (const text of [
    "1",
    "!0",
    "ip4",
    "ip && tcp",
    'inport == "web"',
    '"web" == inport',
    "outport == @weft.pods.a",
    'inport == {@b_c, "web"}',
    "ip4.src == 10.0.0.1",
    "ip4.src == 10.0.0.99/24",
    "ip4.src == 10.0.0.1/255.255.255.255",
    "ip4.src == 0.0.0.0/0",
    "ip4.src == {10.9.0.1 10.0.0.1,}",
    "ip4.src == $some && ip4.dst == $some",
    "ip4.src == {$weft.pods.none_ip4, 10.0.0.0/8}",
    "ip4.dst != {10.0.0.1, 10.0.0.2}",
    "!(ip4.dst == {10.0.0.1, 10.0.0.2})",
    "ip4.src == $odd || ip4.src == 10.0.0.1",
    "tcp.dst == {80, 443}",
    "80 <= tcp.dst <= 80",
    "81 > tcp.dst > 79",
    "79 < tcp.dst",
    "tcp.dst >= 0x50",
    "!(tcp.dst < 80)",
    "(udp || tcp) && tcp.src == 4000",
    "ip.proto == 6 && eth.type == 0x800",
    "ip4.dst[0..7] == 7",
    "!ct.est && ct.new",
    "!ip.later_frag",
    "ip4.src == 10.0.0.1 /* in words */ && tcp // and more",
    "outport == @weft.pods.a && ip4 && (tcp.dst == {80, 443} || 8000 <= tcp.dst <= 8080 || udp)",
  ]) {
    t.equal(holds(text), true, text);
  }
  for (const text of [
    "0",
    "ip6",
    "udp",
    "icmp",
    "arp",
    'outport == "web"',
    "inport == @b_c",
    "inport == @empty",
    "ip4.src == 10.0.0.2",
    "ip4.dst != {10.0.0.1, 10.0.1.7}",
    "ip4.src != 10.0.0.0/8",
    "ip4.src != 0.0.0.0/0",
    "udp.dst == 80",
    "80 < tcp.dst < 80",
    "!(79 <= tcp.dst <= 81)",
    "eth.src == 00:00:00:00:00:01",
    "!(eth.src == 00:00:00:00:00:01)",
  ]) {
    t.equal(holds(text), false, text);
  }
  t.equal(holds("ip6.src == $six && ip6.dst == $six && udp.dst == 5353", SIX), true);
  t.equal(holds("nd_ns", packet("fd00::1", "fd00::2", { protocol: "ICMPv6" })), false);
  const fields = { "icmp6.type": 135n, "icmp6.code": 0n, "ip.ttl": 255n };
  t.equal(holds("nd && nd_ns", packet("fd00::1", "fd00::2", { protocol: "ICMPv6", fields })), true);
});

t.test("a negated comparison keeps its prerequisites, so it applies to its own protocol only", async (t) => {
  t.equal(holds("ip4.src != 10.9.9.9", SIX), false);
  t.equal(holds("!(ip4.src == 10.9.9.9)", SIX), false);
  t.equal(holds("tcp.dst != 80", SIX), false);
});

t.test("a port is resident on its own node alone", async (t) => {
  const on = (text: string, node?: string): boolean =>
    evaluateMatch(parseMatch(text), node === undefined ? WEB : { ...WEB, node }, {
      ...SETS,
      nodeOf: (port) => (port === "web" ? "n1" : undefined),
    });
  t.equal(on('ip4 && is_chassis_resident("web")', "n1"), true);
  t.equal(on('ip4 && is_chassis_resident("web")', "n2"), false);
  t.equal(on('!is_chassis_resident("web")', "n2"), true);
  t.equal(on('is_chassis_resident("db")', "n1"), false);
  t.equal(on('is_chassis_resident("web")'), false, "where the node is not known");
  t.equal(formatMatch(parseMatch('!(is_chassis_resident( "web" ))')), '!is_chassis_resident("web")');
});

t.test("a comparison with nothing but empty sets is a constant, whatever the packet is", async (t) => {
  t.equal(holds("ip4.src == $weft.pods.none_ip4"), false);
  t.equal(holds("ip4.src != $weft.pods.none_ip4", SIX), true);
  t.equal(holds("!(ip4.src == {$weft.pods.none_ip4})", SIX), true);
});

t.test("matches that OVN would not install are refused, with the position of the error", async (t) => {
  for (const [text, code, position] of [
    ["", "syntax", 0],
    ["ip4 &&", "syntax", 6],
    ["ip4 && tcp || udp", "syntax", 11],
    ["!tcp.dst == 80", "syntax", 0],
    ["!!1", "syntax", 1],
    ["is_chassis_resident", "syntax", 19],
    ["is_chassis_resident(web)", "syntax", 20],
    ['is_chassis_resident("web"', "syntax", 25],
    ["2", "syntax", 1],
    ["ip4 tcp", "syntax", 4],
    ["ip4.src == {}", "syntax", 12],
    ["ip4.src == 10.0.0.256", "syntax", 11],
    ["ip4.src == 10.0.0.1/33", "syntax", 19],
    ["ip4.src == $3", "syntax", 11],
    ["tcp.dst == 080", "syntax", 11],
    ['inport == "web', "syntax", 10],
    ["ip4.src == `x`", "syntax", 11],
    ["tcp.port == 80", "unknown-symbol", 0],
    ["reg0 == 1", "unknown-symbol", 0],
    ["ip4.src == fd00::1", "type", 11],
    ["tcp.dst == 65536", "type", 11],
    ["inport == 1", "type", 10],
    ['tcp.dst == "80"', "type", 11],
    ["inport == $some", "type", 10],
    ["ip4.src == @b_c", "type", 11],
    ["ip4.src[30..32] == 1", "type", 0],
    ["tcp.dst < {1, 2}", "operator", 10],
    ["ip4.src < 10.0.0.0/8", "operator", 10],
    ["ip.proto < 6", "operator", 0],
    ["1 < tcp.dst > 2", "operator", 4],
    ['inport != "web"', "operator", 0],
    ["!(outport == @b_c)", "operator", 2],
    ["!ip4", "operator", 1],
    ["!(ip4 && tcp)", "operator", 2],
    ["ip4 == 0", "operator", 0],
    ["tcp.dst", "operator", 0],
    [`${"(".repeat(101)}1${")".repeat(101)}`, "too-deep", 100],
    ["1 || ".repeat(60_000), "too-long", undefined],
  ] as const) {
    let error: unknown;
    try {
      parseMatch(text);
    } catch (thrown) {
      error = thrown;
    }
    t.match(error, { name: "MatchError", code, position }, text.slice(0, 30));
  }
});

t.test("a match with a set that does not exist, or does not fit, is not active", async (t) => {
  t.equal(
    problem(() => holds("ip4.src == $other")),
    "unknown-set",
  );
  t.equal(
    problem(() => holds("ip4.src == {10.0.0.1, $other}")),
    "unknown-set",
  );
  t.equal(
    problem(() => holds("inport == @other")),
    "unknown-set",
  );
  t.equal(
    problem(() => holds("tcp || inport == @other")),
    "unknown-set",
    "also where another alternative holds",
  );
  t.equal(
    problem(() => holds("ip4.src == $six")),
    "type",
  );
});

t.test("a printed match parses to the same match", async () => {
  fc.assert(
    fc.property(matches, (match) => isDeepStrictEqual(parseMatch(formatMatch(match)), match)),
    { numRuns: 500 },
  );
});

t.test("any text is parsed or refused with a reason", async () => {
  const piece = fc.constantFrom(
    ...[
      "ip4",
      "ip4.src",
      "tcp.dst",
      "inport",
      "==",
      "!=",
      "<",
      "<=",
      "&&",
      "||",
      "!",
      "(",
      ")",
      "{",
      "}",
      "[",
      "]",
      "..",
    ],
    ...[
      "0",
      "1",
      "80",
      "0x",
      "0x50",
      "10.0.0.1",
      "/8",
      "/",
      "fd00::",
      "::",
      ":",
      "$some",
      "@b_c",
      "$",
      '"web"',
      '"',
      "//",
      "/*",
    ],
  );
  const texts = fc.oneof(
    fc.string(),
    fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(" ")),
    fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join("")),
  );
  fc.assert(
    fc.property(texts, (text) => {
      let match: ReturnType<typeof parseMatch>;
      try {
        match = parseMatch(text);
      } catch (error) {
        return error instanceof MatchError && (error.position ?? 0) <= text.length;
      }
      problem(() => evaluateMatch(match, WEB, SETS));
      return formatMatch(parseMatch(formatMatch(match))) === formatMatch(match);
    }),
    { numRuns: 3000 },
  );
  for (const text of [
    '"'.repeat(1),
    `"${"a".repeat(260_000)}`,
    "(".repeat(260_000),
    "a".repeat(260_000),
    "1".repeat(260_000),
  ]) {
    t.ok(
      problem(() => parseMatch(text)),
      `${text.length} characters`,
    );
  }
});

t.test("a match and its negation divide the packets to which it applies", async () => {
  const packets = fc
    .tuple(fc.integer({ min: 0, max: 7 }), fc.integer({ min: 0, max: 7 }), fc.constantFrom(79, 80, 81, 443))
    .map(([net, host, port]) =>
      packet(`10.0.${net}.${host}`, `10.0.${host}.${net}`, { sourcePort: port, destinationPort: port }),
    );
  const tests = fc.constantFrom(
    "ip4.src == 10.0.0.0/30",
    "ip4.dst != $some",
    "80 <= tcp.dst < 443",
    "tcp.src == {80, 443}",
    "ip4.src == {$some, 10.0.4.4} && tcp.dst < 100",
  );
  fc.assert(fc.property(packets, tests, (it, text) => holds(text, it) !== holds(`!(${text})`, it)));
});
