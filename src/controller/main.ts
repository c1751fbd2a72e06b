// SPDX-License-Identifier: Apache-2.0

import { Command } from "commander";
import type { Logger } from "pino";
import { Registry } from "prom-client";
import { commaList } from "../collections/comma-list.ts";
import { connectKube } from "../kube/connect.ts";
import { metricsReaders } from "../kube/metrics-readers.ts";
import { releaseStartupPages } from "../netlink/startup-pages.ts";
import { ownCertificate } from "../pki/own-certificate.ts";
import type { OpenSink } from "../recording/recorder.ts";
import { SegmentWriter } from "../recording/segments.ts";
import { apiMetrics } from "../telemetry/api-metrics.ts";
import { logLevelPage } from "../telemetry/log-level.ts";
import { openLog } from "../telemetry/open-log.ts";
import { logRefusals } from "../telemetry/refusal-log.ts";
import { serve } from "../telemetry/serve.ts";
import { SYSTEM_CLOCK } from "../time/clock.ts";
import { Certificates, tlsFilesIn } from "./certificates/certificates.ts";
import { Controller } from "./controller.ts";
import type { ControllerParts } from "./controller-parts.ts";
import { openNorthbound } from "./databases/northbound.ts";
import { openSouthbound } from "./databases/southbound.ts";
import { dnsClient } from "./domains/dns-client.ts";
import { commitMetrics } from "./engine-metrics.ts";
import type { ClusterFlows } from "./flows/cluster-flows.ts";
import { Election } from "./leadership/election.ts";
import { controllerMetrics } from "./metrics.ts";
import { PLAN_COMMAND } from "./page/plan-messages.ts";
import { printPlan } from "./print-plan.ts";
import { readSettings, type Settings, withSettings } from "./settings.ts";
import { statePage } from "./state-page.ts";

async function build(settings: Settings, logTo: number) {
  const registry = new Registry();
  const log = openLog(registry, { level: settings.logLevel, base: null }, logTo);
  const connection = await connectKube({ userAgent: "weft-controller", onAnswer: apiMetrics(registry) });
  const inactivityMs = settings.ovsdbInactivityS * 1000;
  const tls = tlsFilesIn(settings.tlsDir);
  const northbound = openNorthbound(commaList(settings.ovnNb), log, inactivityMs, tls);
  const southbound =
    settings.ovnSb === "" ? undefined : openSouthbound(commaList(settings.ovnSb), log, inactivityMs, tls);
  const parts = {
    kube: connection.kube,
    northbound,
    ...(southbound && { southbound }),
    settings,
    log,
    clock: SYSTEM_CLOCK,
    dns: dnsClient(),
    observer: commitMetrics(registry),
    settled: () => void releaseStartupPages(),
    ...(settings.recordTo !== "" && { record: recordTo(settings, log) }),
  };
  const controller = new Controller(parts);
  const certificates = settings.issueCertificates ? issuer(settings, parts, controller) : undefined;
  return { log, connection, northbound, southbound, controller, certificates, parts, registry };
}

function recordTo({ recordTo: folder, recordLimitMib, identity: process }: Settings, log: Logger): OpenSink {
  const limit = recordLimitMib * 2 ** 20;
  const onError = (err: unknown, message: string): void => log.error({ err }, message);
  return (snapshot) => new SegmentWriter({ folder, limit, process, clock: SYSTEM_CLOCK, onError }, snapshot);
}

function issuer(settings: Settings, { kube, clock, log }: ControllerParts, controller: Controller): Certificates {
  const { namespace, tlsDir: folder, certificateDays, centralSecret: central, controllerSecret } = settings;
  return new Certificates({
    ...{ kube, clock, log, namespace, folder, days: certificateDays },
    ...(central !== "" && { given: { central, controller: controllerSecret } }),
    whenNodesKnown: (signal) => controller.whenListed(signal),
    nodesOf: (chassis) => controller.facts.by("nodes", "chassis", chassis).map(({ name }) => name),
  });
}

async function run(settings: Settings): Promise<void> {
  const { log, connection, northbound, southbound, controller, certificates, parts, registry } = await build(
    settings,
    1,
  );
  const ended = new Promise<string>((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => resolve(signal));
  });
  const flows = settings.flowsPort === 0 ? undefined : await openFlows(parts, controller, registry);
  const election = new Election({ ...parts, onLeading: (leads) => flows?.count(leads) }, controller, () => {
    process.exitCode = 1;
    process.kill(process.pid, "SIGTERM");
  });
  controllerMetrics(registry, {
    engine: controller.engine,
    facts: controller.facts,
    ipam: controller.ipam,
    northbound: () => northbound.synced,
    switches: () => northbound.switches(),
    southbound: () => southbound?.synced,
    leading: () => controller.leading,
    waiting: () => controller.allocator.waiting,
    unserved: () => controller.stuckPods.count,
    pendingWrites: () => controller.pendingWrites,
  });
  const notReady = (): string | undefined =>
    election.synced && northbound.synced
      ? undefined
      : "waiting for the first list from the API server or the northbound database";
  const level = logLevelPage(log);
  const server = await serve(
    { metrics: settings.metricsPort, health: settings.healthPort },
    {
      registry,
      notReady: () => notReady() ?? election.blocked,
      ...level,
      pages: { ...level.pages, ...statePage(controller).pages },
    },
    settings.secureServing && settings.metricsPort !== 0
      ? {
          ...(await ownCertificate(settings.tlsDir, "weft-controller", SYSTEM_CLOCK.wall())),
          admit: metricsReaders(connection.kube, SYSTEM_CLOCK, "/metrics"),
          refused: logRefusals(SYSTEM_CLOCK, log),
        }
      : undefined,
  );
  const page = settings.pagePort === 0 ? undefined : await startPage(parts, controller, notReady, flows);
  certificates?.start();
  election.start();
  const signal = await ended;
  log.info({ signal }, "stopping");
  await Promise.all([election.stop(), certificates?.stop()]);
  await Promise.all([northbound.close(), southbound?.close()]);
  connection.close();
  page?.close();
  flows?.reader.stop();
  server.close();
}

/** A controller without the page does not load what only the page needs. */
async function startPage(
  parts: ControllerParts,
  controller: Controller,
  notReady: () => string | undefined,
  flows: ClusterFlows | undefined,
) {
  const { servePage } = await import("./page/serve-page.ts");
  return await servePage({ ...parts, controller, notReady, flows });
}

/** The flows of all nodes; the leader counts them for the metrics. */
async function openFlows(parts: ControllerParts, { facts, engine }: Controller, registry: Registry) {
  const { clusterFlows } = await import("./flows/cluster-flows.ts");
  const { FlowMetrics } = await import("./flows/flow-metrics.ts");
  const flows = clusterFlows({ ...parts, facts, compiled: engine.desired });
  const metrics = parts.settings.flowMetrics ? new FlowMetrics(registry, { ...parts, ...flows, facts }) : undefined;
  return { ...flows, count: (leads: boolean): void => metrics?.follow(flows.reader, leads) };
}

const environment = process.env;
const program = withSettings(
  new Command("weft-controller").description(
    "Compiles Kubernetes objects to the OVN northbound database and gives pods their addresses.",
  ),
  environment,
).action(async () => {
  await run(readSettings(program, environment));
});
program
  .command("plan")
  .description("print the northbound transaction that the controller would commit now, and exit")
  .action(async () => {
    // With the flags of a controller that runs: what it records and issues, a plan does not.
    const settings = { ...readSettings(program, environment), recordTo: "", issueCertificates: false };
    const { connection, northbound, southbound, controller } = await build(settings, 2);
    process.stdout.write(await printPlan(controller, northbound));
    await controller.stop();
    await Promise.all([northbound.close(), southbound?.close()]);
    connection.close();
  });
program.command(PLAN_COMMAND, { hidden: true }).action(async () => {
  const { answerPlan } = await import("./page/answer-plan.ts");
  await answerPlan();
});
program.parseAsync().then(
  () => process.exit(),
  (error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exit(1);
  },
);
