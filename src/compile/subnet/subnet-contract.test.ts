// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import { decodeSubnetContract } from "../../contract/subnet.ts";
import { addSubnet, SAMPLE_CLUSTER, sampleFacts } from "../testing/sample-facts.ts";
import { subnetContract } from "./subnet-contract.ts";

t.test("a daemon can read the contract of any Subnet's spec", async (t) => {
  const odd = fc.constantFrom(undefined, null, true, "x", "1400", 1400, -1, 1.5, 70_000, 1e300, [], {});
  const spec = fc.record(
    {
      cidrBlock: fc.constantFrom("10.20.0.0/24", "10.20.0.0/24,fd00:20::/64", "0.0.0.0/0", "10.20.0.0/99", "::/0", ""),
      vpc: fc.constantFrom("ovn-cluster", "other", ""),
      vlan: fc.constantFrom("", "v"),
      provider: fc.constantFrom("", "ovn", "net.shop.ovn", "net.shop"),
      gatewayType: odd,
      natOutgoing: odd,
      mtu: odd,
    },
    { requiredKeys: [], noNullPrototype: true },
  );
  let routed = 0;
  fc.assert(
    fc.property(spec, (of) => {
      const facts = sampleFacts();
      addSubnet(facts, "s", of as Parameters<typeof addSubnet>[2]);
      const [subnet, verdict] = [facts.get("subnets", "s"), facts.get("verdicts", "s")];
      if (subnet === undefined || verdict === undefined) throw new Error("not judged");
      const contract = decodeSubnetContract(
        subnetContract(subnet, verdict, SAMPLE_CLUSTER, undefined, undefined) ?? "",
      );
      const theirs = verdict.ok && of.vpc !== "other" && !of.vlan && of.provider !== "net.shop";
      t.equal(contract.cidrs.length > 0, theirs, JSON.stringify(of));
      if (theirs) routed++;
    }),
    { numRuns: 500, seed: 3 },
  );
  t.ok(routed > 20, `${routed} of them are routed`);
});

t.test("a subnet without verdict has no contract", async (t) => {
  const subnet = sampleFacts().get("subnets", "ovn-default");
  if (subnet === undefined) throw new Error("no subnet");
  t.equal(
    subnetContract(subnet, { key: "", ok: false, reason: "", message: "" }, SAMPLE_CLUSTER, undefined, undefined),
    undefined,
  );
});

t.test("only a subnet whose packets never go through tunnels names its network outside", async (t) => {
  const network = (of: Parameters<typeof addSubnet>[2]): string | undefined => {
    const facts = sampleFacts();
    addSubnet(facts, "s", { cidrBlock: "10.20.0.0/24", gateway: "10.20.0.1", vlan: "v", ...of });
    const [subnet, verdict] = [facts.get("subnets", "s"), facts.get("verdicts", "s")];
    if (subnet === undefined || verdict === undefined) throw new Error("not judged");
    const localnet = of?.vlan === "" ? undefined : { network: "external", tag: 0 };
    return decodeSubnetContract(subnetContract(subnet, verdict, SAMPLE_CLUSTER, undefined, localnet) ?? "").network;
  };
  t.equal(network({}), "external");
  t.equal(network({ logicalGateway: true }), undefined, "its gateway is the VPC's router");
  t.equal(network({ u2oInterconnection: true }), undefined, "the VPC's router has a port there");
  t.equal(network({ vlan: "" }), undefined, "it is an overlay subnet");
});
