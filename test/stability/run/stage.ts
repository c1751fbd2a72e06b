// SPDX-License-Identifier: Apache-2.0

import type { Clock } from "../../../src/time/clock.ts";
import { StabilityError } from "../errors.ts";
import type { PodPlace, Target } from "../targets/target.ts";
import type { UndoStep } from "./undo-step.ts";

/** A Service as scenarios use it. */
export interface StageService {
  readonly name: string;
  readonly addresses: readonly string[];
  readonly port: number;
}

/** The objects that contexts set up for the scenarios and faults of one run. */
export interface Stage {
  readonly target: Target;
  readonly clock: Clock;
  /** In [0, 1), from the task's seed: the same task chooses the same nodes. */
  readonly random: () => number;
  /** Ends long waits: the run was interrupted, or the target died. */
  readonly signal: AbortSignal;
  /** To be called before a change with the step that undoes it. The returned function records that there is nothing to undo any more. */
  record(step: UndoStep): () => void;
  log(message: string): void;
  /** The objects of contexts. Scenarios read them by the functions below. */
  made: { namespace?: string; pods?: readonly PodPlace[]; service?: StageService };
}

/** The namespace of a run; throws if no context made one, which the check of the task prevents. */
export function namespaceOfRun({ made }: Pick<Stage, "made">): string {
  return made.namespace ?? missing("namespace");
}

/** The pods of a run, in the order of their nodes. */
export function podsOf({ made }: Pick<Stage, "made">): readonly PodPlace[] {
  return made.pods ?? missing("pods");
}

/** The Service of a run. */
export function serviceOf({ made }: Pick<Stage, "made">): StageService {
  return made.service ?? missing("service");
}

function missing(context: string): never {
  throw new StabilityError("context", `no context "${context}" was set up`);
}

/** The address of one family, IPv4 first in the list. */
export function addressOfFamily(addresses: readonly string[], family: "ipv4" | "ipv6", of: string): string {
  const found = addresses.find((address) => address.includes(":") === (family === "ipv6"));
  if (found === undefined) throw new StabilityError("unsupported", `${of} has no ${family} address`);
  return found;
}
