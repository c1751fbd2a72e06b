// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { parseIp } from "../net/address.ts";
import { subnetConfig } from "./config.ts";
import { Ipam } from "./ipam.ts";
import { hashedMacs } from "./mac-choice.ts";

function ipamWith(...subnets: Parameters<typeof subnetConfig>[0][]): Ipam {
  const ipam = new Ipam({ macs: hashedMacs("test") });
  for (const subnet of subnets) {
    const parsed = subnetConfig(subnet);
    if (parsed.ok) ipam.configure(parsed.config);
  }
  return ipam;
}

const DUAL = { name: "dual", cidrBlock: "10.0.0.0/24,fd00::/64" };
const MAC = "02:00:00:00:00:01";

t.test("recorded addresses are in use, and the following ones are allocated around them", (t) => {
  const ipam = ipamWith(DUAL);
  const record = { owner: "web-0.default", subnet: "dual", v4: "10.0.0.2", v6: "fd00::2", mac: MAC };
  t.same(ipam.reserve(record), { lease: record, conflicts: [] });
  t.same(ipam.reserve(record), { lease: record, conflicts: [] }, "once more is fine");
  t.match(ipam.allocate({ owner: "other", subnets: ["dual"], want: { kind: "any" } }), {
    lease: { v4: "10.0.0.3", v6: "fd00::3" },
  });
  t.match(ipam.allocate({ owner: "web-0.default", subnets: ["dual"], want: { kind: "any" } }), {
    how: "same",
    lease: record,
  });
  t.equal(ipam.leaseCount("dual"), 2);
  t.end();
});

t.test("empty fields, as IP objects have them, are no conflict; a second source adds what the first lacks", (t) => {
  const ipam = ipamWith(DUAL);
  t.match(ipam.reserve({ owner: "a", subnet: "dual", v4: "10.0.0.2", v6: "", mac: "" }), { conflicts: [] });
  t.match(ipam.reserve({ owner: "a", subnet: "dual", v4: "10.0.0.2", v6: "fd00::9", mac: MAC }), {
    lease: { v4: "10.0.0.2", v6: "fd00::9", mac: MAC },
    conflicts: [],
  });
  t.equal(ipam.leaseCount("dual"), 1);
  t.end();
});

t.test("of two records of one address the first is valid; the rest of the second is restored", (t) => {
  const ipam = ipamWith(DUAL);
  ipam.reserve({ owner: "first", subnet: "dual", v4: "10.0.0.2", mac: MAC });
  const { lease, conflicts } = ipam.reserve({
    owner: "second",
    subnet: "dual",
    v4: "10.0.0.2",
    v6: "fd00::2",
    mac: MAC,
  });
  t.same(lease, { owner: "second", subnet: "dual", v4: undefined, v6: "fd00::2", mac: undefined });
  t.match(conflicts, [
    {
      code: "AddressInUse",
      value: "10.0.0.2",
      holder: "first",
      message: /recorded for "second" and for "first"; "first" keeps it/,
    },
    { code: "MacInUse", value: MAC, holder: "first" },
  ]);
  t.equal(ipam.holderOf("dual", "10.0.0.2"), "first");
  ipam.release("second");
  t.equal(ipam.macHolder("dual", MAC), "first", "an owner that did not get the MAC does not release it");
  t.end();
});

t.test("two records of one owner that disagree are named, and the first counts", (t) => {
  const ipam = ipamWith(DUAL, { name: "other", cidrBlock: "10.1.0.0/24" });
  ipam.reserve({ owner: "a", subnet: "dual", v4: "10.0.0.2", mac: MAC });
  t.match(ipam.reserve({ owner: "a", subnet: "dual", v4: "10.0.0.3", mac: "02:00:00:00:00:02" }), {
    lease: { v4: "10.0.0.2", mac: MAC },
    conflicts: [
      { code: "HoldsAnother", value: "10.0.0.3" },
      { code: "HoldsAnother", value: "02:00:00:00:00:02" },
    ],
  });
  t.match(ipam.reserve({ owner: "a", subnet: "other", v4: "10.1.0.3" }), {
    lease: { subnet: "dual" },
    conflicts: [{ code: "HoldsAnother", subnet: "dual" }],
  });
  t.equal(ipam.holderOf("dual", "10.0.0.3"), undefined);
  t.equal(ipam.holderOf("other", "10.1.0.3"), undefined);
  t.end();
});

t.test("an address that could not be allocated now is restored and reported", (t) => {
  const ipam = ipamWith({ name: "v4", cidrBlock: "10.0.0.0/24", gateway: "10.0.0.9" });
  ipam.setNodeAddresses([{ address: "10.0.0.4", node: "weft-1" }]);
  for (const [v4, code] of [
    ["10.0.0.9", "AddressIsGateway"],
    ["10.0.0.0", "AddressIsNetwork"],
    ["10.0.0.255", "AddressIsBroadcast"],
    ["10.0.0.4", "AddressOfNode"],
    ["10.0.1.4", "AddressOutOfSubnet"],
  ] as const) {
    const { lease, conflicts } = ipam.reserve({ owner: `holder of ${v4}`, subnet: "v4", v4 });
    t.equal(lease?.v4, v4);
    t.match(conflicts, [{ code, value: v4, message: /keeps it, but/ }]);
    t.equal(ipam.holderOf("v4", v4), `holder of ${v4}`);
  }
  t.match(ipam.reserve({ owner: "six", subnet: "v4", v6: "fd00::5" }), {
    lease: { v6: "fd00::5" },
    conflicts: [{ code: "AddressOutOfSubnet" }],
  });
  const parsed = subnetConfig(DUAL);
  if (parsed.ok) ipam.configure({ ...parsed.config, name: "v4" });
  t.equal(ipam.holderOf("v4", "fd00::5"), "six", "also when the family comes later");
  t.match(ipam.usage("v4").v6, { using: 1n, usingRange: "fd00::5" });
  t.end();
});

t.test("after a start the gaps among the addresses in use are given last, in order, and counted as free", (t) => {
  const ipam = new Ipam({ macs: hashedMacs("t") });
  const parsed = subnetConfig({
    name: "s",
    cidrBlock: "10.0.0.0/16,fd00::/64",
    excludeIps: ["10.0.0.7"],
    pools: [{ name: "p", ips: ["10.0.0.4..10.0.0.5"] }],
  });
  if (!parsed.ok) throw new Error("bad subnet");
  ipam.configure(parsed.config);
  for (const [owner, v4, v6] of [
    ["a", "10.0.0.3", "fd00::2"],
    ["b", "10.0.0.9", "fd00::4"],
    // By name, far away: what lies between was never given.
    ["c", "10.0.200.1", "fd00::ffff:ffff:ffff:1"],
  ] as const)
    ipam.reserve({ owner, subnet: "s", v4, v6 });
  const before = ipam.counts("s");
  ipam.loaded();
  t.same(ipam.counts("s"), before);
  t.match(ipam.allocate({ owner: "n1", subnets: ["s"], want: { kind: "any" } }), {
    lease: { v4: "10.0.0.10", v6: "fd00::5" },
  });
  const pooled = { owner: "n2", subnets: ["s"], want: { kind: "pool" as const, pools: ["p"] }, family: 4 as const };
  t.match(ipam.allocate(pooled), { lease: { v4: "10.0.0.4" } }, "a pool without leases starts with its first address");
  t.match(
    ipam.allocate({ owner: "n3", subnets: ["s"], want: { kind: "static", addresses: { v4: parseIp("10.0.0.2")! } } }),
    { lease: { v4: "10.0.0.2" } },
    "who asks for one of the gaps has it",
  );
  t.end();
});

t.test("when no other address is free, the gaps are allocated", (t) => {
  const ipam = new Ipam({ macs: hashedMacs("t") });
  const parsed = subnetConfig({ name: "s", cidrBlock: "10.0.0.0/29" });
  if (!parsed.ok) throw new Error("bad subnet");
  ipam.configure(parsed.config);
  ipam.reserve({ owner: "a", subnet: "s", v4: "10.0.0.4" });
  ipam.loaded();
  const given = ["b", "c", "d", "e", "f"].map((owner) => {
    const decision = ipam.allocate({ owner, subnets: ["s"], want: { kind: "any" } });
    return decision.ok ? decision.lease.v4 : decision.code;
  });
  t.same(given, ["10.0.0.5", "10.0.0.6", "10.0.0.2", "10.0.0.3", "NoAvailableAddress"]);
  t.end();
});

t.test("addresses keep their texts when a family comes after them", (t) => {
  const ipam = ipamWith({ name: "later", cidrBlock: "10.0.0.0/24" });
  for (const v6 of ["fd00::fffe", "fd00::1:1", "fd00::5"]) ipam.reserve({ owner: v6, subnet: "later", v6 });
  const parsed = subnetConfig({ name: "later", cidrBlock: "10.0.0.0/24,fd00::/64" });
  if (parsed.ok) ipam.configure(parsed.config);
  for (const v6 of ["fd00::fffe", "fd00::1:1", "fd00::5"]) t.equal(ipam.leaseOf(v6)?.v6, v6);
  t.equal(ipam.usage("later").v6?.usingRange, "fd00::5,fd00::fffe,fd00::1:1");
  t.match(ipam.allocate({ owner: "new", subnets: ["later"], want: { kind: "any" } }), { lease: { v6: "fd00::2" } });
  t.end();
});

t.test("an invalid record is reported and nothing is restored", (t) => {
  const ipam = ipamWith(DUAL);
  t.match(ipam.reserve({ owner: "a", subnet: "dual", v4: "10.0.0", v6: "10.0.0.5", mac: "zz" }), {
    lease: undefined,
    conflicts: [{ code: "AddressMalformed" }, { code: "AddressMalformed" }, { code: "MacMalformed" }],
  });
  t.match(ipam.reserve({ owner: "a", subnet: "gone", v4: "10.0.0.5" }), {
    lease: undefined,
    conflicts: [{ code: "SubnetUnknown" }],
  });
  t.equal(ipam.leaseCount("dual"), 0);
  t.end();
});
