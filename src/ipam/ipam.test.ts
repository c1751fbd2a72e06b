// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { parseDualIp } from "../net/dual.ts";
import { type SubnetFields, subnetConfig } from "./config.ts";
import { Ipam } from "./ipam.ts";
import { hashedMacs } from "./mac-choice.ts";
import type { AddressRequest, AllocationDecision, SubnetConfig } from "./types.ts";

function config(fields: SubnetFields): SubnetConfig {
  const parsed = subnetConfig(fields);
  if (!parsed.ok) throw new Error(parsed.problems.map(({ message }) => message).join(" "));
  return parsed.config;
}

function ipamWith(...subnets: SubnetFields[]): Ipam {
  const ipam = new Ipam({ macs: hashedMacs("test") });
  for (const subnet of subnets) ipam.configure(config(subnet));
  return ipam;
}

function any(owner: string, ...subnets: string[]): AddressRequest {
  return { owner, subnets, want: { kind: "any" } };
}

function fixed(owner: string, address: string, ...subnets: string[]): AddressRequest {
  return { owner, subnets, want: { kind: "static", addresses: parseDualIp(address) ?? {} } };
}

function pool(owner: string, ...pools: string[]): AddressRequest {
  return { owner, subnets: [], want: { kind: "pool", pools } };
}

/** "v4,v6" of the lease, or the code of the refusal. */
function text(decision: AllocationDecision): string {
  return decision.ok ? [decision.lease.v4, decision.lease.v6].filter(Boolean).join(",") : decision.code;
}

const SMALL: SubnetFields = { name: "small", cidrBlock: "10.0.0.0/29" };
const DUAL: SubnetFields = { name: "dual", cidrBlock: "10.16.0.0/16,fd00:10:16::/64" };

t.test("addresses are allocated in order, without network, gateway and broadcast address", (t) => {
  const ipam = ipamWith(SMALL);
  const given = Array.from({ length: 6 }, (_, i) => text(ipam.allocate(any(`pod-${i}`, "small"))));
  t.same(given, ["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6", "NoAvailableAddress"]);
  t.end();
});

t.test("released addresses are allocated last, in the order of their release", (t) => {
  const ipam = ipamWith(SMALL);
  for (let i = 2; i <= 4; i++) ipam.allocate(any(`pod-${i}`, "small"));
  ipam.release("pod-3");
  ipam.release("pod-2");
  const given = Array.from({ length: 5 }, (_, i) => text(ipam.allocate(any(`new-${i}`, "small"))));
  t.same(given, ["10.0.0.5", "10.0.0.6", "10.0.0.3", "10.0.0.2", "NoAvailableAddress"]);
  t.end();
});

t.test("released addresses keep their order when the subnet changes", (t) => {
  const ipam = ipamWith(SMALL);
  for (let i = 2; i <= 6; i++) ipam.allocate(any(`pod-${i}`, "small"));
  for (const i of [5, 3, 6, 2]) ipam.release(`pod-${i}`);
  ipam.configure(config({ ...SMALL, excludeIps: ["10.0.0.6"] }));
  const given = Array.from({ length: 4 }, (_, i) => text(ipam.allocate(any(`new-${i}`, "small"))));
  t.same(given, ["10.0.0.5", "10.0.0.3", "10.0.0.2", "NoAvailableAddress"]);
  t.end();
});

t.test("an owner that requests again gets its lease", (t) => {
  const ipam = ipamWith(DUAL);
  const first = ipam.allocate(any("web-0.default", "dual"));
  const again = ipam.allocate(any("web-0.default", "dual"));
  t.same(first.ok && first.lease, again.ok && again.lease);
  t.equal(first.ok && first.how, "new");
  t.equal(again.ok && again.how, "same");
  t.match(first.ok && first.lease.mac, /^[0-9a-f][26ae](:[0-9a-f]{2}){5}$/);
  t.end();
});

t.test("dual-stack addresses are allocated in pairs or not at all", (t) => {
  const ipam = ipamWith({
    name: "dual",
    cidrBlock: "10.0.0.0/29,fd00::/64",
    excludeIps: ["fd00::4..fd00::ffff:ffff:ffff:ffff"],
  });
  t.equal(text(ipam.allocate(any("a", "dual"))), "10.0.0.2,fd00::2");
  t.equal(text(ipam.allocate(any("b", "dual"))), "10.0.0.3,fd00::3");
  const refused = ipam.allocate(any("c", "dual"));
  t.equal(text(refused), "NoAvailableAddress");
  t.match(!refused.ok && refused.message, /no free IPv6 address: all 2 are in use/);
  t.equal(ipam.counts("dual").v4?.using, 2n, "no IPv4 address was taken for the third");
  t.equal(text(ipam.allocate({ ...any("d", "dual"), family: 4 })), "10.0.0.4", "one family alone is still to be had");
  t.equal(text(ipam.allocate({ ...any("e", "dual"), family: 6 })), "NoAvailableAddress");
  t.end();
});

t.test("a requested address may be excluded, and a request for one family gets the other too", (t) => {
  const ipam = ipamWith({ ...DUAL, excludeIps: ["10.16.0.2..10.16.0.9", "fd00:10:16::2"] });
  t.equal(text(ipam.allocate(fixed("a", "10.16.0.5", "dual"))), "10.16.0.5,fd00:10:16::3");
  t.equal(text(ipam.allocate(fixed("b", "fd00:10:16::99", "dual"))), "10.16.0.10,fd00:10:16::99");
  t.equal(text(ipam.allocate(fixed("c", "10.16.0.6,fd00:10:16::2", "dual"))), "10.16.0.6,fd00:10:16::2");
  t.equal(ipam.counts("dual").v4?.using, 1n, "excluded ones are not counted as used");
  ipam.release("a");
  ipam.release("c");
  t.equal(ipam.usage("dual").v4?.availableRange, "10.16.0.11-10.16.255.254", "nor as available afterwards");
  t.end();
});

t.test("a refusal names the value, its holder and what would be accepted", (t) => {
  const ipam = ipamWith({ ...SMALL, gateway: "10.0.0.6" });
  ipam.setNodeAddresses([{ address: "10.0.0.4", node: "weft-1" }]);
  ipam.allocate(fixed("web-0.default", "10.0.0.3", "small"));
  for (const [address, code, message] of [
    ["10.0.0.3", "AddressInUse", /^10\.0\.0\.3 in subnet "small" is in use by IP "web-0\.default".*choose another/],
    ["10.1.0.3", "AddressOutOfSubnet", /^10\.1\.0\.3 is not in subnet "small" \(10\.0\.0\.0\/29\)/],
    ["fd00::3", "AddressOutOfSubnet", /^fd00::3 is not in subnet "small"/],
    ["10.0.0.6", "AddressIsGateway", /^10\.0\.0\.6 is the gateway of subnet "small"/],
    ["10.0.0.0", "AddressIsNetwork", /network address/],
    ["10.0.0.7", "AddressIsBroadcast", /broadcast address/],
    ["10.0.0.4", "AddressOfNode", /address of node "weft-1"/],
  ] as const) {
    const refused = ipam.allocate(fixed("other", address, "small"));
    t.match(refused, { ok: false, code, message, subnet: "small", value: address }, address);
    t.match(!refused.ok && refused.message, /\.$/, "a whole sentence");
  }
  t.equal(ipam.leaseOf("other"), undefined);
  t.end();
});

t.test("a family that the subnet does not have is refused with Kube-OVN's message, and with what to do", (t) => {
  const ipam = ipamWith(SMALL, { name: "six", cidrBlock: "fd00::/120" });
  t.match(ipam.allocate({ ...any("a", "small"), family: 6 }), {
    code: "FamilyMismatch",
    value: "ipv6",
    message:
      "requested ip family IPv6 does not match subnet small protocol IPv4, which has only 10.0.0.0/29; remove the ip_family annotation, or choose a subnet with IPv6.",
  });
  t.match(ipam.allocate({ ...any("a", "six"), family: 4 }), {
    message: /^requested ip family IPv4 does not match subnet six protocol IPv6, which has only fd00::\/120/,
  });
  t.match(ipam.allocate(fixed("a", "fd00::5", "small")), {
    message: /^fd00::5 is not in subnet "small" \(10\.0\.0\.0\/29\); choose an address of that/,
  });
  t.end();
});

t.test("a name that does not exist is refused with those that are near, or some that there are", (t) => {
  const ipam = ipamWith({ ...SMALL, pools: [{ name: "fixed", ips: ["10.0.0.3"] }] });
  t.match(ipam.allocate(any("a", "smal")), {
    code: "SubnetUnknown",
    value: "smal",
    message: 'Subnet "smal" does not exist; "small" may be meant.',
  });
  t.match(ipam.allocate(any("a", "elsewhere")), {
    message: 'Subnet "elsewhere" does not exist; choose one of: "small".',
  });
  const pooled = (pool: string) => ({ owner: "a", subnets: [], want: { kind: "pool" as const, pools: [pool] } });
  t.match(ipam.allocate(pooled("fxied")), {
    code: "PoolUnknown",
    message: 'IPPool "fxied" does not exist; create it, or "fixed" may be meant.',
  });
  t.match(new Ipam({ macs: hashedMacs("t") }).allocate(any("a", "x")), {
    message: 'Subnet "x" does not exist; there is no subnet yet.',
  });
  t.match(ipam.allocate({ owner: "a", subnets: [], want: { kind: "any" } }), {
    code: "SubnetUnknown",
    message: /No subnet can give "a" an address.*logical_switch/,
  });
  t.end();
});

t.test("the refusal of a full pool names its holders by kind", (t) => {
  const ipam = ipamWith({ ...SMALL, pools: [{ name: "two", ips: ["10.0.0.3..10.0.0.4"] }] });
  const pooled = (owner: string) => ({ owner, subnets: [], want: { kind: "pool" as const, pools: ["two"] } });
  ipam.allocate(pooled("db-0.default"));
  ipam.allocate(pooled("db-1.default"));
  t.match(ipam.allocate(pooled("cache-0.default")), {
    code: "NoAvailableAddress",
    message:
      /IPPool "two" of subnet "small" has no free IPv4 address: all 2 are in use by IP "db-0\.default", IP "db-1\.default"; release one or add/,
  });
  ipam.allocate(fixed("vip/web", "10.0.0.2", "small"));
  t.match(ipam.allocate(fixed("other", "10.0.0.2", "small")), { message: /is in use by Vip "web"; choose another/ });
  t.end();
});

t.test("every address of a /31 and /127 except the gateway can be allocated", (t) => {
  const ipam = ipamWith({ name: "p2p", cidrBlock: "10.0.0.0/31,fd00::/127" });
  t.equal(text(ipam.allocate(any("a", "p2p"))), "10.0.0.0,fd00::1");
  t.equal(text(ipam.allocate(any("b", "p2p"))), "NoAvailableAddress");
  t.end();
});

t.test("of several subnets the first one with a free address is used", (t) => {
  const ipam = ipamWith(SMALL, { name: "next", cidrBlock: "10.0.1.0/24" });
  const given = Array.from({ length: 7 }, (_, i) => text(ipam.allocate(any(`pod-${i}`, "small", "next"))));
  t.same(given.slice(4), ["10.0.0.6", "10.0.1.2", "10.0.1.3"]);
  t.equal(text(ipam.allocate(any("pod-5", "small", "next"))), "10.0.1.2", "who is in the second stays there");
  ipam.release("pod-0");
  t.equal(text(ipam.allocate(any("late", "small", "next"))), "10.0.0.2");
  t.equal(
    text(ipam.allocate(fixed("f", "10.0.1.77", "small", "next"))),
    "10.0.1.77",
    "a fixed one is looked for in all",
  );
  const refused = ipam.allocate(fixed("g", "10.0.1.77", "small", "next"));
  t.match(refused, { code: "AddressInUse", holder: "f" }, "and the subnet that has it says why not");
  t.end();
});

t.test("a pool's addresses are allocated only to requests that name the pool or the address", (t) => {
  const ipam = ipamWith({ ...SMALL, pools: [{ name: "p", ips: ["10.0.0.2..10.0.0.3"] }] });
  t.equal(text(ipam.allocate(any("a", "small"))), "10.0.0.4");
  t.equal(text(ipam.allocate(pool("b", "p"))), "10.0.0.2");
  t.equal(text(ipam.allocate(fixed("c", "10.0.0.3", "small"))), "10.0.0.3");
  t.match(ipam.allocate(pool("d", "p")), { code: "NoAvailableAddress", message: /IPPool "p".*all 2 are in use/ });
  t.same(ipam.usage("small", "p").v4, {
    available: 0n,
    using: 2n,
    availableRange: "",
    usingRange: "10.0.0.2-10.0.0.3",
  });
  t.same(ipam.usage("small").v4, {
    available: 2n,
    using: 3n,
    availableRange: "10.0.0.5-10.0.0.6",
    usingRange: "10.0.0.2-10.0.0.4",
  });
  t.end();
});

t.test("a pool reserved for namespaces gives nothing to others, whatever they request", (t) => {
  const pools = [{ name: "p", ips: ["10.0.0.2..10.0.0.4"], namespaces: ["b", "c"] }];
  const ipam = ipamWith({ ...SMALL, pools });
  const from = (namespace: string, request: AddressRequest): AllocationDecision =>
    ipam.allocate({ ...request, namespace });
  const refusal = {
    code: "PoolNotForNamespace",
    holder: "p",
    message:
      'IPPool "p" of subnet "small" is for namespaces "b" and "c" (spec.namespaces) only, not for "a"; 10.0.0.2 is one of its addresses; choose an address outside the pool, or add the namespace to it.',
  };
  t.match(from("a", fixed("x.a", "10.0.0.2", "small")), refusal);
  const choice = { kind: "choice" as const, tuples: ["10.0.0.2", "10.0.0.3"].map((text) => parseDualIp(text) ?? {}) };
  t.match(from("a", { owner: "x.a", subnets: ["small"], want: choice }), refusal, "a list");
  t.match(from("a", pool("x.a", "p")), {
    code: "PoolNotForNamespace",
    value: "p",
    message:
      'IPPool "p" of subnet "small" is for namespaces "b" and "c" (spec.namespaces) only, not for "a"; choose another pool, or add the namespace to this one.',
  });
  t.match(ipam.allocate(fixed("x", "10.0.0.2", "small")), {
    code: "PoolNotForNamespace",
    message: /not for objects without a namespace/,
  });
  const more = { ...choice, tuples: [...choice.tuples, parseDualIp("10.0.0.5") ?? {}] };
  t.equal(text(from("a", { owner: "x.a", subnets: ["small"], want: more })), "10.0.0.5", "what of a list it may have");
  t.equal(text(from("b", fixed("y.b", "10.0.0.2", "small"))), "10.0.0.2");
  t.equal(text(from("c", pool("z.c", "p"))), "10.0.0.3");
  ipam.configure(config({ ...SMALL, pools: [{ name: "p", ips: ["10.0.0.2..10.0.0.5"], namespaces: ["d"] }] }));
  t.match(from("b", fixed("y.b", "10.0.0.2", "small")), { ok: true, how: "same" }, "what is held already is kept");
  t.match(from("c", pool("z.c", "p")), { ok: true, how: "same" });
  t.match(from("a", fixed("x.a", "10.0.0.5", "small")), { ok: true, how: "same" });
  t.match(from("b", fixed("new.b", "10.0.0.4", "small")), { code: "PoolNotForNamespace" });
  ipam.configure(config({ ...SMALL, pools: [{ name: "p", ips: ["10.0.0.2..10.0.0.5"] }] }));
  t.equal(text(from("a", fixed("new.a", "10.0.0.4", "small"))), "10.0.0.4", "one for no namespace is for all");
  t.end();
});

t.test("excluded addresses of a pool are allocated on explicit request only, and not counted as free", (t) => {
  const pools = [{ name: "p", ips: ["10.0.0.3..10.0.0.4"] }];
  const ipam = ipamWith({ ...SMALL, pools });
  const pooled = (owner: string) => ({ owner, subnets: [], want: { kind: "pool" as const, pools: ["p"] } });
  t.match(ipam.allocate(pooled("a")), { lease: { v4: "10.0.0.3" } });
  ipam.configure(config({ ...SMALL, pools, excludeIps: ["10.0.0.3..10.0.0.4"] }));
  t.same(ipam.counts("small", "p").v4, { available: 0n, using: 1n });
  t.match(ipam.allocate(pooled("b")), { code: "NoAvailableAddress", message: /that the subnet does not exclude/ });
  t.match(ipam.allocate(fixed("b", "10.0.0.4", "small")), { lease: { v4: "10.0.0.4" } });
  ipam.release("a");
  ipam.release("b");
  t.same(ipam.counts("small", "p").v4, { available: 0n, using: 0n }, "nor are they free when they are released");
  t.equal(ipam.usage("small", "p").v4?.availableRange, "");
  ipam.configure(config({ ...SMALL, excludeIps: [] }));
  t.match(ipam.allocate(fixed("c", "10.0.0.3", "small")), { ok: true }, "without the pool they are the subnet's");
  t.end();
});

t.test("of several pools the first one with a free address is used, and an unknown one is named", (t) => {
  const ipam = ipamWith(
    {
      ...SMALL,
      pools: [
        { name: "p", ips: ["10.0.0.5"] },
        { name: "q", ips: ["10.0.0.6"] },
      ],
    },
    { name: "other", cidrBlock: "10.9.0.0/24" },
  );
  t.equal(text(ipam.allocate(pool("a", "p", "q"))), "10.0.0.5");
  t.equal(text(ipam.allocate(pool("b", "p", "q"))), "10.0.0.6");
  t.equal(text(ipam.allocate(pool("b", "p", "q"))), "10.0.0.6", "asking again");
  t.match(ipam.allocate(pool("c", "typo")), {
    code: "PoolUnknown",
    value: "typo",
    message: /IPPool "typo" does not exist/,
  });
  t.match(ipam.allocate({ ...pool("c", "p"), subnets: ["other"] }), {
    code: "PoolNotInSubnet",
    message: /belongs to subnet "small"/,
  });
  t.end();
});

t.test("the refusal of a pool with one family in a dual-stack subnet names the missing family", (t) => {
  const ipam = ipamWith({ ...DUAL, pools: [{ name: "p", ips: ["10.16.1.0..10.16.1.9"] }] });
  t.match(ipam.allocate(pool("a", "p")), { code: "NoAvailableAddress", message: /dual-stack.*ip_family/ });
  t.equal(text(ipam.allocate({ ...pool("a", "p"), family: 4 })), "10.16.1.0");
  t.end();
});

t.test("of a list of addresses the first free one is allocated", (t) => {
  const ipam = ipamWith(DUAL);
  const tuples = ["10.16.0.20,fd00:10:16::20", "10.16.0.21,fd00:10:16::21"].map((pair) => parseDualIp(pair) ?? {});
  const choice = (owner: string): AddressRequest => ({ owner, subnets: ["dual"], want: { kind: "choice", tuples } });
  t.equal(text(ipam.allocate(choice("a"))), "10.16.0.20,fd00:10:16::20");
  t.equal(text(ipam.allocate(choice("b"))), "10.16.0.21,fd00:10:16::21");
  t.equal(text(ipam.allocate(choice("b"))), "10.16.0.21,fd00:10:16::21", "asking again");
  t.match(ipam.allocate(choice("c")), {
    code: "NoAvailableAddress",
    message: /None of the 2 entries.*10\.16\.0\.20 is in use by IP "a" and 10\.16\.0\.21 is in use by IP "b"/,
  });
  ipam.release("a");
  t.equal(text(ipam.allocate(choice("c"))), "10.16.0.20,fd00:10:16::20");
  t.end();
});

t.test("MACs are new, fixed, kept, or none, and never two of one in a domain", (t) => {
  const ipam = ipamWith(
    {
      ...SMALL,
      macDomain: "vpc",
      reservedMacs: [{ mac: "02:00:00:00:00:01", holder: "gateway/small" }],
    },
    { name: "other", cidrBlock: "10.9.0.0/24", macDomain: "vpc" },
    { name: "apart", cidrBlock: "10.9.0.0/24" },
  );
  const mac = "00:00:5e:00:53:01";
  t.match(ipam.allocate({ ...any("a", "small"), mac }), { lease: { mac } });
  t.match(ipam.allocate(any("a", "small")), { how: "same", lease: { mac } });
  t.match(ipam.allocate({ ...any("b", "other"), mac }), {
    code: "MacInUse",
    holder: "a",
    value: mac,
    message: /in use by IP "a"/,
  });
  t.match(ipam.allocate({ ...any("b", "apart"), mac }), { ok: true }, "another broadcast domain may have the same");
  t.match(ipam.allocate({ ...any("c", "small"), mac: "02:00:00:00:00:01" }), {
    code: "MacInUse",
    holder: "gateway/small",
    message: /in use by the gateway of subnet "small"/,
  });
  t.match(ipam.allocate({ ...any("c", "small"), mac: "01:00:5e:00:00:01" }), { code: "MacMalformed" });
  t.match(ipam.allocate({ ...any("c", "small"), mac: "none" }), { lease: { mac: undefined } });
  t.equal(ipam.macHolder("other", mac), "a");
  t.equal(ipam.macHolder("small", "02:00:00:00:00:01"), "gateway/small");
  ipam.release("a");
  t.match(ipam.allocate({ ...any("d", "other"), mac }), { ok: true });
  t.end();
});

t.test("a request is refused if all candidate MACs are in use", (t) => {
  const ipam = new Ipam({ macs: () => Uint8Array.of(2, 0, 0, 0, 0, 9) });
  ipam.configure(config(SMALL));
  t.match(ipam.allocate(any("a", "small")), { lease: { mac: "02:00:00:00:00:09" } });
  t.match(ipam.allocate(any("b", "small")), { code: "NoAvailableMac" });
  t.equal(ipam.counts("small").v4?.using, 1n, "and no address is lost by it");
  t.end();
});

t.test("a subnet without a CIDR allocates only MACs", (t) => {
  const ipam = ipamWith({ name: "l2" });
  t.match(ipam.allocate(any("a", "l2")), { lease: { v4: undefined, v6: undefined, mac: /:/ } });
  t.match(ipam.allocate(fixed("b", "10.0.0.5", "l2")), { code: "SubnetHasNoAddresses" });
  t.same(ipam.usage("l2"), {});
  t.equal(ipam.leaseCount("l2"), 1);
  t.match(ipam.release("a"), { mac: /:/ });
  t.equal(ipam.leaseCount("l2"), 0);
  t.end();
});

t.test("an owner with another lease is refused, or moved on request", (t) => {
  const ipam = ipamWith(SMALL, { name: "other", cidrBlock: "10.9.0.0/24" });
  ipam.allocate(any("a", "small"));
  t.match(ipam.allocate(any("a", "other")), {
    code: "HoldsAnother",
    value: "10.0.0.2",
    subnet: "small",
    message: /"a" holds 10\.0\.0\.2/,
  });
  t.equal(text(ipam.allocate({ ...fixed("a", "10.0.0.5", "small"), move: true })), "10.0.0.5");
  t.match(ipam.allocate({ ...any("a", "other"), move: true }), { how: "moved", lease: { v4: "10.9.0.2" } });
  t.equal(ipam.leaseCount("small"), 0);
  t.equal(ipam.holderOf("small", "10.0.0.5"), undefined);
  t.match(ipam.allocate({ ...any("a", "missing"), move: true }), { code: "SubnetUnknown", value: "missing" });
  t.match(ipam.leaseOf("a"), { v4: "10.9.0.2" }, "a move that is refused leaves everything as it was");
  t.end();
});

t.test("a decision alone allocates nothing", (t) => {
  const ipam = ipamWith(DUAL);
  const planned = ipam.decide(any("a", "dual"));
  t.same(ipam.decide(any("b", "dual")).ok && text(ipam.decide(any("b", "dual"))), text(planned));
  t.equal(ipam.leaseCount("dual"), 0);
  t.same(ipam.allocate(any("a", "dual")), planned);
  t.end();
});

t.test("addresses of nodes are not allocated", (t) => {
  const ipam = ipamWith(SMALL);
  ipam.setNodeAddresses([
    { address: "10.0.0.2", node: "weft-1" },
    { address: "192.168.0.1", node: "weft-2" },
    { address: "garbage", node: "weft-3" },
  ]);
  t.equal(text(ipam.allocate(any("a", "small"))), "10.0.0.3");
  ipam.setNodeAddresses([{ address: "10.0.0.4", node: "weft-1" }]);
  t.equal(text(ipam.allocate(any("b", "small"))), "10.0.0.2");
  t.equal(text(ipam.allocate(any("c", "small"))), "10.0.0.5");
  t.end();
});

t.test("a subnet changes under its leases", (t) => {
  const ipam = ipamWith(SMALL);
  for (let i = 2; i <= 6; i++) ipam.allocate(any(`pod-${i}`, "small"));
  const full = ipam.revision("small");
  t.equal(text(ipam.allocate(any("late", "small"))), "NoAvailableAddress");
  t.same(ipam.configure(config({ ...SMALL, cidrBlock: "10.0.0.0/28", gateway: "10.0.0.1" })), {
    problems: [],
    outside: [],
  });
  t.ok(ipam.revision("small") > full, "those who wait are to ask again");
  t.equal(
    text(ipam.allocate(any("late", "small"))),
    "10.0.0.7",
    "what was the broadcast address is one like others now",
  );
  ipam.configure(
    config({ ...SMALL, cidrBlock: "10.0.0.0/28", excludeIps: ["10.0.0.2..10.0.0.4", "10.0.0.8..10.0.0.14"] }),
  );
  t.equal(text(ipam.allocate(any("later", "small"))), "NoAvailableAddress");
  ipam.release("pod-2");
  ipam.release("pod-6");
  t.equal(text(ipam.allocate(any("later", "small"))), "10.0.0.6", "an excluded one is not given again");
  const { outside } = ipam.configure(config({ ...SMALL, cidrBlock: "10.0.0.0/30", gateway: "10.0.0.1" }));
  t.same(new Set(outside.map((lease) => lease.v4)), new Set(["10.0.0.4", "10.0.0.5", "10.0.0.6", "10.0.0.7"]));
  t.equal(ipam.holderOf("small", "10.0.0.7"), "late", "it is held all the same");
  ipam.configure(config({ ...SMALL, cidrBlock: "10.0.0.0/28" }));
  t.equal(text(ipam.allocate(fixed("thief", "10.0.0.7", "small"))), "AddressInUse");
  t.end();
});

t.test("pools that overlap or reach outside are named, and the first pool keeps what it has", (t) => {
  const ipam = new Ipam({ macs: hashedMacs("test") });
  const { problems } = ipam.configure(
    config({
      ...SMALL,
      pools: [
        { name: "p", ips: ["10.0.0.2..10.0.0.4"] },
        { name: "q", ips: ["10.0.0.4..10.0.0.9"] },
      ],
    }),
  );
  t.match(problems, [
    { code: "PoolOutOfSubnet", holder: "q", value: "10.0.0.4..10.0.0.9" },
    { code: "PoolOverlap", holder: "p", value: "10.0.0.4", message: /IPPool "q" names 10\.0\.0\.4, which IPPool "p"/ },
  ]);
  t.same(ipam.usage("small", "q").v4?.availableRange, "10.0.0.5-10.0.0.6");
  ipam.configure(config(SMALL));
  t.match(ipam.allocate(pool("a", "p")), { code: "PoolUnknown" }, "a pool that is gone");
  t.equal(ipam.counts("small").v4?.available, 5n, "leaves its addresses to the subnet");
  t.end();
});

t.test("a subnet in use is not removed unless forced", (t) => {
  const ipam = ipamWith(
    { ...SMALL, macDomain: "vpc", pools: [{ name: "p", ips: ["10.0.0.6"] }] },
    { name: "other", cidrBlock: "10.9.0.0/24", macDomain: "vpc" },
  );
  ipam.allocate({ ...any("web-0.default", "small"), mac: "02:00:00:00:00:01" });
  t.match(ipam.remove("small"), {
    code: "SubnetInUse",
    holder: "web-0.default",
    message: /1 of its addresses are allocated/,
  });
  t.same(ipam.remove("small", { force: true }), { ok: true });
  t.equal(ipam.leaseOf("web-0.default"), undefined);
  t.equal(ipam.macHolder("other", "02:00:00:00:00:01"), undefined);
  t.match(ipam.allocate(pool("a", "p")), { code: "PoolUnknown" });
  t.same(ipam.remove("small"), { ok: true }, "twice does no harm");
  t.same([...ipam.subnetNames()], ["other"]);
  t.match(ipam.allocate(any("a")), { code: "SubnetUnknown" });
  t.end();
});

t.test("after clearing it is empty", (t) => {
  const ipam = ipamWith({ ...SMALL, pools: [{ name: "p", ips: ["10.0.0.6"] }] });
  ipam.setNodeAddresses([{ address: "10.0.0.2", node: "weft-1" }]);
  const mac = "02:00:00:00:00:01";
  ipam.allocate({ ...any("a", "small"), mac });
  ipam.clear();
  t.same([...ipam.subnetNames()], []);
  t.equal(ipam.leaseOf("a"), undefined);
  t.match(ipam.allocate(pool("b", "p")), { code: "PoolUnknown" });
  ipam.configure(config(SMALL));
  t.match(ipam.allocate({ ...any("b", "small"), mac }), { lease: { v4: "10.0.0.2", mac } });
  t.end();
});

t.test("a subnet that changes its MAC domain keeps its MACs, and duplicates are reported", (t) => {
  const mac = "02:00:00:00:00:01";
  const ipam = ipamWith({ ...SMALL, macDomain: "one" }, { name: "other", cidrBlock: "10.9.0.0/24", macDomain: "two" });
  ipam.allocate({ ...any("a", "small"), mac });
  ipam.allocate({ ...any("b", "other"), mac });
  const { problems } = ipam.configure(config({ ...SMALL, macDomain: "two" }));
  t.match(problems, [
    { code: "MacInUse", value: mac, holder: "b", message: /"a" of subnet "small" and "b" of subnet "other"/ },
  ]);
  ipam.release("a");
  t.equal(ipam.macHolder("small", mac), "b", "the one that came second takes nothing along");
  ipam.release("b");
  t.match(ipam.allocate({ ...any("c", "other"), mac: "02:00:00:00:00:02" }), { ok: true });
  t.match(ipam.allocate({ ...any("d", "small"), mac: "02:00:00:00:00:02" }), { code: "MacInUse", holder: "c" });
  t.end();
});

t.test("everything that may allow a refused request increases the subnet's revision", (t) => {
  const ipam = ipamWith({ ...SMALL, macDomain: "vpc" }, { name: "other", cidrBlock: "10.9.0.0/24", macDomain: "vpc" });
  let last = ipam.revision("small");
  const grows = (what: string, change: () => unknown): void => {
    change();
    t.ok(ipam.revision("small") > last, what);
    last = ipam.revision("small");
  };
  ipam.allocate(any("a", "small"));
  ipam.allocate({ ...any("b", "other"), mac: "02:00:00:00:00:02" });
  t.equal(ipam.revision("small"), last, "an allocation unblocks no request");
  grows("an address is released", () => ipam.release("a"));
  grows("a MAC is released elsewhere in the network", () => ipam.release("b"));
  grows("the subnet changes", () => ipam.configure(config({ ...SMALL, macDomain: "vpc", excludeIps: ["10.0.0.9"] })));
  grows("the network changes", () => ipam.configure(config({ ...SMALL, macDomain: "new" })));
  ipam.setNodeAddresses([{ address: "10.0.0.4", node: "weft-1" }]);
  grows("a node goes", () => ipam.setNodeAddresses([]));
  t.equal(ipam.revision("missing"), 0);
  t.end();
});

t.test("an address may be in use in several networks", (t) => {
  const ipam = ipamWith(SMALL, { ...SMALL, name: "same" });
  ipam.allocate(fixed("a", "10.0.0.5", "small"));
  ipam.allocate(fixed("b", "10.0.0.5", "same"));
  t.same(ipam.holdersOf("10.0.0.5"), [
    { subnet: "small", owner: "a" },
    { subnet: "same", owner: "b" },
  ]);
  t.same(ipam.holdersOf("garbage"), []);
  t.end();
});

t.test("counts are exact where numbers are not", (t) => {
  const ipam = ipamWith({ name: "wide", cidrBlock: "fd00::/48" });
  ipam.allocate(any("a", "wide"));
  t.match(ipam.usage("wide").v6, {
    available: 2n ** 80n - 4n,
    using: 1n,
    availableRange: "fd00::3-fd00::ffff:ffff:ffff:ffff:fffe",
    usingRange: "fd00::2",
  });
  t.equal(text(ipam.allocate(fixed("b", "fd00:0:0:1234:5678:9abc:def0:1", "wide"))), "fd00::1234:5678:9abc:def0:1");
  t.equal(ipam.holderOf("wide", "FD00:0:0:1234:5678:9abc:def0:1"), "b");
  t.equal(
    ipam.usage("wide").v6?.availableRange,
    "fd00::3-fd00::1234:5678:9abc:def0:0,fd00::1234:5678:9abc:def0:2-fd00::ffff:ffff:ffff:ffff:fffe",
  );
  t.end();
});

t.test("allocation continues beyond 2^53 from the network address", (t) => {
  const ipam = ipamWith({ name: "high", cidrBlock: "fd00::/64", excludeIps: ["fd00::2..fd00::7fff:ffff:ffff:ffff"] });
  t.equal(text(ipam.allocate(any("a", "high"))), "fd00::8000:0:0:0");
  t.equal(text(ipam.allocate(any("b", "high"))), "fd00::8000:0:0:1");
  ipam.release("a");
  t.equal(text(ipam.allocate(any("c", "high"))), "fd00::8000:0:0:2");
  t.equal(ipam.usage("high").v6?.usingRange, "fd00::8000:0:0:1-fd00::8000:0:0:2");
  t.end();
});
