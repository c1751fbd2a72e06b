import { subnetUnit } from "../compile/subnet.ts";
import { readInForce } from "../facts/in-force.ts";
import { projectSubnet } from "../facts/project-subnet.ts";
import type { SubnetSpecFact } from "../facts/types.ts";
import { SUBNETS } from "../kube/resources.ts";
import type { Kind } from "./kind.ts";

declare module "../facts/types.ts" {
  interface FactTypes {
    readonly subnetSpecs: SubnetSpecFact;
  }
  interface FactIndexes {
    readonly subnetSpecs: "vpc";
  }
}

/** kubeovn.io/v1 Subnet. What is in force of it is derived from what is written of all of them (`src/compile/derived.ts`). */
export const subnetKind: Kind<"subnetSpecs"> = {
  facts: "subnetSpecs",
  type: SUBNETS,
  project: projectSubnet,
  indexes: { vpc: (subnet) => [subnet.vpc] },
  inForce: "subnets",
  unit: subnetUnit,
  status: "subresource",
  remembers: (text) => readInForce(text) !== undefined,
  access: {
    verbs: ["create", "patch"],
    why: "Followed; the default ones are made at first start; defaults, finalizers and records of what is in force are patched.",
  },
};
