// SPDX-License-Identifier: Apache-2.0

import type { Logger } from "pino";
import type { FactStore } from "../../facts/store.ts";
import { SOUTHBOUND_KINDS } from "../../kinds/database.ts";
import type { ClientEvent, OvsdbClient, TlsFiles } from "../../ovsdb/client.ts";
import { OVN_SB, type OvnSbTables } from "../../ovsdb/generated/ovn-sb.ts";
import type { Mirror } from "../../ovsdb/mirror.ts";
import { openOvsdb } from "../../ovsdb/open.ts";
import type { Selected } from "../../ovsdb/selection.ts";
import { selectionOf, takeChanges } from "./table-facts.ts";

const SELECTION = selectionOf(SOUTHBOUND_KINDS);

/**
 * The southbound database, read-only. It is optional: a new leader waits for it only briefly; without it there are no facts of it, and while it
 * cannot be reached the last facts stay.
 */
export class Southbound {
  readonly #client: OvsdbClient;
  readonly #mirror: Mirror<Selected<OvnSbTables, typeof SELECTION>>;

  constructor(client: OvsdbClient) {
    this.#client = client;
    this.#mirror = client.monitor(OVN_SB, SELECTION);
  }

  /** Whether the facts are current. */
  get synced(): boolean {
    return this.#mirror.synced;
  }

  /** Resolves when the facts are current. */
  whenReady(signal?: AbortSignal): Promise<void> {
    return this.#mirror.whenSynced(signal);
  }

  /** Writes the rows of {@link SOUTHBOUND_KINDS} to the store as facts, and marks them as read in the facts `served`. To be called at once. */
  feed(facts: FactStore): void {
    this.#mirror.subscribe((changes) => takeChanges(facts, SOUTHBOUND_KINDS, changes));
    this.#mirror.onSyncedChange((synced) => {
      if (synced) for (const { facts: kind } of SOUTHBOUND_KINDS) facts.set("served", kind, { key: kind });
    });
  }

  async close(): Promise<void> {
    await this.#client.close();
  }
}

/** Opens the connection to the southbound database; any member of a raft cluster is accepted. `inactivityMs`: see `openNorthbound`. */
export function openSouthbound(
  remotes: readonly string[],
  log: Logger,
  inactivityMs: number,
  tls?: TlsFiles,
): Southbound {
  const client = openOvsdb({
    remotes,
    ...(tls && { tls }),
    database: OVN_SB.name,
    probeIntervalMs: inactivityMs,
    onEvent: (event) => note(log, event),
  });
  return new Southbound(client);
}

/** Logs when the database is connected and lost, and once that it cannot be reached; not each attempt. */
function note(log: Logger, event: ClientEvent): void {
  const { type } = event;
  if (type === "listener-error") log.error({ err: event.error }, "southbound connection: listener-error");
  else if (type === "backoff" && event.attempt === 1)
    log.warn("failed to connect to the southbound database; its last known state stays active; retrying");
  else if (type === "connected" || type === "synced" || type === "schema-lacks")
    log.info({ ...event }, `southbound connection: ${type}`);
  else if (type === "disconnected")
    log.debug({ remote: event.remote, err: event.error }, "southbound connection: disconnected");
}
