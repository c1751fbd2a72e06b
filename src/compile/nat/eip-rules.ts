// SPDX-License-Identifier: Apache-2.0

import { FINALIZER } from "../../api/names.ts";
import type { FactReader } from "../../facts/store.ts";

/** The applied rules that use an OvnEip, by their kinds. Applied rules have a finalizer, also while they wait for what they lack. */
export function appliedRulesOf(reader: FactReader, eip: string) {
  const applied = ({ finalizers }: { readonly finalizers: readonly string[] }): boolean =>
    finalizers.includes(FINALIZER);
  return {
    dnats: reader.by("ovnDnatRules", "eip", eip).filter(applied),
    fips: reader.by("ovnFips", "eip", eip).filter(applied),
    snats: reader.by("ovnSnatRules", "eip", eip).filter(applied),
    balanced: reader.by("routerLbRules", "eip", eip).filter(applied),
  };
}
