import { vipUnit } from "../compile/vip.ts";
import { readFields } from "../facts/in-force.ts";
import { projectVip } from "../facts/project-pool.ts";
import type { VipFact } from "../facts/types.ts";
import { VIPS } from "../kube/resources.ts";
import type { Kind } from "./kind.ts";

declare module "../facts/types.ts" {
  interface FactTypes {
    readonly vips: VipFact;
  }
  interface FactIndexes {
    readonly vips: "subnet" | "namespace";
  }
}

/** kubeovn.io/v1 Vip. */
export const vipKind: Kind<"vips"> = {
  facts: "vips",
  type: VIPS,
  project: projectVip,
  indexes: { subnet: (vip) => [vip.subnet], namespace: (vip) => [vip.namespace] },
  unit: vipUnit,
  status: "object",
  remembers: (text) => readFields(text) !== undefined,
};
