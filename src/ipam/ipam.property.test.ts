// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import { parseIp } from "../net/address.ts";
import { subnetConfig } from "./config.ts";
import { Ipam } from "./ipam.ts";
import { hashedMacs } from "./mac-choice.ts";
import { address, NaiveIpam, type NaiveRange, type NaiveSubnet, rangeText } from "./testing/naive.ts";

/** Subnets in several sizes; a /28 can grow to a /27 in place, also downwards. */
const BASES = {
  a: { v4: "10.0.0.16", v6: "fd00:a::10" },
  b: { v4: "10.0.1.16", v6: "fd00:b:0:0:ffff:ffff:ffff:fff0" },
} as const;
type Name = keyof typeof BASES;

const spans = fc.array(
  fc
    .tuple(fc.integer({ min: 0, max: 17 }), fc.integer({ min: 0, max: 4 }))
    .map(([at, length]) => [at, at + length] as const),
  { maxLength: 3 },
);

function range(name: Name, family: "v4" | "v6"): fc.Arbitrary<NaiveRange> {
  return fc
    .record({
      size: fc.constantFrom(16, 16, 16, 8, 32, 2),
      gateway: fc.constantFrom(1, 1, 1, 5),
      nodes: fc.array(fc.integer({ min: 2, max: 15 }), { maxLength: 1 }),
      excluded: spans,
      pool: spans,
    })
    .map(({ size, gateway, nodes, excluded, pool }) => {
      // A /27 around the /28 begins 16 lower: addresses in use stay and change their offset.
      const base = size === 32 ? address(family, BASES[name][family], -16) : BASES[name][family];
      return {
        base,
        size,
        gateway: size === 2 ? 1 : gateway,
        nodes,
        excluded,
        pools: [{ name: `pool-${name}`, spans: pool }],
      };
    });
}

function subnet(name: Name): fc.Arbitrary<{ name: Name; subnet: NaiveSubnet }> {
  const v4 = range(name, "v4");
  const v6 = range(name, "v6");
  return fc
    .oneof(
      fc.record({ v4, v6 }),
      fc.record({ v4, v6 }),
      fc.record({ v4, v6: fc.constant(undefined) }),
      fc.record({ v4: fc.constant(undefined), v6 }),
    )
    .map((subnet) => ({ name, subnet }));
}

const owner = fc.integer({ min: 0, max: 19 }).map((i) => `pod-${i}.ns`);
const family = fc.constantFrom(undefined, undefined, undefined, 4 as const, 6 as const);
const names = fc.constantFrom<Name[]>(["a"], ["b"], ["a", "b"], ["b", "a"]);

function fixed(name: Name): fc.Arbitrary<{ name: Name; v4: string | undefined; v6: string | undefined }> {
  const at = fc.integer({ min: -2, max: 18 });
  return fc
    .record({ v4: fc.option(at, { nil: undefined }), v6: fc.option(at, { nil: undefined }) })
    .filter(({ v4, v6 }) => v4 !== undefined || v6 !== undefined)
    .map(({ v4, v6 }) => ({
      name,
      v4: v4 === undefined ? undefined : address("v4", BASES[name].v4, v4),
      v6: v6 === undefined ? undefined : address("v6", BASES[name].v6, v6),
    }));
}

type Step =
  | { kind: "any"; owner: string; subnets: Name[]; family: 4 | 6 | undefined }
  | {
      kind: "static";
      owner: string;
      at: { name: Name; v4: string | undefined; v6: string | undefined };
      family: 4 | 6 | undefined;
    }
  | { kind: "pool"; owner: string; name: Name; family: 4 | 6 | undefined }
  | { kind: "release"; owner: string }
  | { kind: "configure"; name: Name; subnet: NaiveSubnet };

const kind = <K extends string>(name: K): fc.Arbitrary<K> => fc.constant(name);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: kind("any"), owner, subnets: names, family }) },
  { weight: 4, arbitrary: fc.record({ kind: kind("static"), owner, at: fc.oneof(fixed("a"), fixed("b")), family }) },
  { weight: 3, arbitrary: fc.record({ kind: kind("pool"), owner, name: fc.constantFrom<Name>("a", "b"), family }) },
  { weight: 10, arbitrary: fc.record({ kind: kind("release"), owner }) },
  {
    weight: 2,
    arbitrary: fc.oneof(subnet("a"), subnet("b")).map((change) => ({ kind: "configure" as const, ...change })),
  },
);

function configure(ipam: Ipam, name: Name, subnet: NaiveSubnet, nodes: Map<string, string[]>): void {
  const ranges = (["v4", "v6"] as const).flatMap((family) => {
    const range = subnet[family];
    return range === undefined ? [] : [{ family, range }];
  });
  const text = (family: "v4" | "v6", base: string, [first, last]: readonly [number, number]): string =>
    `${address(family, base, first)}..${address(family, base, last)}`;
  const parsed = subnetConfig({
    name,
    cidrBlock: ranges
      .map(({ family, range }) => `${range.base}/${(family === "v4" ? 32 : 128) - Math.log2(range.size)}`)
      .join(","),
    gateway: ranges.map(({ family, range }) => address(family, range.base, range.gateway)).join(","),
    excludeIps: ranges.flatMap(({ family, range }) => range.excluded.map((span) => text(family, range.base, span))),
    pools: [
      {
        name: `pool-${name}`,
        ips: ranges.flatMap(({ family, range }) =>
          range.pools.flatMap(({ spans }) => spans.map((span) => text(family, range.base, span))),
        ),
      },
    ],
    macDomain: "vpc",
  });
  if (!parsed.ok) throw new Error(parsed.problems.map(({ message }) => message).join(" "));
  ipam.configure(parsed.config);
  nodes.set(
    name,
    ranges.flatMap(({ family, range }) => range.nodes.map((at) => address(family, range.base, at))),
  );
  ipam.setNodeAddresses([...nodes.values()].flat().map((text) => ({ address: text, node: `node of ${text}` })));
}

/** The visible state of an allocator. */
function picture(ipam: Ipam): string {
  return JSON.stringify(
    ["a", "b"].map((name) => [
      ipam.usage(name),
      ipam.usage(name, `pool-${name}`),
      ipam.counts(name),
      [...ipam.leases(name)].sort((x, y) => (x.owner < y.owner ? -1 : 1)),
    ]),
    (_, value) => (typeof value === "bigint" ? String(value) : value),
  );
}

function checkAgainst(naive: NaiveIpam, ipam: Ipam): string | undefined {
  for (const name of ["a", "b"] as const) {
    for (const family of ["v4", "v6"] as const) {
      for (const pool of [undefined, `pool-${name}`]) {
        const real = ipam.usage(name, pool)[family];
        const { available, using } = naive.usage(name, family, pool);
        if (naive.subnets.get(name)?.[family] === undefined) {
          if (real !== undefined) return `${name} has ${family}`;
          continue;
        }
        const expected = {
          available: BigInt(available.length),
          using: BigInt(using.length),
          availableRange: rangeText(family, available),
          usingRange: rangeText(family, using),
        };
        for (const key of ["available", "using", "availableRange", "usingRange"] as const) {
          if (real?.[key] !== expected[key])
            return `${name} ${pool} ${family} ${key}: ${real?.[key]} in place of ${expected[key]}`;
        }
      }
    }
  }
  const macs = new Set<string | undefined>();
  for (const [owner, lease] of naive.leases) {
    const real = ipam.leaseOf(owner);
    if (real?.subnet !== lease.subnet || real.v4 !== lease.v4 || real.v6 !== lease.v6) return `lease of ${owner}`;
    if (lease.v4 !== undefined && ipam.holderOf(lease.subnet, lease.v4) !== owner) return `holder of ${lease.v4}`;
    if (lease.v6 !== undefined && ipam.holderOf(lease.subnet, lease.v6) !== owner) return `holder of ${lease.v6}`;
    if (real.mac === undefined || macs.has(real.mac)) return `MAC of ${owner}`;
    macs.add(real.mac);
  }
  return ipam.leaseCount("a") + ipam.leaseCount("b") === naive.leases.size ? undefined : "number of leases";
}

/** Runs histories against both allocators, and counts how requests were answered. */
function compareHistories(parameters: fc.Parameters<unknown>): Map<string, number> {
  const answers = new Map<string, number>();
  fc.assert(
    fc.property(subnet("a"), subnet("b"), fc.array(step, { minLength: 20, maxLength: 90 }), (a, b, steps) => {
      const ipam = new Ipam({ macs: hashedMacs("test") });
      const naive = new NaiveIpam();
      const nodes = new Map<string, string[]>();
      const change = ({ name, subnet }: { name: Name; subnet: NaiveSubnet }): void => {
        configure(ipam, name, subnet, nodes);
        naive.configure(name, subnet);
      };
      change(a);
      change(b);
      for (const step of steps) {
        if (step.kind === "configure") change(step);
        else if (step.kind === "release") {
          ipam.release(step.owner);
          naive.release(step.owner);
        } else {
          const { owner, family } = step;
          const [real, expected] =
            step.kind === "any"
              ? [
                  ipam.allocate({ owner, subnets: step.subnets, want: { kind: "any" }, family }),
                  naive.allocate({ owner, subnets: step.subnets, kind: "any", family }),
                ]
              : step.kind === "pool"
                ? [
                    ipam.allocate({ owner, subnets: [], want: { kind: "pool", pools: [`pool-${step.name}`] }, family }),
                    naive.allocate({ owner, subnets: [step.name], kind: "pool", pool: `pool-${step.name}`, family }),
                  ]
                : [
                    ipam.allocate({
                      owner,
                      subnets: [step.at.name],
                      want: { kind: "static", addresses: dual(step.at) },
                      family,
                    }),
                    naive.allocate({ owner, subnets: [step.at.name], kind: "static", at: step.at, family }),
                  ];
          const answer = real.ok ? real.how : real.code;
          answers.set(answer, (answers.get(answer) ?? 0) + 1);
          if (real.ok !== expected.ok)
            throw new Error(`${JSON.stringify(real)} in place of ${JSON.stringify(expected)}`);
          if (
            !real.ok &&
            !expected.ok &&
            real.code !== expected.code &&
            !("subnets" in step && step.subnets.length > 1)
          ) {
            throw new Error(`${real.code} in place of ${expected.code}`);
          }
          if (real.ok && expected.ok) {
            const { subnet, v4, v6 } = real.lease;
            if (subnet !== expected.subnet || v4 !== expected.v4 || v6 !== expected.v6) {
              throw new Error(`${JSON.stringify(real.lease)} in place of ${JSON.stringify(expected)}`);
            }
          }
        }
        const wrong = checkAgainst(naive, ipam);
        if (wrong !== undefined) throw new Error(wrong);
      }
      // The same from the leases only, as after a restart.
      const fresh = new Ipam({ macs: hashedMacs("test") });
      for (const name of ["b", "a"] as const) configure(fresh, name, naive.subnets.get(name) ?? {}, nodes);
      for (const name of ["a", "b"]) for (const lease of [...ipam.leases(name)].reverse()) fresh.reserve(lease);
      if (picture(fresh) !== picture(ipam))
        throw new Error(`restarted: ${picture(fresh)} in place of ${picture(ipam)}`);
    }),
    parameters,
  );
  return answers;
}

t.test("any sequence of requests, releases and changes of subnets ends as with the naive allocator", (t) => {
  compareHistories({ numRuns: Number(process.env["WEFT_PROPERTY_RUNS"] ?? 60) });
  t.end();
});

t.test("the generated histories produce every kind of answer", (t) => {
  const answers = compareHistories({ numRuns: 60, seed: 4 });
  for (const answer of [
    "new",
    "same",
    "extended",
    "NoAvailableAddress",
    "AddressInUse",
    "AddressOutOfSubnet",
    "AddressIsGateway",
    "AddressIsNetwork",
    "AddressIsBroadcast",
    "AddressOfNode",
    "FamilyMismatch",
    "HoldsAnother",
  ]) {
    t.ok((answers.get(answer) ?? 0) > 0, `${answer}: ${answers.get(answer) ?? 0}`);
  }
  t.end();
});

t.test("MACs are unique in a domain, whatever is requested", (t) => {
  const mac = fc.integer({ min: 1, max: 6 }).map((i) => `02:00:00:00:00:0${i}`);
  const move = fc.record({
    owner,
    mac: fc.option(mac, { nil: undefined }),
    subnet: fc.constantFrom("a", "b", "c"),
    leave: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(move, { maxLength: 80 }), (moves) => {
      // A source with few values, so that it often returns a MAC that is in use.
      const ipam = new Ipam({ macs: (owner, attempt) => Uint8Array.of(2, 0, 0, 0, 0, (owner.length + attempt) % 40) });
      for (const [name, macDomain] of [
        ["a", "one"],
        ["b", "one"],
        ["c", "two"],
      ] as const) {
        const parsed = subnetConfig({
          name,
          macDomain,
          cidrBlock: "10.0.0.0/24",
          reservedMacs: [{ mac: "02:00:00:00:00:06", holder: "router" }],
        });
        if (parsed.ok) ipam.configure(parsed.config);
      }
      for (const { owner, mac, subnet, leave } of moves) {
        if (leave) ipam.release(owner);
        else ipam.allocate({ owner, subnets: [subnet], want: { kind: "any" }, mac, move: true });
        for (const domain of [["a", "b"], ["c"]]) {
          const macs = domain.flatMap((name) => [...ipam.leases(name)].map((lease) => lease.mac));
          if (new Set(macs).size !== macs.length || macs.includes("02:00:00:00:00:06") || macs.includes(undefined))
            return false;
        }
      }
      return true;
    }),
    { numRuns: 200 },
  );
  t.end();
});

function dual(at: { v4: string | undefined; v6: string | undefined }) {
  const v4 = at.v4 === undefined ? undefined : parseIp(at.v4);
  const v6 = at.v6 === undefined ? undefined : parseIp(at.v6);
  return { ...(v4 && { v4 }), ...(v6 && { v6 }) };
}
