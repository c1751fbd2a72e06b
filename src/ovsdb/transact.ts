// SPDX-License-Identifier: Apache-2.0

import type { Clock } from "../time/clock.ts";
import type { TransactOptions } from "./client.ts";
import { OvsdbError } from "./errors.ts";
import { abandoned } from "./gate.ts";
import type { Json } from "./json.ts";
import { assertLock, type Operation, type OperationResult } from "./operation.ts";
import { transactResults } from "./result.ts";
import type { ReplyHandler } from "./session.ts";

/** The part of a session that a transaction uses. */
export interface TransactCaller {
  /** Whether a database is one of a raft cluster, or possibly, as a relay's, of one. */
  isClustered(database: string): boolean;
  call(method: string, params: readonly Json[], onReply: ReplyHandler): () => void;
}

/**
 * Sends one transaction and waits for its answer, its time limit or its signal. The client sets the limit: a server
 * without a majority of its cluster never answers.
 */
export function sendTransaction(
  caller: TransactCaller,
  clock: Clock,
  database: string,
  operations: readonly Operation[],
  { signal, timeoutMs = 30_000, assertLock: lock }: TransactOptions,
): Promise<readonly OperationResult[]> {
  const asserted = lock === undefined ? operations : [assertLock(lock), ...operations];
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) throw abandoned(signal);
    const forget = caller.call("transact", [database, ...asserted], (error, reply) => {
      settled();
      const clustered = caller.isClustered(database);
      if (error !== undefined) {
        reject(
          clustered && !error.mayHaveApplied
            ? new OvsdbError(error.code, error.message, { cause: error, clustered })
            : error,
        );
        return;
      }
      try {
        resolve(resultsOf(reply, asserted.length, { asserted: lock !== undefined, clustered }));
      } catch (reason) {
        reject(OvsdbError.from(reason, "protocol"));
      }
    });
    const giveUp = (error: OvsdbError): void => {
      settled();
      forget();
      reject(error);
    };
    const onAbort = (): void => {
      if (signal !== undefined) giveUp(abandoned(signal));
    };
    const cancelTimer = clock.after(timeoutMs, () =>
      giveUp(new OvsdbError("timeout", `no reply to a transaction within ${timeoutMs} ms`)),
    );
    const settled = (): void => {
      cancelTimer();
      signal?.removeEventListener("abort", onAbort);
    };
    signal?.addEventListener("abort", onAbort);
  });
}

/** Results of the caller's operations, without the assertion that this function adds. */
function resultsOf(
  reply: Json,
  operations: number,
  { asserted, clustered }: { readonly asserted: boolean; readonly clustered: boolean },
): readonly OperationResult[] {
  if (!asserted) return transactResults(reply, operations, { clustered });
  try {
    return transactResults(reply, operations, { clustered }).slice(1);
  } catch (error) {
    if (!(error instanceof OvsdbError) || error.operation === undefined) throw error;
    const operation = error.operation === 0 ? {} : { operation: error.operation - 1 };
    throw new OvsdbError(error.code, error.message, { cause: error, clustered, ...operation });
  }
}
