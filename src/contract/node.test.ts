// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import { dualValues } from "../net/dual.ts";
import { acceptedNetworks, decodeNodeContract, encodeNodeContract, type NodeContractText } from "./node.ts";
import { anyInterface, anyIp, anyName, codeOf, written } from "./testing/arbitraries.ts";

const contract = (): fc.Arbitrary<NodeContractText> =>
  fc
    .record({
      interface: anyInterface().filter(({ addresses }) => dualValues(addresses).length > 0),
      sources: fc.record({ v4: anyIp(4), v6: anyIp(6) }, { requiredKeys: [] }),
      joinSubnet: anyName(),
      portName: anyName(),
      networks: fc.option(fc.constantFrom({ storage: "192.168.10.11" }, { a: "fd00::1", b: "10.9.0.1" }), {
        nil: undefined,
      }),
      nodePorts: fc.option(
        fc.tuple(fc.integer({ min: 1, max: 65_535 }), fc.integer({ min: 1, max: 65_535 })).map(([a, b]) => ({
          first: Math.min(a, b),
          last: Math.max(a, b),
        })),
        { nil: undefined },
      ),
      services: fc.option(
        fc.record({
          mac: anyInterface().map(({ mac }) => mac),
          portName: anyName(),
          sources: fc.record({ v4: anyIp(4), v6: anyIp(6) }, { requiredKeys: [] }),
          gateways: fc.record({ v4: anyIp(4), v6: anyIp(6) }, { requiredKeys: [] }),
          cidrs: fc
            .array(anyInterface(), { maxLength: 3 })
            .map((interfaces) => [...new Set(interfaces.flatMap(({ cidr }) => dualValues(cidr)))]),
          vpc: anyName(),
        }),
        { nil: undefined },
      ),
    })
    .map(({ interface: { mac, addresses, cidr, gateway }, nodePorts, networks, services, ...rest }) => ({
      ...{ mac, addresses, cidr, gateway, ...rest },
      ...(nodePorts && { nodePorts }),
      ...(networks && { networks }),
      ...(services && { services }),
    }));

const SAMPLE: NodeContractText = {
  mac: "02:00:00:00:00:02",
  addresses: { v4: "100.64.0.2", v6: "fd00:100:64::2" },
  cidr: { v4: "100.64.0.0/16", v6: "fd00:100:64::/112" },
  gateway: { v4: "100.64.0.1", v6: "fd00:100:64::1" },
  sources: { v4: "172.18.0.11" },
  joinSubnet: "join",
  portName: "node-weft-1",
  nodePorts: { first: 30_000, last: 32_767 },
};

t.test("what the controller writes on a node is what its daemon reads", async (t) => {
  fc.assert(
    fc.property(contract(), (text) => {
      const read = decodeNodeContract(written(encodeNodeContract(text)));
      if (read === undefined) throw new Error("nothing");
      const texts = {
        mac: read.mac,
        addresses: read.addresses.map(({ ip, cidr }) => [ip.text, cidr.text]),
        gateways: read.gateways.map((ip) => ip.text),
        sources: read.sources.map((ip) => ip.text),
        joinSubnet: read.joinSubnet,
        nodePorts: read.nodePorts,
        networks: read.networks,
        services: read.services && {
          ...read.services,
          sources: read.services.sources.map((ip) => ip.text),
          gateways: read.services.gateways.map((ip) => ip.text),
          cidrs: read.services.cidrs.map((range) => range.text),
        },
      };
      const { mac, addresses, cidr, gateway, sources, joinSubnet, nodePorts, networks = {}, services } = text;
      t.strictSame(texts, {
        mac,
        addresses: (["v4", "v6"] as const).flatMap((f) =>
          addresses[f] === undefined ? [] : [[addresses[f], cidr[f]]],
        ),
        gateways: dualValues(gateway),
        sources: dualValues(sources),
        joinSubnet,
        nodePorts,
        networks,
        services: services && {
          mac: services.mac,
          portName: services.portName,
          sources: dualValues(services.sources),
          gateways: dualValues(services.gateways),
          cidrs: services.cidrs,
          vpc: services.vpc,
        },
      });
    }),
  );
});

t.test("a node's networks are in the document of settings, and none is there once they are gone", async (t) => {
  const contract = (networks: Record<string, string>) => encodeNodeContract({ ...SAMPLE, networks });
  const key = "weft.kubeovn.io/node-contract";
  const one = '{"version":1,"nodePorts":"30000-32767","networks":{"storage":"192.168.10.11"}}';
  t.equal(contract({ storage: "192.168.10.11" })[key], one);
  t.equal(contract({})[key], '{"version":1,"nodePorts":"30000-32767"}');
  t.strictSame(acceptedNetworks({ [key]: one }), { storage: "192.168.10.11" });
  for (const none of [{}, { [key]: "{" }, { [key]: '{"version":1,"networks":{"a":"x"}}' }])
    t.strictSame(acceptedNetworks(none), {});
});

t.test("the annotations are Kube-OVN's, and one of our own", async (t) => {
  t.strictSame(encodeNodeContract(SAMPLE), {
    "ovn.kubernetes.io/allocated": "true",
    "ovn.kubernetes.io/ip_address": "100.64.0.2,fd00:100:64::2",
    "ovn.kubernetes.io/mac_address": "02:00:00:00:00:02",
    "ovn.kubernetes.io/cidr": "100.64.0.0/16,fd00:100:64::/112",
    "ovn.kubernetes.io/gateway": "100.64.0.1,fd00:100:64::1",
    "ovn.kubernetes.io/logical_switch": "join",
    "ovn.kubernetes.io/port_name": "node-weft-1",
    "weft.kubeovn.io/source": "172.18.0.11",
    "weft.kubeovn.io/node-contract": '{"version":1,"nodePorts":"30000-32767"}',
  });
});

t.test("a node without an address has no contract, and an invalid field is named", async (t) => {
  t.equal(decodeNodeContract({}), undefined);
  const sample = written(encodeNodeContract(SAMPLE));
  for (const [name, value, why] of [
    ["ovn.kubernetes.io/ip_address", "100.64.0.300", /^invalid-field: .*ip_address="100\.64\.0\.300" is not a list/],
    ["ovn.kubernetes.io/mac_address", "x", /^invalid-field: .* is not a valid MAC address/],
    ["ovn.kubernetes.io/cidr", "100.64.0.0/16", /^invalid-field: .* has no subnet of the family of fd00:100:64::2/],
    ["ovn.kubernetes.io/cidr", "0.0.0.0/0,::/0", /^invalid-field: .* is not a list of subnets other than \/0/],
    ["ovn.kubernetes.io/gateway", "gw", /^invalid-field: .* is not a list of addresses/],
    ["weft.kubeovn.io/source", "172.18.0.0/24", /^invalid-field: .*source=.* is not a list of addresses/],
    ["weft.kubeovn.io/node-contract", "{", /^malformed/],
    ["weft.kubeovn.io/node-contract", '{"version":2}', /^unsupported-version/],
    ["weft.kubeovn.io/node-contract", '{"version":1,"nodePorts":"9-1"}', /^invalid-field: field "nodePorts"/],
    ["weft.kubeovn.io/node-contract", '{"version":1,"networks":["10.0.0.1"]}', /^invalid-field: field "networks"/],
    ["weft.kubeovn.io/node-contract", '{"version":1,"networks":{"a":"10.0.0"}}', /^invalid-field: field "networks"/],
    [
      "weft.kubeovn.io/node-contract",
      '{"version":1,"nodePorts":"1-9","serviceSources":["100.64.128.2"]}',
      /^invalid-field: field "serviceMac"/,
    ],
  ] as const)
    t.match(
      codeOf(() => decodeNodeContract({ ...sample, [name]: value })),
      why,
      `${name}=${value}`,
    );
});
