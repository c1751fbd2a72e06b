import t from "tap";
import { formatDual } from "../net/dual.ts";
import { formatRange } from "../net/range.ts";
import { type SubnetFields, subnetConfig } from "./config.ts";

function codes(fields: Omit<SubnetFields, "name">): string[] {
  const parsed = subnetConfig({ name: "s", ...fields });
  return parsed.ok ? [] : parsed.refusals.map((refusal) => refusal.code);
}

t.test("a subnet's fields are read, and a missing gateway is the first address", (t) => {
  const parsed = subnetConfig({
    name: "s",
    cidrBlock: "fd00:10:16::/64,10.16.0.0/16",
    gateway: "10.16.0.254",
    excludeIps: ["10.16.0.10..10.16.0.20", "fd00:10:16::5"],
    pools: [{ name: "p", ips: ["10.16.1.0/24", "oops", "fd00:10:16::10..fd00:10:16::20"] }],
    macDomain: "vpc",
  });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.refusals));
  t.equal(formatDual(parsed.config.cidr), "10.16.0.0/16,fd00:10:16::/64");
  t.equal(formatDual(parsed.config.gateway), "10.16.0.254,fd00:10:16::1");
  t.same(parsed.config.exclude.map(formatRange), ["10.16.0.10..10.16.0.20", "fd00:10:16::5"]);
  t.same(parsed.config.pools[0]?.ranges.map(formatRange), ["10.16.1.0..10.16.1.255", "fd00:10:16::10..fd00:10:16::20"]);
  t.match(parsed.poolProblems, [{ code: "PoolMalformed", value: "oops", holder: "p" }]);
  t.end();
});

t.test("no CIDR is a subnet of MACs", (t) => {
  t.match(subnetConfig({ name: "s", cidrBlock: "" }), { ok: true, config: { cidr: {}, gateway: {} } });
  t.same(codes({ cidrBlock: "", gateway: "10.0.0.1" }), ["GatewayOutOfSubnet"]);
  t.end();
});

t.test("bad fields are refused, each with its own code", (t) => {
  for (const [fields, expected] of [
    [{ cidrBlock: "10.16.0.0" }, "CidrMalformed"],
    [{ cidrBlock: "10.16.0.0/16,10.17.0.0/16" }, "CidrMalformed"],
    [{ cidrBlock: "10.16.0.0/16," }, "CidrMalformed"],
    [{ cidrBlock: "10.16.0.0/32" }, "CidrTooSmall"],
    [{ cidrBlock: "fd00::/128" }, "CidrTooSmall"],
    [{ cidrBlock: "127.0.0.0/24" }, "CidrNotUnicast"],
    [{ cidrBlock: "fe80::/64" }, "CidrNotUnicast"],
    [{ cidrBlock: "224.0.0.0/24" }, "CidrNotUnicast"],
    [{ cidrBlock: "10.16.0.0/16", gateway: "10.17.0.1" }, "GatewayOutOfSubnet"],
    [{ cidrBlock: "10.16.0.0/16", gateway: "fd00::1" }, "GatewayOutOfSubnet"],
    [{ cidrBlock: "10.16.0.0/16", gateway: "10.16.0.1/16" }, "GatewayMalformed"],
    [{ cidrBlock: "10.16.0.0/16", gateway: "10.16.0.0" }, "GatewayIsReserved"],
    [{ cidrBlock: "10.16.0.0/16", gateway: "10.16.255.255" }, "GatewayIsReserved"],
    [{ cidrBlock: "10.16.0.0/16", excludeIps: ["10.16.0.20..10.16.0.10"] }, "ExcludeMalformed"],
  ] as const) {
    t.same(codes(fields), [expected], JSON.stringify(fields));
  }
  t.same(
    codes({ cidrBlock: "0.0.0.0/0" }).every((code) => code === "CidrNotUnicast"),
    true,
  );
  t.same(
    codes({ cidrBlock: "10.16.0.0/16", gateway: "x", excludeIps: ["y"] }),
    ["GatewayMalformed", "ExcludeMalformed"],
    "all at once",
  );
  for (const [cidrBlock, gateway] of [
    ["10.16.0.0/31", "10.16.0.1"],
    ["10.16.0.0/30", "10.16.0.1"],
    ["fd00::/127", "fd00::"],
    ["fd00::/126", "fd00::1"],
  ] as const) {
    const parsed = subnetConfig({ name: "s", cidrBlock });
    t.equal(parsed.ok && formatDual(parsed.config.gateway), gateway, cidrBlock);
  }
  t.same(codes({ cidrBlock: "10.16.0.0/31", gateway: "10.16.0.1" }), []);
  t.same(codes({ cidrBlock: "fd00::/127", gateway: "fd00::" }), []);
  t.match(subnetConfig({ name: "s", cidrBlock: "10.16.0.0/31", gateway: "10.16.0.0" }), {
    refusals: [
      {
        code: "GatewayIsReserved",
        message:
          'gateway 10.16.0.0 of subnet "s" would leave its pod 10.16.0.1, which OVN drops as the broadcast address of 10.16.0.0/31; name 10.16.0.1, or give it a shorter prefix.',
      },
    ],
  });
  t.end();
});
