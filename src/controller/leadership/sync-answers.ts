// SPDX-License-Identifier: Apache-2.0

import type { Logger } from "pino";
import { SYNC_ANSWER, SYNC_REQUEST } from "../../contract/northbound-sync.ts";
import { retryDelay } from "../../time/backoff.ts";
import type { Clock } from "../../time/clock.ts";
import type { Northbound } from "../databases/northbound.ts";

/** The dependencies of {@link SyncAnswers}. */
export interface SyncTools {
  readonly northbound: Pick<Northbound, "globalIds" | "onGlobalIds" | "confirmLock" | "writeGlobalId">;
  readonly engine: { readonly idle: boolean; whenIdle(): Promise<void> };
  readonly restored: { readonly idle: boolean; whenIdle(): Promise<void> };
  readonly log: Logger;
  readonly clock: Pick<Clock, "after">;
  /** Whether this term of leadership has ended. */
  readonly over: () => boolean;
}

/**
 * Answers requests in `NB_Global` (`SYNC_REQUEST`) once what other clients changed before them is put right: northd is stopped while a backup is restored, and
 * goes on only then, so that it never acts on the backup (`weftctl central restore`). Units that the database refuses are not waited for.
 */
export class SyncAnswers {
  readonly #tools: SyncTools;
  readonly #unsubscribe: () => void;
  #busy = false;
  #cancel = (): void => {};

  constructor(tools: SyncTools) {
    this.#tools = tools;
    this.#unsubscribe = tools.northbound.onGlobalIds(() => this.#look(1));
    this.#look(1);
  }

  /** The term has ended: the next leader answers. */
  stop(): void {
    this.#unsubscribe();
    this.#cancel();
  }

  #look(attempt: number): void {
    const { northbound, clock, log, over } = this.#tools;
    const request = unanswered(northbound.globalIds());
    if (request === undefined || this.#busy || over()) return;
    this.#busy = true;
    this.#cancel();
    void this.#answer(request)
      .then(
        () => true,
        (error: unknown) => {
          log.warn({ err: error }, "failed to answer a request in NB_Global; retrying");
          return false;
        },
      )
      .then((answered) => {
        this.#busy = false;
        // Another request may have come meanwhile.
        if (answered) this.#look(1);
        else this.#cancel = clock.after(retryDelay(attempt), () => this.#look(attempt + 1));
      });
  }

  async #answer(request: string): Promise<void> {
    const { northbound, engine, restored, log, over } = this.#tools;
    // Its answer comes after all changes before the request (RFC 7047 §4.1.6).
    if (!(await northbound.confirmLock())) throw new Error("the database did not confirm the lock");
    while (!over() && !(restored.idle && engine.idle)) {
      await restored.whenIdle();
      await engine.whenIdle();
    }
    if (over()) return;
    await northbound.writeGlobalId(SYNC_ANSWER, request);
    log.info({ request }, "the northbound database is as it should be: a request in NB_Global is answered");
  }
}

function unanswered(ids: Readonly<Record<string, string>>): string | undefined {
  const request = ids[SYNC_REQUEST];
  return request === ids[SYNC_ANSWER] ? undefined : request;
}
