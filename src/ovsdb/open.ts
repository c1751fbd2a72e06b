// SPDX-License-Identifier: Apache-2.0

import { SYSTEM_CLOCK } from "../time/clock.ts";
import type { OvsdbClient, OvsdbOptions } from "./client.ts";
import { Connection } from "./connection.ts";
import { dialRemote } from "./dial.ts";
import { parseRemote } from "./parse-remote.ts";

/**
 * Opens a connection to OVSDB, which maintains itself until `close()`. Returns at once; the client reports whether it
 * is connected. Throws a TypeError for a remote that is not a connection method, or for no remote.
 */
export function openOvsdb(options: OvsdbOptions): OvsdbClient {
  for (const remote of options.remotes) if (parseRemote(remote) === undefined) throw new TypeError(notARemote(remote));
  return new Connection(options, {
    clock: SYSTEM_CLOCK,
    dial: async (text, signal) => {
      const remote = parseRemote(text);
      if (remote === undefined) throw new TypeError(notARemote(text));
      return await dialRemote(remote, options.tls, signal);
    },
  });
}

function notARemote(text: string): string {
  return `${JSON.stringify(text)} is not of the form unix:FILE, tcp:HOST:PORT or ssl:HOST:PORT`;
}
