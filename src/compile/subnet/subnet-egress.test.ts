// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import type { SubnetSpec } from "../../api/generated/subnet.ts";
import { decodeSubnetContract } from "../../contract/subnet.ts";
import { projectSubnet } from "../../facts/project-subnet.ts";
import { conditionsIn } from "../effects.ts";
import { addSubnet, sampleFacts } from "../testing/sample-facts.ts";
import { subnetUnit } from "./subnet.ts";
import { readEgress } from "./subnet-egress.ts";

const ROUTER = "ovn-cluster";
const EGRESS = { externalEgressGateway: "192.168.0.1", policyRoutingTableID: 1000, policyRoutingPriority: 1500 };

function subnet(spec: Partial<SubnetSpec>) {
  return projectSubnet({
    metadata: { name: "shop", uid: "u1" },
    spec: { cidrBlock: "10.63.0.0/24,fd00:63::/112", ...EGRESS, ...spec },
  });
}

t.test("the external gateway is in the nodes' contract, IPv4 first", async (t) => {
  t.strictSame(readEgress(subnet({}), ROUTER, undefined), {
    egress: { gateways: ["192.168.0.1"], table: 1000, priority: 1500 },
    problems: [],
  });
  const { egress } = readEgress(subnet({ externalEgressGateway: "2001:db8::1,192.168.0.1" }), ROUTER, undefined);
  t.strictSame(egress?.gateways, ["192.168.0.1", "2001:db8::1"]);
  t.strictSame(readEgress(subnet({ externalEgressGateway: "" }), ROUTER, undefined), { problems: [] });
});

t.test(
  "a gateway that nodes could not use, or that would replace their own routes, is refused with its reason",
  async (t) => {
    for (const [spec, path, why] of [
      [{ externalEgressGateway: "192.168.0.1,192.168.0.2" }, "externalEgressGateway", /one of each family/],
      [{ externalEgressGateway: "gw" }, "externalEgressGateway", /one of each family/],
      [{ natOutgoing: true }, "externalEgressGateway", /exclude each other/],
      [{ vpc: "team" }, "externalEgressGateway", /only subnets of VPC "ovn-cluster"/],
      [{ cidrBlock: "10.63.0.0/24", externalEgressGateway: "fd00::1" }, "externalEgressGateway", /of a family/],
      [{ externalEgressGateway: "10.63.0.9" }, "externalEgressGateway", /in the subnet itself/],
      [{ externalEgressGateway: "fe80::1" }, "externalEgressGateway", /link-local/],
      [{ policyRoutingTableID: 0 }, "policyRoutingTableID", /0 must be set and not be one of 0, 253-255, 870-879/],
      [{ policyRoutingTableID: 254 }, "policyRoutingTableID", /254 must be set/],
      [{ policyRoutingTableID: 8750 }, "policyRoutingTableID", /8750 must be set/],
      [{ policyRoutingPriority: 0 }, "policyRoutingPriority", /0 must be from 1 to 32765/],
      [{ policyRoutingPriority: 32_766 }, "policyRoutingPriority", /32766 must be/],
      [{ policyRoutingPriority: 875 }, "policyRoutingPriority", /875 must be/],
    ] as const) {
      const { egress, problems } = readEgress(subnet(spec), ROUTER, undefined);
      t.equal(egress, undefined, JSON.stringify(spec));
      t.match(problems, [{ reason: "InvalidEgressGateway", path: `spec.${path}`, message: why }], JSON.stringify(spec));
    }
  },
);

t.test("of two subnets with one routing table the older one has it, and the other reports it", async (t) => {
  const facts = sampleFacts();
  addSubnet(facts, "one", { cidrBlock: "10.63.0.0/24", ...EGRESS });
  addSubnet(facts, "two", { cidrBlock: "10.64.0.0/24", ...EGRESS });
  const told = (name: string) => {
    const input = subnetUnit.read(facts, name);
    if (input === undefined) throw new Error("no input");
    const { effects } = subnetUnit.compile(input);
    const [condition] = conditionsIn(effects);
    const fill = effects.find((effect) => effect.kind === "fill");
    const contract = fill?.annotations?.["weft.kubeovn.io/node-contract"] ?? "";
    return { condition, contract: decodeSubnetContract(contract) };
  };
  t.match(told("one").contract.egress, { table: 1000 });
  t.equal(told("one").condition?.refused, undefined);
  t.equal(told("two").contract.egress, undefined);
  t.match(told("two").condition?.refused, { message: /policyRoutingTableID: 1000 is the table of subnet one/ });
});
