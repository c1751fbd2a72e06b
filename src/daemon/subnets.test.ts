import t from "tap";
import { subnetFact } from "./subnets.ts";

const READY = { conditions: [{ type: "Ready", status: "True" }] };

function fact(spec: object, annotation?: string, status: object = READY) {
  const annotations = annotation === undefined ? {} : { annotations: { "weft.kubeovn.io/in-force": annotation } };
  const metadata = { name: "s", uid: "u", resourceVersion: "1", ...annotations };
  const { cidrs, behindNode } = subnetFact({ metadata, spec, status } as Parameters<typeof subnetFact>[0]);
  return { cidrs: cidrs.map(({ text }) => text), behindNode };
}

t.test("a node routes to what is in force, not to what was written last", async (t) => {
  const spec = { cidrBlock: "10.20.0.0/22" };
  t.same(fact(spec), { cidrs: ["10.20.0.0/22"], behindNode: true }, "without the annotation the spec has to do");
  t.same(fact(spec, "10.20.0.0/24,fd00::/112 10.20.0.1,fd00::1").cidrs, ["10.20.0.0/24", "fd00::/112"]);
  t.same(fact(spec, "nonsense").cidrs, ["10.20.0.0/22"]);
});

t.test("a subnet that is not accepted, of a vlan or of another VPC is not reached through the node", async (t) => {
  const spec = { cidrBlock: "10.20.0.0/24" };
  t.equal(fact(spec, undefined, {}).behindNode, false);
  t.equal(fact({ ...spec, vlan: "v" }).behindNode, false);
  t.equal(fact({ ...spec, vpc: "other" }).behindNode, false);
});
