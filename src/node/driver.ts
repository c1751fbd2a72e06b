// SPDX-License-Identifier: Apache-2.0

import type { NodeState } from "./state.ts";

/** One change to make. */
export interface Step {
  /**
   * The kind of object, by which changes are counted, followed by its name: "route 10.16.0.0/16 dev ovn0". Several if
   * one step changes several.
   */
  readonly what: string | readonly string[];
}

/** Result of a step: `absent` if it was no longer needed; a string names the conflicting object of another program. */
export type DriverOutcome = "done" | "absent" | { readonly blockedBy: string };

/** The differences. */
export interface Diff<S extends Step> {
  /** Weft's objects that are no longer desired. */
  readonly remove?: readonly S[];
  /** Desired objects that are missing or different. */
  readonly set?: readonly S[];
  /** Names of links that another program has not created yet. */
  readonly missing?: readonly string[];
}

/** The driver of one kind of object of a node. */
export interface DriverParts<Found, S extends Step> {
  /** For logs. */
  readonly kind: string;
  /**
   * The present objects of this kind that are Weft's, and what they are compared with. undefined: the kind is
   * skipped.
   */
  list(state: NodeState): Found | undefined | Promise<Found | undefined>;
  /** Compares. Pure. */
  diff(found: Found, state: NodeState): Diff<S>;
  apply(step: S): DriverOutcome | Promise<DriverOutcome>;
}

/** The result of a pass over the node's state. */
export interface Pass {
  /** The changes, one entry each; empty if the state was as desired. */
  readonly repairs: readonly string[];
  /** Links that other programs have not created yet; objects that depend on them are deferred. */
  readonly missing: readonly string[];
  /** Objects that could not be set because an object of another program conflicts. */
  readonly blocked: readonly string[];
  /** Failures; the remaining changes were made. */
  readonly failures: readonly { readonly what: string; readonly error: unknown }[];
}

/** {@link Pass} in progress. */
export interface Results {
  readonly repairs: string[];
  readonly missing: Set<string>;
  readonly blocked: string[];
  readonly failures: { readonly what: string; readonly error: unknown }[];
}

/** The pending changes of a driver. */
export interface DriverPlan {
  /** Removes or sets the differences. A failed step does not affect the others. Does not throw. */
  apply(what: "remove" | "set"): Promise<void>;
}

/** A driver, whatever its kind. */
export interface Driver {
  readonly kind: string;
  /** Lists and compares. A kind that cannot be listed is a failure among the results, without changes. Does not throw. */
  plan(state: NodeState, results: Results): Promise<DriverPlan>;
}

const NOTHING: DriverPlan = { apply: async () => undefined };

/** Creates a driver from its parts. */
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
