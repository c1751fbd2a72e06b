// SPDX-License-Identifier: Apache-2.0

import { randomUUID } from "node:crypto";
import type { Command } from "commander";
import { SYNC_ANSWER, SYNC_REQUEST } from "../../contract/northbound-sync.ts";
import type { OvsdbClient } from "../../ovsdb/client.ts";
import { OVN_NB, type OvnNbTables } from "../../ovsdb/generated/ovn-nb.ts";
import type { Mirror } from "../../ovsdb/mirror.ts";
import { openOvsdb } from "../../ovsdb/open.ts";
import { mutate } from "../../ovsdb/operation.ts";
import { CentralError } from "./member.ts";
import { RESTORED, type Restored, restoreOperations } from "./restore-operations.ts";

/** How long a server may take to send its database, and to commit a whole one, in ms. */
const DATABASE_MS = 60_000;
/** How long the leading controller may take to put right what is newer than the backup, in ms. */
const CONTROLLER_MS = 120_000;

/** Options of {@link restoreNorthbound}. */
export interface RestoreOptions {
  /** A server of the backup, and one of the database: OVSDB connection methods. */
  readonly backup: string;
  readonly database: string;
  /** See {@link CONTROLLER_MS}. */
  readonly controllerMs?: number;
}

/**
 * Gives the northbound database the rows of a backup, in one transaction, and resolves when the leading controller has put right what has changed since. Rejects with
 * CentralError `no-answer` where no controller answers (the database is restored then), with OvsdbError otherwise.
 */
export async function restoreNorthbound(options: RestoreOptions): Promise<Omit<Restored, "operations">> {
  const clients: OvsdbClient[] = [];
  const open = (remote: string): OvsdbClient => {
    const client = openOvsdb({ remotes: [remote], database: OVN_NB.name, maxRequests: 10 });
    clients.push(client);
    return client;
  };
  try {
    const [from, to] = [open(options.backup), open(options.database)];
    const backup = from.monitor(OVN_NB, RESTORED) as Mirror<OvnNbTables>;
    const live = to.monitor(OVN_NB, RESTORED) as Mirror<OvnNbTables>;
    const global = to.monitor(OVN_NB, { NB_Global: ["external_ids"] });
    const signal = AbortSignal.timeout(DATABASE_MS);
    await Promise.all([backup, live, global].map((mirror) => mirror.whenSynced(signal)));
    const { operations, ...counts } = restoreOperations(backup, live);
    const request = randomUUID();
    const ask = mutate(
      OVN_NB,
      "NB_Global",
      [],
      [
        ["external_ids", "delete", [SYNC_REQUEST]],
        ["external_ids", "insert", { [SYNC_REQUEST]: request }],
      ],
    );
    await to.transact(OVN_NB.name, [...operations, ask], { timeoutMs: DATABASE_MS });
    await answered(global, request, options.controllerMs ?? CONTROLLER_MS);
    return counts;
  } finally {
    await Promise.all(clients.map((client) => client.close()));
  }
}

/** Resolves when the leading controller has answered a request. */
async function answered(
  global: Mirror<{ readonly NB_Global: Pick<OvnNbTables["NB_Global"], "external_ids"> }>,
  request: string,
  timeoutMs: number,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const look = (): void => {
    for (const { external_ids: ids } of global.rows("NB_Global")) if (ids[SYNC_ANSWER] === request) resolve();
  };
  const unsubscribe = global.subscribe(look);
  const message = `the database is restored, but no controller has put right within ${timeoutMs / 1000} s what has changed since the backup: weftctl status`;
  const timer = setTimeout(() => reject(new CentralError("no-answer", message)), timeoutMs);
  look();
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    unsubscribe();
  }
}

/** Adds the hidden command that `central-member restore` runs in a pod of ovn-central. It needs no API server. */
export function addRestoreCommand(program: Command): void {
  program
    .command("restore-northbound", { hidden: true })
    .description("gives the northbound database the rows of a backup, and waits for the controller")
    .requiredOption("--backup <remote>", "a server of the backup")
    .requiredOption("--database <remote>", "a server of the database")
    .action(async (options: RestoreOptions) => {
      const { inserted, changed, deleted } = await restoreNorthbound(options);
      process.stdout.write(`${inserted} rows inserted, ${changed} changed, ${deleted} deleted\n`);
    });
}
