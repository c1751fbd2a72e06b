// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { projectSubnet } from "../../facts/project-subnet.ts";
import { parseIp } from "../../net/address.ts";
import { type AclView, byStage, decideStage, type NamedSets } from "../../policy/acl-evaluation.ts";
import { FragmentBuilder } from "../fragment-builder.ts";
import { addSourceGuard } from "./subnet-sources.ts";

const JOIN = { v4: "100.64.0.0/16", v6: "fd00:100:64::/112" };
const SETS: NamedSets = {
  portGroup: () => undefined,
  addressSet: (name) => (name === "weft_nodes_ip4" ? ["172.18.0.11"] : ["fd00:172:18::11"]),
};

/** Whether a switch lets a pod, or its router, send from an address. */
function lets(inside: boolean, inport: string, source: string, privateCidrs: readonly string[] = []): boolean {
  const spec = { cidrBlock: "10.20.0.0/24,fd00:20::/112", gateway: "10.20.0.1,fd00:20::1" };
  const subnet = projectSubnet({ metadata: { name: "s", uid: "u" }, spec });
  const build = new FragmentBuilder();
  addSourceGuard(build, subnet, { uplink: "s-vpc", nodes: inside, joinCidr: inside ? JOIN : {}, privateCidrs });
  const acls = build
    .finish()
    .rows.filter(({ table }) => table === "ACL")
    .map(({ columns }) => columns as unknown as AclView);
  const ip = parseIp(source);
  const destination = parseIp(source.includes(":") ? "fd00:20::9" : "10.20.0.9");
  if (ip === undefined || destination === undefined) throw new Error(`${source} is no address`);
  const packet = { inport, source: ip, destination, protocol: "UDP" as const, destinationPort: 53 };
  return decideStage(byStage(acls)["from-lport"], packet, SETS).verdict === "allow";
}

t.test("no port sends from an address of a node, of its gateway, or from the hairpin address", async (t) => {
  for (const source of ["10.20.0.1", "fd00:20::1", "169.254.169.5", "fd69::5"]) {
    for (const inside of [true, false]) t.notOk(lets(inside, "pod", source), source);
  }
  for (const source of ["100.64.0.2", "fd00:100:64::2", "172.18.0.11", "fd00:172:18::11"]) {
    t.notOk(lets(true, "pod", source), source);
    t.ok(lets(false, "pod", source), `${source} may be a pod's if nodes are not reached from here`);
  }
});

t.test("no port sends from an address of a private subnet that it is not in", async (t) => {
  const vault = ["10.62.0.0/24", "fd00:62::/112"];
  for (const source of ["10.62.0.9", "fd00:62::9"]) {
    t.notOk(lets(true, "pod", source, vault), source);
    t.ok(lets(true, "s-vpc", source, vault), `${source}, from the router`);
    t.ok(lets(true, "pod", source), `${source}, of a subnet that is not private`);
  }
});

t.test("all other sources are allowed, and all from the router", async (t) => {
  for (const source of ["10.20.0.2", "fd00:20::2", "192.0.2.1", "fe80::1"]) t.ok(lets(true, "pod", source), source);
  for (const source of ["100.64.0.2", "172.18.0.11", "fd00:100:64::2"]) t.ok(lets(true, "s-vpc", source), source);
});
