// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import type { ApiPolicy, OracleWorld } from "./api.ts";
import { clusterOf } from "./cluster.ts";
import { attempts, describe } from "./compare.ts";
import { anyPolicyWorlds } from "./generate.ts";
import { isAllowed } from "./oracle.ts";
import { OvnView } from "./ovn-view.ts";
import { compileRows } from "./rows.ts";

/** Worlds whose policies have only two priorities, so that most share one with others. */
export const tiedWorlds: fc.Arbitrary<OracleWorld> = fc
  .tuple(anyPolicyWorlds, fc.constantFrom(0, 99, 100, 999))
  .map(([world, base]) => ({ ...world, policies: world.policies.map((policy) => crowd(policy, base)) }));

function crowd(policy: ApiPolicy, base: number): ApiPolicy {
  if (policy.kind === "NetworkPolicy" || policy.kind === "BaselineAdminNetworkPolicy") return policy;
  const priority = base + (policy.spec.priority % 2);
  return { ...policy, spec: { ...policy.spec, priority } } as ApiPolicy;
}

/**
 * The first attempt on which every order of the policies with equal priority gives the same result, but compiled rows do not. Which of these policies
 * applies to a connection is undefined in the specifications, but one of them must.
 */
export function tiedDisagreement(world: OracleWorld): string | undefined {
  const picture = new OvnView(compileRows(clusterOf(world)));
  // The oracle evaluates policies with equal priority in list order.
  const own = world.policies.filter(({ kind }) => kind === "NetworkPolicy");
  const admin = world.policies.filter(({ kind }) => kind !== "NetworkPolicy");
  const orders = permutations(admin).map((order) => ({ ...world, policies: [...own, ...order] }));
  for (const { from, to, connection } of attempts(world)) {
    const said = new Set(orders.map((order) => isAllowed(order, from, to, connection)));
    const [specified] = said;
    if (said.size > 1 || specified === undefined) continue;
    const { allowed, by } = picture.trace(from, to, connection);
    if (allowed !== specified)
      return `${describe({ from, to, connection })} must be ${specified ? "allowed" : "denied"} in any order, but is not (${by})`;
  }
  return undefined;
}

function permutations<T>(list: readonly T[]): readonly (readonly T[])[] {
  if (list.length <= 1) return [list];
  return list.flatMap((first, i) => permutations(list.filter((_, j) => j !== i)).map((rest) => [first, ...rest]));
}
