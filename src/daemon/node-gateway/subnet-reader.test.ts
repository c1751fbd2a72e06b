// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { encodeSubnetContract } from "../../contract/subnet.ts";
import { type RoutedSubnet, SubnetReader } from "./subnet-reader.ts";

const READY = { conditions: [{ type: "Ready", status: "True" }] };
const NOT_READY = { conditions: [{ type: "Ready", status: "False", reason: "InUse" }] };

type Subnet = Parameters<SubnetReader["read"]>[0];

function subnet(spec: object, annotations: Record<string, string>, status: object = READY, uid = "u"): Subnet {
  return { metadata: { name: "s", uid, resourceVersion: "1", annotations }, spec, status } as Subnet;
}

function contract(...cidrs: string[]): Record<string, string> {
  const text = encodeSubnetContract({ cidrs, natOutgoing: true, gatewayType: "distributed", mtu: 1400 });
  return { "weft.kubeovn.io/node-contract": text };
}

function reader() {
  const logged: string[] = [];
  const log =
    (level: string) =>
    (fields: object, message: string): void =>
      void logged.push(`${level} ${message} ${JSON.stringify(fields)}`);
  return { reader: new SubnetReader({ debug: log("debug"), warn: log("warn") }), logged };
}

const cidrsOf = ({ contract: of }: RoutedSubnet): unknown =>
  typeof of === "string" ? of : of.cidrs.map(({ text }) => text);

t.test("a node uses only the contract, whatever spec and conditions say", async (t) => {
  const { reader: subnets, logged } = reader();
  const spec = { cidrBlock: "10.99.0.0/24", vpc: "other", natOutgoing: false };
  const fact = subnets.read(subnet(spec, contract("10.20.0.0/24", "fd00::/112"), NOT_READY));
  t.match(fact.contract, { natOutgoing: true, mtu: 1400 });
  t.same(cidrsOf(fact), ["10.20.0.0/24", "fd00::/112"]);
  t.same(
    cidrsOf(subnets.read(subnet(spec, contract(), READY))),
    [],
    "also if the contract says that there is nothing to do",
  );
  t.same(logged, []);
});

t.test(
  "a contract that is removed or malformed leaves the last valid one, and one of another version too",
  async (t) => {
    const { reader: subnets, logged } = reader();
    const spec = { cidrBlock: "10.99.0.0/24" };
    const read = (annotations: Record<string, string>, uid?: string): unknown =>
      cidrsOf(subnets.read(subnet(spec, annotations, NOT_READY, uid)));
    read(contract("10.20.0.0/24"));
    t.same(read({}), ["10.20.0.0/24"]);
    t.same(logged, []);
    for (const text of ["nonsense", "nonsense", '{"version":2}'])
      t.same(read({ "weft.kubeovn.io/node-contract": text }), ["10.20.0.0/24"]);
    t.match(logged, [/^warn .*is malformed; the last valid one stays.*"malformed"/, /^warn .*"unsupported-version"/]);
    t.equal(logged.length, 2, "each text once");
    t.same(read({}, "another"), [], "a new object of the same name keeps nothing of the former one");
    subnets.forget("s");
    t.same(read({}), []);
  },
);

t.test("a malformed contract that was never valid does not cause anything to be removed", async (t) => {
  const { reader: subnets, logged } = reader();
  const malformed = { "weft.kubeovn.io/node-contract": '{"version":2}' };
  t.match(
    cidrsOf(subnets.read(subnet({ cidrBlock: "10.20.0.0/24" }, malformed))),
    "annotation weft.kubeovn.io/node-contract of Subnet s: the document has version 2, and only version 1 is supported",
  );
  t.match(logged, [/the node's network stays as it is/]);
});

t.test("without a contract, from an older controller, spec and condition are used", async (t) => {
  const { reader: subnets, logged } = reader();
  const read = (spec: object, record?: string, status?: object): unknown =>
    cidrsOf(subnets.read(subnet(spec, record === undefined ? {} : { "weft.kubeovn.io/in-force": record }, status)));
  const spec = { cidrBlock: "10.20.0.0/22" };
  t.same(read(spec), ["10.20.0.0/22"]);
  t.match(logged, [/^debug .*has no contract yet/]);
  t.same(read(spec, "10.20.0.0/24,fd00::/112 10.20.0.1,fd00::1"), ["10.20.0.0/24", "fd00::/112"]);
  t.same(read(spec, "nonsense"), ["10.20.0.0/22"]);
  t.same(read(spec, undefined, {}), []);
  t.same(read(spec, undefined, NOT_READY), []);
  t.same(read(spec, "10.20.0.0/24 10.20.0.1", NOT_READY), ["10.20.0.0/24"], "it is deleted while it is in use");
  t.same(read({ ...spec, vlan: "v" }), []);
  t.same(read({ ...spec, vpc: "other" }), []);
  t.same(read({ ...spec, provider: "macvlan.default" }), []);
  t.equal(logged.length, 1, "said once");
});
