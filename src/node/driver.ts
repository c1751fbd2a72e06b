// SPDX-License-Identifier: Apache-2.0

import type { NodeState } from "./state.ts";

/** One change to make. */
export interface Step {
  /** The kind of object, by which changes are counted, and then its name: "route 10.16.0.0/16 dev ovn0". Several where one step changes several. */
  readonly what: string | readonly string[];
}

/** Result of a step: `absent` if it was not needed any more; a string names the conflicting object of another program. */
export type DriverOutcome = "done" | "absent" | { readonly blockedBy: string };

/** What differs. */
export interface Diff<S extends Step> {
  /** What is ours and no longer desired. */
  readonly remove?: readonly S[];
  /** What is desired and missing or different. */
  readonly set?: readonly S[];
  /** Names of links that another program has not created yet. */
  readonly missing?: readonly string[];
}

/** How one kind of object of a node is brought to its desired state. */
export interface DriverParts<Found, S extends Step> {
  /** For logs. */
  readonly kind: string;
  /** What there is of this kind that is ours, and what it is compared with. undefined: the kind is not looked at. */
  list(state: NodeState): Found | undefined | Promise<Found | undefined>;
  /** Compares. Pure. */
  diff(found: Found, state: NodeState): Diff<S>;
  apply(step: S): DriverOutcome | Promise<DriverOutcome>;
}

/** What a pass over the node's state came to. */
export interface Pass {
  /** What was changed, one entry a change, empty where all was as it is to be. */
  readonly repairs: readonly string[];
  /** Links that other programs have not created yet; what depends on them is deferred. */
  readonly missing: readonly string[];
  /** What could not be set because an object of another program is in its place. */
  readonly blocked: readonly string[];
  /** What failed; the rest was done. */
  readonly failures: readonly { readonly what: string; readonly error: unknown }[];
}

/** {@link Pass} while it is being made. */
export interface Results {
  readonly repairs: string[];
  readonly missing: Set<string>;
  readonly blocked: string[];
  readonly failures: { readonly what: string; readonly error: unknown }[];
}

/** What a driver has found to be done. */
export interface DriverPlan {
  /** Removes or sets what differs. One step that fails does not keep the others from being done. Does not throw. */
  apply(what: "remove" | "set"): Promise<void>;
}

/** A driver, whatever its kind. */
export interface Driver {
  readonly kind: string;
  /** Lists and compares. What cannot be listed is a failure among the results, and nothing is to be done. Does not throw. */
  plan(state: NodeState, results: Results): Promise<DriverPlan>;
}

const NOTHING: DriverPlan = { apply: async () => undefined };

/** Makes a driver of its parts. */
export function driver<Found, S extends Step>(parts: DriverParts<Found, S>): Driver {
  const { kind } = parts;
  return {
    kind,
    async plan(state, results) {
      try {
        const found = await parts.list(state);
        if (found === undefined) return NOTHING;
        const diff = parts.diff(found, state);
        for (const link of diff.missing ?? []) results.missing.add(link);
        return {
          async apply(what) {
            for (const step of diff[what] ?? []) await attempt(parts, step, results);
          },
        };
      } catch (error) {
        results.failures.push({ what: kind, error });
        return NOTHING;
      }
    },
  };
}

async function attempt<S extends Step>(
  parts: Pick<DriverParts<never, S>, "apply">,
  step: S,
  results: Results,
): Promise<void> {
  try {
    const outcome = await parts.apply(step);
    if (outcome === "done") results.repairs.push(...[step.what].flat());
    else if (outcome !== "absent") results.blocked.push(`${step.what}: ${outcome.blockedBy} is in its place`);
  } catch (error) {
    results.failures.push({ what: [step.what].flat().join(", "), error });
  }
}
