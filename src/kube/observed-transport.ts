// SPDX-License-Identifier: Apache-2.0

import type { Transport } from "./transport.ts";

/** An answer of the API server, whatever its status. */
export interface ObservedAnswer {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly status: number;
  /** Until the head of the answer. */
  readonly seconds: number;
}

/** The same transport, which calls `onAnswer` with each answer. Callers report requests without an answer. */
export function observedTransport(transport: Transport, onAnswer: (answer: ObservedAnswer) => void): Transport {
  return {
    dial: (call) => transport.dial(call),
    refused: () => transport.refused(),
    close: () => transport.close(),
    async open(call) {
      const started = performance.now();
      const answer = await transport.open(call);
      const { method, path } = call;
      onAnswer({ method, path, status: answer.statusCode ?? 0, seconds: (performance.now() - started) / 1000 });
      return answer;
    },
  };
}
