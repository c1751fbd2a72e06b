// SPDX-License-Identifier: Apache-2.0

/** weft-speaker: announces addresses by BGP (DaemonSet kube-ovn-speaker). */
import { mkdir } from "node:fs/promises";
import process from "node:process";
import { CommanderError } from "commander";
import { Registry } from "prom-client";
import { SPEAKER_COMPONENT } from "../api/names.ts";
import { connectKube } from "../kube/connect.ts";
import { eventRecorder } from "../kube/event-recorder.ts";
import { metricsReaders } from "../kube/metrics-readers.ts";
import { ownCertificate } from "../pki/own-certificate.ts";
import { apiMetrics } from "../telemetry/api-metrics.ts";
import { openLog } from "../telemetry/open-log.ts";
import { runUntilStopped, stopOnSignals } from "../telemetry/program.ts";
import { logRefusals } from "../telemetry/refusal-log.ts";
import { serve } from "../telemetry/serve.ts";
import { SYSTEM_CLOCK } from "../time/clock.ts";
import { Bird } from "./bird.ts";
import { readSpeakerOptions, type SpeakerOptions } from "./options.ts";
import { Speaker } from "./speaker.ts";
import { speakerMetrics } from "./speaker-metrics.ts";
import { speakerWatches } from "./watches.ts";

function optionsOrExit(): SpeakerOptions {
  try {
    return readSpeakerOptions(process.argv.slice(2), process.env);
  } catch (error) {
    // Commander has printed the error, or the requested help.
    if (error instanceof CommanderError) process.exit(error.exitCode);
    throw error;
  }
}

async function main(): Promise<void> {
  const options = optionsOrExit();
  const { nodeName: node, defaultVpc } = options;
  const registry = new Registry();
  const log = openLog(registry, { level: options.logLevel, base: { node } });
  const connection = await connectKube({
    userAgent: "weft-speaker",
    onAnswer: apiMetrics(registry),
    ...(options.kubeconfig === undefined ? {} : { kubeconfig: options.kubeconfig }),
  });
  const { kube } = connection;
  const onError = (error: unknown, context: string): void => log.warn({ err: error }, context);
  const events = eventRecorder(kube, {
    ...{ component: SPEAKER_COMPONENT, host: node },
    onError: (error) => onError(error, "failed to write an Event"),
  });
  await mkdir(options.runDir, { recursive: true });
  const speaker = new Speaker(options, {
    ...{ watches: speakerWatches({ kube, node, defaultVpc }, onError), events, log },
    makeBird: (tell) =>
      new Bird({ folder: options.runDir, gracefulRestart: options.gracefulRestart !== undefined, ...tell }),
  });
  speakerMetrics(registry, speaker);
  const server = await serve(
    { metrics: options.metricsPort, health: options.healthPort },
    { registry, notReady: () => speaker.notReady() },
    options.secureServing && options.metricsPort !== 0
      ? {
          ...(await ownCertificate(options.runDir, "weft-speaker", SYSTEM_CLOCK.wall())),
          admit: metricsReaders(kube, SYSTEM_CLOCK, "/metrics"),
          refused: logRefusals(SYSTEM_CLOCK, log),
        }
      : undefined,
  );
  const stopping = new AbortController();
  speaker.start(stopping.signal);
  stopOnSignals(log, () => {
    stopping.abort();
    server.close();
    return Promise.all([speaker.stop(), events.stop()]);
  });
}

runUntilStopped("weft-speaker", main);
