// SPDX-License-Identifier: Apache-2.0

import { nameResolverUnit } from "../compile/name-resolver.ts";
import type { NameResolverFact } from "../facts/domain.ts";
import { projectNameResolver } from "../facts/project-name-resolver.ts";
import { DNS_NAME_RESOLVERS } from "../kube/resources.ts";
import type { Kind } from "./kind.ts";

declare module "../facts/types.ts" {
  interface FactTypes {
    readonly nameResolvers: NameResolverFact;
  }
  interface FactIndexes {
    readonly nameResolvers: "domain";
  }
}

/** kubeovn.io/v1 DNSNameResolver: the addresses that a plugin of CoreDNS has seen for a domain name of a policy. */
export const nameResolverKind: Kind<"nameResolvers"> = {
  facts: "nameResolvers",
  type: DNS_NAME_RESOLVERS,
  absent: "empty",
  project: projectNameResolver,
  indexes: { domain: (resolver) => [resolver.domain] },
  unit: nameResolverUnit,
  access: {
    verbs: ["create", "delete"],
    why: "Watched; created for the domain names of policies, with the addresses that a plugin of CoreDNS has seen for them.",
  },
};
