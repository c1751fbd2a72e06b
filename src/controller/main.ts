import { Command } from "commander";
import { pino } from "pino";
import { timestamp } from "../api/conditions.ts";
import { connectKube } from "../kube/connect.ts";
import { type PublishedLease, publishLease } from "../kube/lease.ts";
import { systemTimers } from "../reconcile/timers.ts";
import { Controller } from "./controller.ts";
import { controllerMetrics } from "./metrics.ts";
import { openNorthbound } from "./northbound.ts";
import { printPlan } from "./plan.ts";
import { serve } from "./serve.ts";
import { readSettings, type Settings, withSettings } from "./settings.ts";

const LEASE = "kube-ovn-controller";

async function build(settings: Settings, logTo: number) {
  const log = pino({ level: settings.logLevel, base: null }, pino.destination({ fd: logTo, sync: true }));
  const connection = await connectKube({ userAgent: "weft-controller" });
  const northbound = openNorthbound(settings.ovnNb.split(","), log);
  const parts = {
    kube: connection.kube,
    northbound,
    settings,
    log,
    timers: systemTimers,
    now: () => timestamp(new Date()),
  };
  return { log, connection, northbound, controller: new Controller(parts) };
}

async function run(settings: Settings): Promise<void> {
  const { log, connection, northbound, controller } = await build(settings, 1);
  const stop = new AbortController();
  let lease: PublishedLease | undefined;
  let synced = false;
  const ended = new Promise<string>((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => resolve(signal));
  });
  const registry = controllerMetrics({
    engine: controller.engine,
    facts: controller.facts,
    ipam: controller.ipam,
    leading: () => controller.leading,
    waiting: () => controller.allocator.waiting,
    pendingWrites: () => controller.pendingWrites,
  });
  const server = await serve({
    port: settings.metricsPort,
    registry,
    healthy: () => true,
    notReady: () =>
      synced && northbound.synced ? undefined : "still reading from the API server or the northbound database",
  });
  const lead = (): void => {
    if (!synced || northbound.lock.state !== "held" || controller.leading) return;
    log.info("this process leads");
    lease = publishLease(connection.kube, {
      namespace: settings.namespace,
      name: LEASE,
      holder: settings.identity,
      onError: (error) => log.warn({ err: error }, "the Lease could not be written"),
    });
    controller.lead().catch((error: unknown) => {
      log.error({ err: error }, "leading could not begin; giving the process up, so that another one can");
      process.exitCode = 1;
      process.kill(process.pid, "SIGTERM");
    });
  };
  const follow = (): void => {
    if (!controller.leading) return;
    log.warn("this process leads no more");
    controller.follow();
    void lease?.stop();
    lease = undefined;
  };
  northbound.lock.onChange((state) => (state === "held" ? lead() : follow()));
  controller.sync(stop.signal).then(
    () => {
      synced = true;
      log.info({ ...controller.counts() }, "everything is read");
      lead();
    },
    (error: unknown) => {
      if (!stop.signal.aborted) log.error({ err: error }, "reading everything failed");
    },
  );
  const signal = await ended;
  log.info({ signal }, "stopping");
  stop.abort();
  await controller.stop();
  await lease?.stop();
  await northbound.close();
  connection.close();
  server?.close();
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
