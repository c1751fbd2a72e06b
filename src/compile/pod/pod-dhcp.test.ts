// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { addIp, addPod, addSubnet, sampleFacts } from "../testing/sample-facts.ts";
import { podUnit } from "./pod.ts";

/** The rows and effects of a pod with these annotations in a subnet. */
function compile(annotations: Readonly<Record<string, string>>, spec: object = {}) {
  const facts = sampleFacts();
  addSubnet(facts, "dhcp", { cidrBlock: "10.40.0.0/24,fd00:40::/120", ...spec });
  addPod(facts, "a", { node: "weft-1", annotations });
  const address = { v4: "10.40.0.2", v6: "fd00:40::2" };
  addIp(facts, "a.default", { podName: "a", namespace: "default", nodeName: "weft-1", subnet: "dhcp", ...address });
  const input = podUnit.read(facts, "default/a");
  if (input === undefined) throw new Error("no input");
  const { rows, effects } = podUnit.compile(input);
  const port = rows.find(({ table }) => table === "Logical_Switch_Port");
  const options = rows.filter(({ table }) => table === "DHCP_Options");
  return { port, options, effects };
}

t.test(
  "a pod's own DHCP options replace its subnet's, for each family, and do not need DHCP in the subnet",
  async (t) => {
    const annotations = { "ovn.kubernetes.io/dhcp-v4-options": "lease_time=60,dns_server=10.96.0.10" };
    for (const enableDHCP of [false, true]) {
      const { port, options } = compile(annotations, {
        enableDHCP,
        dhcpV4Options: "lease_time=7200,mtu=1300",
        mtu: 1350,
      });
      t.match(options, [
        {
          columns: {
            cidr: "10.40.0.0/24",
            options: {
              lease_time: "60",
              dns_server: "10.96.0.10",
              router: "10.40.0.1",
              server_id: "169.254.0.254",
              mtu: "1350",
            },
            external_ids: { ls: "dhcp", port: "a.default", protocol: "IPv4" },
          },
        },
      ]);
      t.equal(options.length, 1);
      t.equal(port?.columns["dhcpv4_options"], options[0]?.uuid);
      t.equal(port?.columns["dhcpv6_options"] !== undefined, enableDHCP, "the other family has the subnet's");
      t.not(port?.columns["dhcpv6_options"], options[0]?.uuid);
    }
  },
);

t.test("an empty annotation is ignored, and options that OVN could not read are left out and reported", async (t) => {
  t.strictSame(compile({ "ovn.kubernetes.io/dhcp-v4-options": " " }).options, []);
  const { options, effects } = compile({
    "ovn.kubernetes.io/dhcp-v6-options": "dns_server=fd00::g,domain_search=lan",
  });
  t.match(options, [{ columns: { cidr: "fd00:40::/120", options: { domain_search: '"lan"' } } }]);
  t.notOk("dns_server" in Object(options[0]?.columns["options"]));
  t.match(
    effects.filter(({ kind }) => kind === "report"),
    [
      {
        reason: "InvalidOption",
        message: /^annotation ovn\.kubernetes\.io\/dhcp-v6-options: dns_server "fd00::g" is not a valid IPv6/,
      },
    ],
  );
});
