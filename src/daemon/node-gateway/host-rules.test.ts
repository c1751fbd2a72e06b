// SPDX-License-Identifier: Apache-2.0

import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import t from "tap";
import { parseIp } from "../../net/address.ts";
import { type Cidr, parseCidr } from "../../net/cidr.ts";
import { DEFAULT_NODE_PORTS } from "../../net/port-range.ts";
import { noNft } from "../../netlink/testing/netns.ts";
import { compileHostRules, type HostRulesInput } from "./host-rules.ts";

const cidrs = (...texts: string[]): Cidr[] => texts.map((text) => parseCidr(text)!);

const NONE: HostRulesInput = {
  cluster: [],
  natOutgoing: [],
  natSources: [],
  natRules: [],
  egress: false,
  centralized: [],
  sources: [],
  nodePorts: DEFAULT_NODE_PORTS,
};
const sources = (...texts: string[]) => texts.map((text) => parseIp(text)!);

const CASES: Record<string, HostRulesInput> = {
  empty: { ...NONE, sources: sources("172.18.0.11") },
  ipv4: { ...NONE, cluster: cidrs("10.16.0.0/16", "100.64.0.0/16"), natOutgoing: cidrs("10.16.0.0/16") },
  dual: {
    cluster: cidrs("10.16.0.0/16", "fd00:10:16::/112", "100.64.0.0/16", "fd00:100:64::/112", "10.16.4.0/24"),
    natOutgoing: cidrs("10.16.0.0/16", "fd00:10:16::/112"),
    natSources: [],
    natRules: [],
    egress: true,
    centralized: cidrs("10.16.4.0/24"),
    sources: sources("172.18.0.11", "fd00:172:18::11"),
    nodePorts: DEFAULT_NODE_PORTS,
  },
  "nat-rules": {
    ...NONE,
    cluster: cidrs("10.16.0.0/16", "10.60.0.0/24", "fd00:60::/112"),
    natOutgoing: cidrs("10.16.0.0/16", "10.60.0.0/24", "fd00:60::/112"),
    natRules: [
      {
        cidrs: cidrs("10.60.0.0/24", "fd00:60::/112"),
        natRules: [
          { action: "nat", source: cidrs("10.60.0.7/32", "10.60.0.0/30"), destination: cidrs("192.168.0.0/24") },
          { action: "forward", source: [], destination: cidrs("192.168.0.0/16", "192.168.7.0/24") },
          { action: "forward", source: [], destination: cidrs("2001:db8::/32") },
          { action: "forward", source: cidrs("10.60.0.9/32"), destination: cidrs("0.0.0.0/0") },
        ],
      },
      {
        cidrs: cidrs("10.16.0.0/16"),
        natRules: [{ action: "forward", source: cidrs("fd00::1/128"), destination: [] }],
      },
    ],
  },
  "nat-sources": {
    ...NONE,
    cluster: cidrs("10.16.0.0/16", "10.60.0.0/24", "fd00:60::/112"),
    natOutgoing: cidrs("10.16.0.0/16", "10.60.0.0/24", "fd00:60::/112"),
    natSources: [
      { cidr: cidrs("10.60.0.0/24")[0]!, source: sources("172.18.0.99")[0]! },
      { cidr: cidrs("fd00:60::/112")[0]!, source: sources("fd00:172:18::99")[0]! },
    ],
  },
  "nothing-to-nat": { ...NONE, cluster: cidrs("fd00:10:16::/112", "fd00:100:64::/112") },
};

const folder = join(import.meta.dirname, "host-rules.golden");

t.test("the rules are those of the golden files (WEFT_UPDATE_GOLDEN=1 writes them)", async (t) => {
  for (const [name, input] of Object.entries(CASES)) {
    const file = join(folder, `${name}.nft`);
    const text = compileHostRules(input);
    if (process.env["WEFT_UPDATE_GOLDEN"]) writeFileSync(file, text);
    t.equal(text, readFileSync(file, "utf8"), name);
  }
});

const cidr = fc
  .tuple(fc.bigInt({ min: 0n, max: 0xffffffffn }), fc.integer({ min: 4, max: 32 }))
  .map(([value, prefix]) => parseCidr(`${[24n, 16n, 8n, 0n].map((s) => (value >> s) & 0xffn).join(".")}/${prefix}`)!);

t.test(
  "packets from pods to tunnels and OVN's databases are dropped, on this node and on their way to another, before all else",
  async (t) => {
    for (const [name, input] of Object.entries(CASES)) {
      for (const hook of ["input", "forward"]) {
        const lines = compileHostRules(input).split("\n");
        const rules = lines.slice(lines.findIndex((line) => line.includes(`hook ${hook} `)) + 1);
        t.match(rules[0], /iifname "ovn0" .*udp dport 6081 counter drop/, `${name}: tunnels, ${hook}`);
        t.match(
          rules[1],
          /iifname "ovn0" .*tcp dport \{ 6641-6644, 6649-6650 \} counter drop/,
          `${name}: databases, ${hook}`,
        );
      }
    }
  },
);

t.test("no packet from outside reaches pods from an address of pods, or from the hairpin address", async (t) => {
  const lines = compileHostRules(CASES["dual"]!).split("\n");
  const of = (first: string): readonly string[] => {
    const rest = lines.slice(lines.findIndex((line) => line.includes(first)) + 1);
    return rest.slice(0, rest.indexOf("  }")).filter((line) => !line.includes("#"));
  };
  t.match(of("hook forward")[2], /iifname != "ovn0" oifname "ovn0" jump from-outside$/);
  t.match(of("chain from-outside "), [
    /ip saddr 169.254.169.5 .*drop/,
    /ip6 saddr fd69::5 .*drop/,
    // A pod that connected by a node's address may have kept its own.
    /ct status dnat return/,
    /ip saddr \{ 10.16.0.0\/16, 100.64.0.0\/16 \} .*drop/,
    /ip6 saddr \{ fd00:10:16::\/112, fd00:100:64::\/112 \} .*drop/,
  ]);
});

t.test("no named set is used: nft 1.0 crashes on those of nft 1.1, and kube-proxy may bring nft 1.0", async (t) => {
  for (const input of Object.values(CASES)) t.notMatch(compileHostRules(input), /^\s*(set|map) |@/m);
});

t.test(
  "exceptions to natOutgoing are in their order, after rules for cluster traffic and before the subnet's general rule",
  async (t) => {
    const lines = compileHostRules(CASES["nat-rules"]!).split("\n");
    const chain = (name: string): readonly string[] => {
      const rest = lines.slice(lines.indexOf(`  chain ${name} {`) + 1);
      return rest.slice(0, rest.indexOf("  }"));
    };
    t.match(chain("from-pods4"), [
      /ct status dnat masquerade/,
      /ip daddr .* return/,
      /tcp flags .* return/,
      /ip saddr 10.60.0.0\/24 jump nat-rules4-0/,
      /ip saddr .* masquerade to/,
      /ip saddr .* masquerade/,
    ]);
    t.match(chain("nat-rules4-0"), [
      /ip saddr \{ 10.60.0.0\/30, 10.60.0.7\/32 \} ip daddr \{ 192.168.0.0\/24 \} .* masquerade to :30000-32767/,
      /ip saddr \{ 10.60.0.0\/30, 10.60.0.7\/32 \} ip daddr \{ 192.168.0.0\/24 \} masquerade fully-random/,
      /ip daddr \{ 192.168.0.0\/16 \} accept/,
      /ip saddr \{ 10.60.0.9\/32 \} accept/,
    ]);
    t.match(chain("nat-rules6-0"), [/ip6 daddr \{ 2001:db8::\/32 \} accept/]);
    t.notMatch(lines.join("\n"), /nat-rules[46]-1/, "a subnet of one family has no rules of the other");
  },
);

t.test("the order of subnets does not matter", async () => {
  fc.assert(
    fc.property(
      fc
        .array(cidr, { maxLength: 8 })
        .chain((list) => fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length }))),
      ([list, shuffled]) =>
        compileHostRules({ ...NONE, cluster: list, natOutgoing: list }) ===
        compileHostRules({ ...NONE, cluster: shuffled, natOutgoing: shuffled }),
    ),
  );
});

t.test("nft accepts the rules twice", { skip: noNft() }, async (t) => {
  const run = (input: string, ...more: string[]): string =>
    execFileSync("unshare", ["--net", "sh", "-c", `nft -f - && ${more.join(" ") || "true"}`], {
      input,
      encoding: "utf8",
    });
  for (const [name, input] of Object.entries(CASES)) t.doesNotThrow(() => run(compileHostRules(input)), name);
  const twice = compileHostRules(CASES["dual"]!) + compileHostRules(CASES["ipv4"]!);
  const listing = run(twice, "nft list ruleset");
  t.notMatch(listing, /fd00/, "the second replaced the first");
  t.match(listing, /ct status dnat/);
  const samples = fc.sample(fc.array(cidr, { minLength: 1, maxLength: 12 }), 10);
  for (const list of samples)
    t.doesNotThrow(() => run(compileHostRules({ ...NONE, cluster: list, natOutgoing: list })));
});
