// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { addSubnet, sampleFacts } from "../compile/testing/sample-facts.ts";
import { type OvnEipObject, ovnEipKind, projectOvnEip } from "./ovn-eip.ts";

const MAC = "02:00:00:00:00:01";
const metadata = { name: "e", uid: "uid-e", generation: 2, finalizers: ["kubeovn.io/kube-ovn-controller"] };
const given = { v4Ip: "172.30.0.9", v6Ip: "fd00:172:30::", macAddress: MAC };

/** The effects of the unit of one, in a cluster with an external subnet. */
function effects(object: Partial<OvnEipObject>) {
  const facts = sampleFacts();
  addSubnet(facts, "external", { cidrBlock: "172.30.0.0/24,fd00:172:30::/112", vlan: "v100" });
  facts.set("ovnEips", "e", projectOvnEip({ metadata, ...object }));
  const { unit } = ovnEipKind;
  const input: unknown = unit?.read(facts, "e");
  const fragment = unit?.compile(input);
  t.same(fragment?.rows, [], "what uses it has the rows");
  return fragment?.effects ?? [];
}

t.test("it requests the addresses of its spec, and has those of its status", async (t) => {
  t.match(projectOvnEip({ metadata }), { subnet: "external", type: "nat", v4: "", v6: "", mac: "", given: undefined });
  t.match(projectOvnEip({ metadata, spec: { v4Ip: "172.30.0.9" }, status: {} }), {
    v4: "172.30.0.9",
    given: undefined,
  });
  t.match(projectOvnEip({ metadata, spec: {}, status: given }), {
    given: { v4: "172.30.0.9", v6: "fd00:172:30::", mac: MAC },
    filled: false,
  });
});

t.test(
  "spec and labels are filled in with what it was given, once; a label holds no colon and ends with no hyphen",
  async (t) => {
    const [fill] = effects({ status: given });
    t.match(fill, {
      kind: "fill",
      spec: { externalSubnet: "external", type: "nat", v4Ip: "172.30.0.9", v6Ip: "fd00:172:30::", macAddress: MAC },
      labels: { "ovn.kubernetes.io/eip_v6_ip": "fd00-172-30--0" },
    });
    t.match(fill, { condition: { ready: true } }, "and then says that it has it");
    const { spec = {}, labels = {} } = fill?.kind === "fill" ? fill : {};
    const after = effects({ metadata: { ...metadata, labels }, spec, status: given });
    t.same(
      after.map(({ kind }) => kind),
      ["condition"],
    );
  },
);

t.test("it keeps its addresses although its spec names others, and its condition reports that", async (t) => {
  const said = effects({ spec: { v4Ip: "172.30.0.10" }, status: given });
  t.match(said, [{ kind: "condition", ready: true, refused: { reason: "AddressesFixed", message: /172\.30\.0\.10/ } }]);
});
