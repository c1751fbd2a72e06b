// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import type { DesiredRow } from "../desired/fragment.ts";
import { factStore } from "../kinds/store.ts";
import { parseIp } from "../net/address.ts";
import { Network } from "./network.ts";

const nat = (label: string, type: string, external_ip: string, logical_ip: string): DesiredRow => ({
  ...{ table: "NAT", uuid: label, label },
  columns: { type, external_ip, logical_ip },
});

t.test("the source address of what leaves a VPC is that of the most specific rule of its router", async (t) => {
  const rows: readonly DesiredRow[] = [
    { table: "Logical_Router", uuid: "r", label: "red", columns: { name: "red" } },
    nat("snat/all/4", "snat", "203.0.113.5", "10.0.0.0/16"),
    nat("fip/web/4", "dnat_and_snat", "203.0.113.6", "10.0.1.2"),
    nat("snat/all/6", "snat", "2001:db8::5", "fd00::/64"),
    nat("other", "dnat", "203.0.113.7", "10.0.1.3"),
  ];
  const edges = rows.slice(1).map(({ uuid: member }) => ({ table: "Logical_Router", row: "r", column: "nat", member }));
  const network = new Network(factStore(), [{ rows, edges }]);
  const of = (router: string, text: string): string => {
    const ip = parseIp(text);
    const found = ip && network.sourceNat(router, ip);
    return found === undefined ? "none" : `${found.external} ${found.label}`;
  };
  t.equal(of("red", "10.0.1.2"), "203.0.113.6 OvnFip web");
  t.equal(of("red", "10.0.1.3"), "203.0.113.5 OvnSnatRule all");
  t.equal(of("red", "fd00::9"), "2001:db8::5 OvnSnatRule all");
  t.equal(of("red", "10.1.0.1"), "none");
  t.equal(of("blue", "10.0.1.2"), "none");
});
