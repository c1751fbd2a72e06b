// SPDX-License-Identifier: Apache-2.0

/** weft-daemon: the per-node component of Weft (container `cni-server` of DaemonSet kube-ovn-cni). */
import process from "node:process";
import { CommanderError } from "commander";
import { apiMetrics } from "../telemetry/api-metrics.ts";
import { keptFor } from "../telemetry/kept-for.ts";
import { openLog } from "../telemetry/open-log.ts";
import { runUntilStopped, stopOnSignals } from "../telemetry/program.ts";
import { SYSTEM_CLOCK } from "../time/clock.ts";
import { CLEANUP, runCleanup } from "./cleanup/main.ts";
import { openConnections } from "./connections.ts";
import { startDaemon } from "./daemon.ts";
import { healthMetrics } from "./health/health-metrics.ts";
import { readNodeHealth } from "./health/node-health.ts";
import { ovsRunFolder } from "./host-io.ts";
import { DaemonMetrics } from "./metrics.ts";
import { type DaemonOptions, readOptions } from "./options.ts";

/** How long the answers of Open vSwitch's and OVN's daemons are reused, in ms. */
const HEALTH_MS = 5_000;

function optionsOrExit(): DaemonOptions {
  try {
    return readOptions(process.argv.slice(2), process.env);
  } catch (error) {
    // Commander has printed the error, or the requested help.
    if (error instanceof CommanderError) process.exit(error.exitCode);
    throw error;
  }
}

async function main(): Promise<void> {
  if (process.argv[2] === CLEANUP) {
    process.exitCode = await runCleanup(process.argv.slice(3));
    return;
  }
  const options = optionsOrExit();
  const metrics = new DaemonMetrics(options.nodeName);
  const { registry } = metrics;
  const folders = { ovs: ovsRunFolder(options.ovsRemote), ovn: "/run/ovn" };
  healthMetrics(
    registry,
    options.nodeName,
    keptFor(SYSTEM_CLOCK, HEALTH_MS, () => readNodeHealth(folders)),
  );
  const log = openLog(registry, {
    level: options.logLevel,
    base: { node: options.nodeName },
  });
  const connections = await openConnections(options, log, apiMetrics(registry));
  const daemon = await startDaemon(options, { ...connections, metrics, logger: log }, log);
  stopOnSignals(log, () => daemon.stop().then(() => connections.close()));
}

runUntilStopped("weft-daemon", main);
