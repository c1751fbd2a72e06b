// SPDX-License-Identifier: Apache-2.0

import type { Context } from "../contexts/context.ts";
import type { ClusterFault } from "../faults/fault.ts";
import type { Trigger } from "../hooks/trigger.ts";
import type { Runner } from "../runners/runner.ts";
import type { Scenario } from "../scenarios/scenario.ts";
import type { Sla } from "../sla/sla.ts";
import type { TargetChoice } from "../targets/target.ts";
import type { Verifier } from "../verify/verifier.ts";

/** A plugin of a task with its options. */
export interface Named<B> {
  readonly name: string;
  readonly bound: B;
}

/** One scenario of a run, with its own runner and limits. Those of a run are driven in parallel. */
export interface LoadPlan {
  readonly name: string;
  readonly scenario: Scenario;
  readonly runner: Runner;
  readonly slas: readonly Named<Sla>[];
}

/** A fault and its trigger. */
export interface HookPlan {
  readonly fault: ClusterFault;
  readonly trigger: Trigger;
  /** How long it lasts, in seconds; 0 for faults that end by themselves. */
  readonly seconds: number;
}

/** Load under which faults are injected. */
export interface RunPlan {
  readonly name: string;
  readonly repeat: number;
  /** In the order in which they are set up. */
  readonly contexts: readonly Named<Context>[];
  readonly loads: readonly LoadPlan[];
  readonly hooks: readonly HookPlan[];
  readonly verifiers: readonly Named<Verifier>[];
  /** Seconds for which time-based runners continue after the last fault. */
  readonly settle: number;
}

/** A task that has been checked. */
export interface Task {
  readonly title: string;
  readonly seed: number;
  readonly target: { readonly name: string; readonly options: unknown; readonly choice: TargetChoice };
  readonly runs: readonly RunPlan[];
}
