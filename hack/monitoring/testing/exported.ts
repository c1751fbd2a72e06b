// SPDX-License-Identifier: Apache-2.0

import { Registry } from "prom-client";
import type { WeftEffect } from "../../../src/compile/effects.ts";
import { commitMetrics } from "../../../src/controller/engine-metrics.ts";
import { FlowMetrics } from "../../../src/controller/flows/flow-metrics.ts";
import { controllerMetrics } from "../../../src/controller/metrics.ts";
import { healthMetrics } from "../../../src/daemon/health/health-metrics.ts";
import { DaemonMetrics } from "../../../src/daemon/metrics.ts";
import { Failures } from "../../../src/desired/failures.ts";
import { Ipam } from "../../../src/ipam/ipam.ts";
import { hashedMacs } from "../../../src/ipam/mac-choice.ts";
import { factStore } from "../../../src/kinds/store.ts";
import { PingerMetrics } from "../../../src/pinger/pinger-metrics.ts";
import { idleEngine } from "../../../src/reconcile/testing/idle-engine.ts";
import { apiMetrics } from "../../../src/telemetry/api-metrics.ts";
import { LogLines } from "../../../src/telemetry/log-lines.ts";
import { SYSTEM_CLOCK } from "../../../src/time/clock.ts";

/** Metric → its labels, as the controller, the daemon and the prober register them. */
export function exportedMetrics(): ReadonlyMap<string, ReadonlySet<string>> {
  const facts = factStore(new Failures(SYSTEM_CLOCK, () => undefined));
  const engine = idleEngine<WeftEffect>(facts);
  const controller = new Registry();
  controllerMetrics(controller, {
    ...{ engine, facts, ipam: new Ipam({ macs: hashedMacs("") }) },
    ...{ northbound: () => true, southbound: () => true, switches: () => [], leading: () => true },
    ...{ waiting: () => 0, unserved: () => 0, pendingWrites: () => 0 },
  });
  commitMetrics(controller);
  new FlowMetrics(controller, { facts, rules: () => new Map(), clock: SYSTEM_CLOCK });
  const daemon = new DaemonMetrics("n1").registry;
  healthMetrics(daemon, "n1", async () => {
    throw new Error("not asked");
  });
  const pinger = new Registry();
  new PingerMetrics(pinger, { nodeName: "n1", hostIp: "", podIps: [] });
  const found = new Map<string, ReadonlySet<string>>();
  for (const registry of [controller, daemon, pinger]) {
    apiMetrics(registry);
    new LogLines().register(registry);
    for (const metric of registry.getMetricsAsArray()) found.set(metric.name, labelsOf(metric));
  }
  return found;
}

/** prom-client keeps the names beside what its types show. */
function labelsOf(metric: object): ReadonlySet<string> {
  const names: unknown = "labelNames" in metric ? metric.labelNames : [];
  return new Set(Array.isArray(names) ? names.map(String) : []);
}
