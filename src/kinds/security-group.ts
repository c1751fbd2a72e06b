import { securityGroupUnit } from "../compile/security-group.ts";
import { projectSecurityGroup } from "../facts/project-security-group.ts";
import type { SecurityGroupFact } from "../facts/types.ts";
import { SECURITY_GROUPS } from "../kube/resources.ts";
import type { Kind } from "./kind.ts";

declare module "../facts/types.ts" {
  interface FactTypes {
    readonly securityGroups: SecurityGroupFact;
  }
}

/** kubeovn.io/v1 SecurityGroup. */
export const securityGroupKind: Kind<"securityGroups"> = {
  facts: "securityGroups",
  type: SECURITY_GROUPS,
  project: projectSecurityGroup,
  indexes: {},
  unit: securityGroupUnit,
  status: "subresource",
};
