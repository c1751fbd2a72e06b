// SPDX-License-Identifier: Apache-2.0

import type { Fragment } from "../../desired/fragment.ts";
import type { FactStore } from "../../facts/store.ts";
import type { CompiledUnits } from "../../page/reach-network.ts";
import { type FlowRules, flowRules } from "../../reachability/flow-rules.ts";
import type { Clock } from "../../time/clock.ts";
import type { Settings } from "../settings.ts";
import { FlowReader, flowCredentials } from "./flow-reader.ts";

/** The flows of all nodes, and what decided about them. */
export interface ClusterFlows {
  readonly reader: FlowReader;
  /** The rules of all policies, of a second ago at most: many nodes report flows in one. */
  readonly rules: () => FlowRules;
}

/** What {@link clusterFlows} reads with. */
export interface ClusterFlowsParts {
  readonly facts: FactStore;
  readonly compiled: CompiledUnits;
  readonly clock: Clock;
  readonly settings: Pick<Settings, "flowsPort" | "tlsDir">;
}

const RECENT_MS = 1_000;

/** The flows of all nodes. Nothing is read until someone asks. */
export function clusterFlows({ facts, compiled, clock, settings }: ClusterFlowsParts): ClusterFlows {
  const credentials = flowCredentials(settings.tlsDir);
  let known: { readonly at: number; readonly rules: FlowRules } | undefined;
  return {
    reader: new FlowReader({ facts, clock, port: settings.flowsPort, credentials }),
    rules: () => {
      const now = clock.now();
      if (known === undefined || now - known.at > RECENT_MS) known = { at: now, rules: flowRules(fragments(compiled)) };
      return known.rules;
    },
  };
}

function* fragments(compiled: CompiledUnits): Generator<Pick<Fragment, "rows">> {
  for (const unit of compiled.units()) {
    const fragment = compiled.fragment(unit);
    if (fragment !== undefined) yield fragment;
  }
}
