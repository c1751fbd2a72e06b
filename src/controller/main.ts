import { Command } from "commander";
import { pino } from "pino";
import { serve } from "../admin/serve.ts";
import { SYSTEM_CLOCK } from "../kube/clock.ts";
import { connectKube } from "../kube/connect.ts";
import { Controller } from "./controller.ts";
import { dnsClient } from "./domains/dns-client.ts";
import { Election } from "./election.ts";
import { controllerMetrics } from "./metrics.ts";
import { openNorthbound } from "./northbound.ts";
import { printPlan } from "./plan.ts";
import { readSettings, type Settings, withSettings } from "./settings.ts";

async function build(settings: Settings, logTo: number) {
  const log = pino({ level: settings.logLevel, base: null }, pino.destination({ fd: logTo, sync: true }));
  const connection = await connectKube({ userAgent: "weft-controller" });
  const northbound = openNorthbound(settings.ovnNb.split(","), log, settings.ovsdbInactivityS * 1000);
  const parts = {
    kube: connection.kube,
    northbound,
    settings,
    log,
    clock: SYSTEM_CLOCK,
    random: Math.random,
    dns: dnsClient(),
  };
  return { log, connection, northbound, controller: new Controller(parts), parts };
}

async function run(settings: Settings): Promise<void> {
  const { log, connection, northbound, controller, parts } = await build(settings, 1);
  const ended = new Promise<string>((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => resolve(signal));
  });
  const election = new Election(parts, controller, () => {
    process.exitCode = 1;
    process.kill(process.pid, "SIGTERM");
  });
  const registry = controllerMetrics({
    engine: controller.engine,
    facts: controller.facts,
    ipam: controller.ipam,
    leading: () => controller.leading,
    waiting: () => controller.allocator.waiting,
    unserved: () => controller.unserved.count,
    pendingWrites: () => controller.pendingWrites,
  });
  const server = await serve(
    { metrics: settings.metricsPort, health: settings.healthPort },
    {
      registry,
      notReady: () =>
        election.synced && northbound.synced
          ? election.blocked
          : "still reading from the API server or the northbound database",
    },
  );
  election.start();
  const signal = await ended;
  log.info({ signal }, "stopping");
  await election.stop();
  await northbound.close();
  connection.close();
  server.close();
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
    const settings = readSettings(program, environment);
    const { connection, northbound, controller } = await build(settings, 2);
    process.stdout.write(await printPlan(controller, northbound));
    await controller.stop();
    await northbound.close();
    connection.close();
  });
program.parseAsync().then(
  () => process.exit(),
  (error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exit(1);
  },
);
