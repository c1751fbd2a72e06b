import { ipPoolUnit } from "../compile/ippool.ts";
import { readFields } from "../facts/in-force.ts";
import { projectIpPool } from "../facts/project-pool.ts";
import type { IpPoolFact } from "../facts/types.ts";
import { IP_POOLS } from "../kube/resources.ts";
import type { Kind } from "./kind.ts";

declare module "../facts/types.ts" {
  interface FactTypes {
    readonly ipPools: IpPoolFact;
  }
  interface FactIndexes {
    readonly ipPools: "subnet" | "namespace";
  }
}

/** kubeovn.io/v1 IPPool. */
export const ipPoolKind: Kind<"ipPools"> = {
  facts: "ipPools",
  type: IP_POOLS,
  project: projectIpPool,
  indexes: { subnet: (pool) => [pool.subnet], namespace: (pool) => pool.namespaces },
  unit: ipPoolUnit,
  status: "subresource",
  remembers: (text) => readFields(text) !== undefined,
};
