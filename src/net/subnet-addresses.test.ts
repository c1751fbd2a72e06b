// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { formatDual } from "./dual.ts";
import { parseSubnetAddresses, type SubnetAddressFields } from "./subnet-addresses.ts";

function reasons(fields: SubnetAddressFields): string[] {
  const parsed = parseSubnetAddresses(fields);
  return parsed.ok ? [] : parsed.problems.map(({ reason }) => reason);
}

t.test("no CIDR is a subnet of MACs", (t) => {
  t.match(parseSubnetAddresses({ cidrBlock: "" }), { ok: true, addresses: { cidr: {}, gateway: {} } });
  t.same(reasons({ cidrBlock: "", gateway: "10.0.0.1" }), [], "a gateway of another IP family is not reserved");
  t.end();
});

t.test("bad fields are problems, each with its own reason", (t) => {
  for (const [fields, expected] of [
    [{ cidrBlock: "10.16.0.0" }, "InvalidCIDR"],
    [{ cidrBlock: "10.16.0.0/16,10.17.0.0/16" }, "InvalidCIDR"],
    [{ cidrBlock: "10.16.0.0/16," }, "InvalidCIDR"],
    [{ cidrBlock: "10.16.0.0/32" }, "InvalidCIDR"],
    [{ cidrBlock: "fd00::/128" }, "InvalidCIDR"],
    [{ cidrBlock: "127.0.0.0/24" }, "CidrNotUnicast"],
    [{ cidrBlock: "fe80::/64" }, "CidrNotUnicast"],
    [{ cidrBlock: "224.0.0.0/24" }, "CidrNotUnicast"],
    [{ cidrBlock: "fd69::8/127" }, "CidrNotUnicast"],
    [{ cidrBlock: "10.16.0.0/16,fd69::/64" }, "CidrNotUnicast"],
    [{ cidrBlock: "10.16.0.0/16", gateway: "10.17.0.1" }, "InvalidGateway"],
    [{ cidrBlock: "10.16.0.0/16", gateway: "10.16.0.1/16" }, "InvalidGateway"],
    [{ cidrBlock: "10.16.0.0/16", gateway: "10.16.0.0" }, "GatewayIsReserved"],
    [{ cidrBlock: "10.16.0.0/16", gateway: "10.16.255.255" }, "GatewayIsReserved"],
    [{ cidrBlock: "10.16.0.0/16", excludeIps: ["10.16.0.20..10.16.0.10"] }, "InvalidExcludeIps"],
  ] as const) {
    t.same(reasons(fields), [expected], JSON.stringify(fields));
  }
  t.same(
    reasons({ cidrBlock: "0.0.0.0/0" }).every((reason) => reason === "CidrNotUnicast"),
    true,
  );
  t.same(
    reasons({ cidrBlock: "10.16.0.0/16", gateway: "x", excludeIps: ["y"] }),
    ["InvalidExcludeIps", "InvalidGateway"],
    "all at once",
  );
  for (const [cidrBlock, gateway] of [
    ["10.16.0.0/31", "10.16.0.1"],
    ["10.16.0.0/30", "10.16.0.1"],
    ["fd00::/127", "fd00::"],
    ["fd00::/126", "fd00::1"],
  ] as const) {
    const parsed = parseSubnetAddresses({ cidrBlock });
    t.equal(parsed.ok && formatDual(parsed.addresses.gateway), gateway, cidrBlock);
  }
  t.same(reasons({ cidrBlock: "10.16.0.0/31", gateway: "10.16.0.1" }), []);
  t.same(reasons({ cidrBlock: "fd00::/127", gateway: "fd00::" }), []);
  t.match(parseSubnetAddresses({ cidrBlock: "10.16.0.0/31", gateway: "10.16.0.0" }), {
    problems: [
      {
        reason: "GatewayIsReserved",
        message:
          "spec.gateway 10.16.0.0 would leave its pod 10.16.0.1, which OVN drops as the broadcast address of 10.16.0.0/31; name 10.16.0.1, or choose a shorter prefix",
      },
    ],
  });
  t.end();
});

t.test(
  "a gateway of a family that the subnet does not have is passed over: IPv6 may have been taken out of it",
  async (t) => {
    const parsed = parseSubnetAddresses({ cidrBlock: "10.16.0.0/29", gateway: "10.16.0.1,fd00::1" });
    t.equal(parsed.ok && formatDual(parsed.addresses.gateway), "10.16.0.1");
  },
);
