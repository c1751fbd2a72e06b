// SPDX-License-Identifier: Apache-2.0

import type { Context } from "./contexts/context.ts";
import type { ClusterFault } from "./faults/fault.ts";
import type { Trigger } from "./hooks/trigger.ts";
import type { Plugin } from "./plugin.ts";
import type { ReportFormat } from "./report/format.ts";
import type { Runner } from "./runners/runner.ts";
import type { Scenario } from "./scenarios/scenario.ts";
import type { Sla } from "./sla/sla.ts";
import type { TargetChoice } from "./targets/target.ts";
import type { Verifier } from "./verify/verifier.ts";

/** All plugins that tasks may name. `plugins.ts` has the built-in ones; tests have their own. */
export interface Registry {
  readonly contexts: readonly Plugin<Context>[];
  readonly scenarios: readonly Plugin<Scenario>[];
  readonly runners: readonly Plugin<Runner>[];
  readonly triggers: readonly Plugin<Trigger>[];
  readonly faults: readonly Plugin<ClusterFault>[];
  readonly slas: readonly Plugin<Sla>[];
  readonly verifiers: readonly Plugin<Verifier>[];
  readonly targets: readonly Plugin<TargetChoice>[];
  readonly reports: readonly ReportFormat[];
}
