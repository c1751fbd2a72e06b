// SPDX-License-Identifier: Apache-2.0

import { parseCidr } from "../net/cidr.ts";
import type { ProjectedMeta } from "./meta.ts";

/** One ServiceCIDR. */
export interface ServiceCidrFact {
  /** Its name. */
  readonly key: string;
  /** Canonical. */
  readonly cidrs: readonly string[];
}

/** The ranges of ClusterIPs; one fact, key `services`, derived. */
export interface ServiceRangesFact {
  readonly key: "services";
  /** Sorted; the controller's flag and all ServiceCIDRs. */
  readonly cidrs: readonly string[];
}

/** networking.k8s.io/v1 ServiceCIDR. One that is being deleted counts until it is deleted, because Services may have addresses of it until then. */
export function projectServiceCidr({
  metadata: { name },
  spec,
}: {
  readonly metadata: ProjectedMeta;
  readonly spec?: { readonly cidrs?: readonly string[] };
}): ServiceCidrFact {
  return { key: name, cidrs: (spec?.cidrs ?? []).flatMap((text) => parseCidr(text)?.text ?? []) };
}
