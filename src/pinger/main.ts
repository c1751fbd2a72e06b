// SPDX-License-Identifier: Apache-2.0

/** weft-pinger: probes the cluster's network from a pod of each node (DaemonSet kube-ovn-pinger). */
import { mkdir } from "node:fs/promises";
import process from "node:process";
import { CommanderError } from "commander";
import { pino } from "pino";
import { Registry } from "prom-client";
import { PINGER_COMPONENT } from "../api/names.ts";
import { connectKube } from "../kube/connect.ts";
import { eventRecorder } from "../kube/event-recorder.ts";
import { metricsReaders } from "../kube/metrics-readers.ts";
import type { Family } from "../net/address.ts";
import { NetlinkError } from "../netlink/error.ts";
import { openPingSocket } from "../netlink/ping-socket.ts";
import { ownCertificate } from "../pki/own-certificate.ts";
import { apiMetrics } from "../telemetry/api-metrics.ts";
import { LogLines } from "../telemetry/log-lines.ts";
import { runUntilStopped, stopOnSignals } from "../telemetry/program.ts";
import { logRefusals } from "../telemetry/refusal-log.ts";
import { serve } from "../telemetry/serve.ts";
import { SYSTEM_CLOCK } from "../time/clock.ts";
import { EchoRequests } from "./echo-requests.ts";
import { DEADLINE_MS, NameLookups, timed } from "./names.ts";
import { type PingerOptions, readPingerOptions } from "./options.ts";
import { Pinger } from "./pinger.ts";
import { PingerMetrics } from "./pinger-metrics.ts";
import { checkPort, respond } from "./ports.ts";
import { familiesOf } from "./targets.ts";
import { pingerWatches } from "./watches.ts";

function optionsOrExit(): PingerOptions {
  try {
    return readPingerOptions(process.argv.slice(2), process.env);
  } catch (error) {
    // Commander has printed the error, or the requested help.
    if (error instanceof CommanderError) process.exit(error.exitCode);
    throw error;
  }
}

/** Throws an error that says what must be permitted. */
function openEchoes(families: ReadonlySet<Family>): EchoRequests {
  try {
    return new EchoRequests(openPingSocket, families, SYSTEM_CLOCK);
  } catch (cause) {
    if (!(cause instanceof NetlinkError) || cause.code !== "permission") throw cause;
    const range = `${process.getgid?.()} ${process.getgid?.()}`;
    throw new Error(
      `ping sockets are not permitted: set the sysctl net.ipv4.ping_group_range of the pod to "${range}"`,
      { cause },
    );
  }
}

async function main(): Promise<void> {
  const options = optionsOrExit();
  const { nodeName: node, podNamespace: namespace, labelSelector, tcpPort: tcp, udpPort: udp } = options;
  const registry = new Registry();
  const lines = new LogLines();
  lines.register(registry);
  const log = pino({
    hooks: lines.hooks,
    level: options.logLevel,
    base: { node },
    timestamp: pino.stdTimeFunctions.isoTime,
  });
  const connection = await connectKube({
    userAgent: "weft-pinger",
    onAnswer: apiMetrics(registry),
    ...(options.kubeconfig === undefined ? {} : { kubeconfig: options.kubeconfig }),
  });
  const { kube } = connection;
  const onError = (error: unknown, context: string): void => log.warn({ err: error }, context);
  const events = eventRecorder(kube, {
    ...{ component: PINGER_COMPONENT, host: node },
    onError: (error) => onError(error, "failed to write an Event"),
  });
  const watches = pingerWatches({ kube, namespace, labelSelector }, onError);
  const metrics = new PingerMetrics(registry, options);
  const families = familiesOf(options.podIps);
  const echoes = openEchoes(families);
  const names = new NameLookups();
  const pinger = new Pinger(options, {
    ...{ watches, events, log },
    record: (results) => metrics.record(results),
    probes: {
      ping: ({ address }) => echoes.ping(address),
      port: checkPort,
      name: (name) => timed(SYSTEM_CLOCK, () => names.resolve(name)),
      apiServer: () => timed(SYSTEM_CLOCK, () => connection.version({ deadlineMs: DEADLINE_MS })),
    },
  });
  await mkdir(options.runDir, { recursive: true });
  const responders = await respond({ tcp, udp }, families, (error) =>
    onError(error, "a port for other probers has failed"),
  );
  const server = await serve(
    { metrics: options.metricsPort, health: options.healthPort },
    {
      registry,
      notReady: () => pinger.notReady(),
      pages: { "/probes": () => pinger.last ?? [] },
    },
    options.secureServing && options.metricsPort !== 0
      ? {
          ...(await ownCertificate(options.runDir, "weft-pinger", SYSTEM_CLOCK.wall())),
          admit: metricsReaders(kube, SYSTEM_CLOCK, "/metrics"),
          refused: logRefusals(SYSTEM_CLOCK, log),
          openHealth: true,
        }
      : undefined,
  );
  watches.start();
  pinger.start();
  stopOnSignals(log, () => {
    server.close();
    responders.close();
    echoes.close();
    return Promise.all([pinger.stop(), events.stop(), watches.stop()]);
  });
}

runUntilStopped("weft-pinger", main);
