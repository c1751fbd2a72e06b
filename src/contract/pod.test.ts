// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import { concernsInterface, decodePodInterface, encodePodInterface, type PodInterfaceText } from "./pod.ts";
import { anyInterface, anyName, codeOf, written } from "./testing/arbitraries.ts";

const text = (): fc.Arbitrary<PodInterfaceText> =>
  fc
    .record({
      onOvn: fc.boolean(),
      interface: anyInterface(),
      subnet: anyName(),
      router: anyName(),
      machine: fc.option(anyName(), { nil: undefined }),
    })
    .map(({ interface: of, machine, ...rest }) => ({ ...of, ...rest, ...(machine && { machine }) }));

t.test("the daemon reads what the controller writes about an interface", async (t) => {
  fc.assert(
    fc.property(text(), fc.constantFrom("ovn", "net.shop.ovn", "net.shop.ovn.net2", "net.shop"), (of, provider) => {
      const wanted = encodePodInterface(provider, { ...of, onOvn: of.onOvn || provider === "ovn" });
      const read = decodePodInterface(written(wanted), provider, { optionalMac: false });
      if (read.state !== "decided") throw new Error(read.state);
      const { addresses, ...rest } = read.contract;
      t.strictSame(rest, {
        mac: of.mac,
        subnet: of.subnet,
        nicType: "veth-pair",
        routes: [],
        ...(of.machine && { machine: of.machine }),
      });
      t.strictSame(
        addresses.map(({ ip, cidr, gateway }) => [ip.text, cidr.text, gateway?.text]),
        (["v4", "v6"] as const).flatMap((f) =>
          of.addresses[f] === undefined ? [] : [[of.addresses[f], of.cidr[f], of.gateway[f]]],
        ),
      );
      const keys = Object.keys(wanted).filter((key) => !/(logical_router|vlan_id|provider_network)$/.test(key));
      t.ok(keys.every(concernsInterface), "nothing that is read is dropped before");
    }),
  );
});

t.test("an interface without a MAC address is another plugin's", async (t) => {
  const of = { addresses: { v4: "10.1.0.2" }, cidr: { v4: "10.1.0.0/24" }, gateway: { v4: "10.1.0.1" }, mac: "" };
  const wanted = written(encodePodInterface("a.b", { ...of, onOvn: false, subnet: "s", router: "r" }));
  t.match(decodePodInterface(wanted, "a.b", { optionalMac: true }), { state: "decided", contract: { mac: "" } });
  t.match(
    codeOf(() => decodePodInterface(wanted, "a.b", { optionalMac: false })),
    /not a valid MAC address/,
  );
});

t.test("for any annotations the result is a contract, `missing` or a ContractError", async (t) => {
  const keys = ["allocated", "routed", "ip_address", "mac_address", "cidr", "gateway", "routes", "default_route"];
  const value = fc.oneof(fc.constantFrom("true", "10.1.0.2", "10.1.0.0/24", "02:00:00:00:00:02", "[]"), fc.string());
  const annotations = fc.dictionary(fc.constantFrom(...keys.map((key) => `ovn.kubernetes.io/${key}`)), value);
  fc.assert(
    fc.property(annotations, fc.boolean(), (of, optionalMac) => {
      const said = codeOf(() => decodePodInterface(of, "ovn", { optionalMac }));
      t.match(said, /^read$|^invalid-field: annotation ovn\.kubernetes\.io\//);
    }),
  );
});
