// SPDX-License-Identifier: Apache-2.0

/** weft-daemon: the node's part of Weft (container `cni-server` of DaemonSet kube-ovn-cni). */
import process from "node:process";
import { CommanderError } from "commander";
import { pino } from "pino";
import { CLEANUP, runCleanup } from "./cleanup/main.ts";
import { openConnections } from "./connections.ts";
import { startDaemon } from "./daemon.ts";
import { type DaemonOptions, readOptions } from "./options.ts";

function optionsOrExit(): DaemonOptions {
  try {
    return readOptions(process.argv.slice(2), process.env);
  } catch (error) {
    // Commander has printed what is wrong, or the help that was asked for.
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
  const log = pino({
    level: options.logLevel,
    base: { node: options.nodeName },
    timestamp: pino.stdTimeFunctions.isoTime,
  });
  const connections = await openConnections(options, log);
  const daemon = await startDaemon(options, connections, log);
  let stopping = false;
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.on(signal, () => {
      if (stopping) return;
      stopping = true;
      log.info({ signal }, "stopping");
      daemon
        .stop()
        .then(() => connections.close())
        .then(
          () => process.exit(0),
          (error: unknown) => {
            log.error({ err: error }, "failed to stop");
            process.exit(1);
          },
        );
    });
  }
}

main().catch((error: unknown) => {
  process.stderr.write(
    `failed to start weft-daemon: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  );
  process.exit(1);
});
