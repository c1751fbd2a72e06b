import { NODE } from "../api/annotations.ts";
import { nodeUnit } from "../compile/node.ts";
import { projectNode } from "../facts/project-core.ts";
import type { NodeFact } from "../facts/types.ts";
import { NODES } from "../kube/resources.ts";
import type { Kind } from "./kind.ts";

declare module "../facts/types.ts" {
  interface FactTypes {
    readonly nodes: NodeFact;
  }
  interface FactIndexes {
    readonly nodes: "internal" | "chassis";
  }
}

/** core/v1 Node. */
export const nodeKind: Kind<"nodes"> = {
  facts: "nodes",
  type: NODES,
  project: projectNode,
  indexes: {
    internal: ({ internal }) => Object.values(internal),
    chassis: ({ annotations }) => [annotations[NODE.chassis]],
  },
  unit: nodeUnit,
  access: {
    verbs: ["get", "patch"],
    status: true,
    why: "Followed; their addresses in the network go into annotations. A condition says which address is not used, and why. (`get` is for weftctl.)",
  },
};
