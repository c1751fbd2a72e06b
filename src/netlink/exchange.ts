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

/** More than any node's own tables; a full view of the Internet's routes is four times that, and is to be filtered. */
const MAX_MESSAGES = 262_144;
const MAX_READS = 8;

/** What the kernel answered, acknowledgement apart. */
export interface Answer {
  readonly messages: readonly NetlinkMessage[];
  /** The list changed while it was read (NLM_F_DUMP_INTR). */
  readonly interrupted: boolean;
}

/** Where an answer comes from. */
export interface Datagrams {
  /** The next datagram, in its own memory. Throws if there is none. */
  next(): Uint8Array;
  /** Throws away what is left. */
  discard(): void;
}

/** The bytes of a request; `kind` is NLM_F_ACK or NLM_F_DUMP. */
export function requestBytes(request: NetlinkRequest, kind: number, sequence: number): Buffer {
  const flags = NLM_F_REQUEST | kind | (request.flags ?? 0);
  return encodeMessage({ type: request.type, flags, sequence, payload: request.payload });
}

/**
 * Reads the answer to the request with this sequence number, which is sent: so the answer is there, or its first piece,
 * and the kernel makes each further piece as the one before is read. Throws the kernel's refusal.
 */
export function readAnswer(from: Datagrams, operation: string, sequence: number): Answer {
  const messages: NetlinkMessage[] = [];
  let interrupted = false;
  let finished = false;
  try {
    while (!finished) {
      for (const message of decodeMessages(from.next())) {
        // What is left of an exchange that was given up.
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
    // The kernel refuses the next listing while one is not read to its end.
    if (!finished) from.discard();
  }
  return { messages, interrupted };
}

/** Reads a list again, while it changed as it was read, at most 8 times. Throws `interrupted`. */
export function readSteadily(operation: string, read: () => Answer): readonly NetlinkMessage[] {
  for (let reads = 0; reads < MAX_READS; reads++) {
    const { messages, interrupted } = read();
    if (!interrupted) return messages;
  }
  throw new NetlinkError("interrupted", operation, `the list changed ${MAX_READS} times while it was read`);
}
