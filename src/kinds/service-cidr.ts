// SPDX-License-Identifier: Apache-2.0

import { projectServiceCidr, type ServiceCidrFact } from "../facts/service-cidr.ts";
import { SERVICE_CIDRS } from "../kube/resources.ts";
import type { Kind } from "./kind.ts";

declare module "../facts/types.ts" {
  interface FactTypes {
    readonly serviceCidrs: ServiceCidrFact;
  }
}

/** networking.k8s.io/v1 ServiceCIDR (Kubernetes 1.33 and later): ranges from which ClusterIPs are given. */
export const serviceCidrKind: Kind<"serviceCidrs"> = {
  facts: "serviceCidrs",
  type: SERVICE_CIDRS,
  absent: "empty",
  project: projectServiceCidr,
  indexes: {},
  access: { verbs: [], why: "Watched: no subnet may have addresses of Services." },
};
