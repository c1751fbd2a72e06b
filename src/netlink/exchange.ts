// SPDX-License-Identifier: Apache-2.0

import { errorFromErrno, NetlinkError } from "./error.ts";
import {
  decodeAcknowledgement,
  decodeMessages,
  encodeMessage,
  type NetlinkMessage,
  type NetlinkRequest,
  NLM_F_DUMP_INTR,
  NLM_F_REQUEST,
  NLMSG_DONE,
  NLMSG_ERROR,
  NLMSG_NOOP,
} from "./message.ts";

/** More than any node's own tables. A full Internet routing table is four times that and has to be filtered. */
const MAX_MESSAGES = 262_144;
const MAX_READS = 8;

/** The kernel's reply without the acknowledgement. */
export interface Answer {
  readonly messages: readonly NetlinkMessage[];
  /** The list changed while it was read (NLM_F_DUMP_INTR). */
  readonly interrupted: boolean;
}

/** The source of replies. */
export interface Datagrams {
  /** The next datagram, in a buffer of its own. Throws if there is none. */
  next(): Uint8Array;
  /** Discards the remaining datagrams. */
  discard(): void;
}

/** The bytes of a request; `kind` is NLM_F_ACK or NLM_F_DUMP. */
export function requestBytes(request: NetlinkRequest, kind: number, sequence: number): Buffer {
  const flags = NLM_F_REQUEST | kind | (request.flags ?? 0);
  return encodeMessage({ type: request.type, flags, sequence, payload: request.payload });
}

/**
 * Reads the reply to the request with this sequence number. The request has been sent, so the reply or its first part is available,
 * and the kernel makes each further part when the previous one is read. Throws the kernel's error.
 */
export function readAnswer(from: Datagrams, operation: string, sequence: number): Answer {
  const messages: NetlinkMessage[] = [];
  let interrupted = false;
  let finished = false;
  try {
    while (!finished) {
      for (const message of decodeMessages(from.next())) {
        // The rest of an abandoned exchange.
        if (message.sequence !== sequence || finished) continue;
        if ((message.flags & NLM_F_DUMP_INTR) !== 0) interrupted = true;
        if (message.type === NLMSG_ERROR || message.type === NLMSG_DONE) {
          const { errno, text } = decodeAcknowledgement(message);
          finished = true;
          if (errno !== 0) throw errorFromErrno(operation, errno, text);
        } else if (message.type !== NLMSG_NOOP) {
          messages.push(message);
        }
      }
      if (messages.length > MAX_MESSAGES) {
        throw new NetlinkError("no-memory", operation, `a list of more than ${MAX_MESSAGES} entries`);
      }
    }
  } finally {
    // The kernel refuses the next dump until this one has been read to its end.
    if (!finished) from.discard();
  }
  return { messages, interrupted };
}

/** Repeats a dump that changed while it was read, at most 8 times. Throws `interrupted`. */
export function readSteadily(operation: string, read: () => Answer): readonly NetlinkMessage[] {
  for (let reads = 0; reads < MAX_READS; reads++) {
    const { messages, interrupted } = read();
    if (!interrupted) return messages;
  }
  throw new NetlinkError("interrupted", operation, `the list changed ${MAX_READS} times while it was read`);
}
