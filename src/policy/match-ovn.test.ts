// SPDX-License-Identifier: Apache-2.0

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import fc from "fast-check";
import t from "tap";
import { parseIp } from "../net/address.ts";
import { OVN_SB } from "../ovsdb/generated/ovn-sb.ts";
import { findOvsTools, type OvsTools } from "../ovsdb/testing/ovs-tools.ts";
import { type NewRow, TestFolder } from "../ovsdb/testing/server.ts";
import { MatchError } from "./match-error.ts";
import { evaluateMatch, parseMatch } from "./match-evaluation.ts";
import { formatMatch } from "./match-expression.ts";
import type { NamedSets, Packet } from "./packet.ts";
import { matches } from "./testing/match.ts";
import { findOvnTrace } from "./testing/ovn-trace.ts";

const trace = findOvnTrace();
const skip = typeof trace === "string" ? trace : false;

const PORTS = ["web", "db", 'quo"ted'] as const;
const GROUPS: Readonly<Record<string, readonly string[]>> = { "weft.pods.a": ["web", "db"], b_c: ["db"] };
const ADDRESS_SETS: Readonly<Record<string, readonly string[]>> = {
  some: ["10.0.0.1", "10.0.1.0/30", "10.0.2.77/24"],
  "weft.pods.none_ip4": [],
};
const SETS: NamedSets = {
  portGroup: (name) => (GROUPS[name] === undefined ? undefined : new Set(GROUPS[name])),
  addressSet: (name) => ADDRESS_SETS[name],
};

/** The number of tables of a pipeline. */
const TABLES = 24;

const address = fc.tuple(fc.constantFrom(4, 6), fc.integer({ min: 0, max: 7 }), fc.integer({ min: 0, max: 7 }));
const packets: fc.Arbitrary<Packet> = fc
  .record({
    from: address,
    to: fc.tuple(fc.integer({ min: 0, max: 7 }), fc.integer({ min: 0, max: 7 })),
    inport: fc.constantFrom(...PORTS),
    outport: fc.constantFrom(...PORTS),
    protocol: fc.constantFrom("TCP" as const, "UDP" as const, "SCTP" as const, "ICMP" as const),
    sourcePort: fc.constantFrom(0, 1, 80, 65535),
    destinationPort: fc.constantFrom(0, 79, 80, 81, 443),
  })
  .map(({ from: [family, net, host], to, protocol, inport, outport, ...ports }) => {
    const ip = (net: number, host: number) =>
      parseIp(family === 4 ? `10.0.${net}.${host}` : `fd00:0:0:${net}::${host}`)!;
    const ends = { inport, outport, source: ip(net, host), destination: ip(...to) };
    const fields = { "eth.src": 1n, "eth.dst": 2n, "ip.ttl": 64n };
    if (protocol === "ICMP") return { ...ends, fields, protocol: family === 4 ? "ICMP" : "ICMPv6" };
    return { ...ends, fields, protocol, ...ports };
  });

/** The packet as ovn-trace takes it. */
function microflow(packet: Packet): string {
  const { source, destination, protocol, inport, outport, sourcePort, destinationPort } = packet;
  const ip = source.family === 4 ? "ip4" : "ip6";
  const parts = [
    ...[`inport == ${JSON.stringify(inport)}`, `outport == ${JSON.stringify(outport)}`],
    ...["eth.src == 00:00:00:00:00:01", "eth.dst == 00:00:00:00:00:02", "ip.ttl == 64"],
    ...[`${ip}.src == ${source.text}`, `${ip}.dst == ${destination.text}`],
  ];
  if (protocol === "ICMP" || protocol === "ICMPv6") parts.push(protocol === "ICMP" ? "icmp4" : "icmp6");
  else {
    const word = String(protocol).toLowerCase();
    parts.push(`${word}.src == ${sourcePort}`, `${word}.dst == ${destinationPort}`);
  }
  return parts.join(" && ");
}

function ours(text: string, packet: Packet): boolean {
  try {
    return evaluateMatch(parseMatch(text), packet, SETS);
  } catch (error) {
    if (error instanceof MatchError) return false;
    throw error;
  }
}

t.test("OVN evaluates matches as this interpreter does", { skip }, async (t) => {
  let held = 0;
  const written = [
    // Matches that are easily misread.
    ...["ip4.src != $weft.pods.none_ip4", "!(ip4.src == $weft.pods.none_ip4)", "ip4.src == {$weft.pods.none_ip4}"],
    ...["ip4.src != {$some, $weft.pods.none_ip4}", "ip4.src != 0.0.0.0/0", "!(tcp.dst == 80)", "tcp.dst != {80, 81}"],
    ...["!ip4", "!(ip4 && tcp)", 'inport != "web"', "!tcp.dst", "tcp.dst", "ip.proto < 7", "outport == @gone || 1"],
    ...[
      "!(ip4.src == 10.0.0.0/8 && tcp.dst == 80)",
      "ip4 && tcp || udp",
      "!!1",
      "tcp.dst == 65536",
      "ip4.src == fd00::1",
    ],
    ...[
      "80 <= tcp.dst <= 443",
      "443 > udp.dst >= 80",
      "!(80 <= tcp.dst <= 443)",
      "ip6.src == 10.0.0.1",
      "ip4.src[0..7] == 1",
    ],
  ];
  const sampled = fc.sample(matches, { numRuns: 6 * TABLES, seed: 42 }).map(formatMatch);
  // The packets have no connection, are no fragments, and are on no node.
  const all = [...written, ...sampled.filter((text) => !/ct\.|ip\.later_frag|is_chassis_resident/.test(text))];
  for (let first = 0; first < all.length; first += TABLES) {
    const texts = all.slice(first, first + TABLES);
    const folder = await TestFolder.make(findOvsTools() as OvsTools);
    t.teardown(() => folder.close());
    const server = await folder.standalone(OVN_SB);
    const rows: readonly NewRow[] = [
      { table: "Datapath_Binding", name: "dp", row: { tunnel_key: 1, external_ids: ["map", [["name", "ls"]]] } },
      ...PORTS.map((logical_port, i) => ({
        table: "Port_Binding",
        row: { logical_port, type: "", datapath: ["named-uuid", "dp"], tunnel_key: i + 1 },
      })),
      // The southbound database has a port group for each datapath.
      ...Object.entries(GROUPS).map(([name, ports]) => ({
        table: "Port_Group",
        row: { name: `1_${name}`, ports: ["set", ports] },
      })),
      ...Object.entries(ADDRESS_SETS).map(([name, addresses]) => ({
        table: "Address_Set",
        row: { name, addresses: ["set", addresses] },
      })),
      ...texts.flatMap((match, table_id) =>
        [
          { priority: 7, match },
          { priority: 0, match: "1" },
        ].map((flow) => ({
          table: "Logical_Flow",
          row: {
            ...flow,
            logical_datapath: ["named-uuid", "dp"],
            pipeline: "ingress",
            table_id,
            actions: "reg0 = 1; next;",
          },
        })),
      ),
    ];
    const answer = await folder.insert(server, OVN_SB.name, rows);
    t.notMatch(answer, /error/);
    for (const packet of fc.sample(packets, { numRuns: 4, seed: first })) {
      const [command = "", ...options] = trace as readonly string[];
      const { stdout } = await promisify(execFile)(command, [
        ...options,
        `--db=${server.remote}`,
        "ls",
        microflow(packet),
      ]);
      const theirs = new Map(
        [...stdout.matchAll(/^ *(\d+)\. .*priority (\d+)/gm)].map(([, table, priority]) => [Number(table), priority]),
      );
      if (theirs.size < texts.length) t.fail(`ovn-trace does not tell of all tables: ${stdout}`);
      for (const [table, text] of texts.entries()) {
        const holds = theirs.get(table) === "7";
        if (holds) held++;
        if (holds !== ours(text, packet)) t.fail(`${text}: OVN says ${holds} of ${microflow(packet)}`);
      }
    }
    await server.stop();
  }
  t.ok(held > 50, `${held} times a packet matches`);
});
