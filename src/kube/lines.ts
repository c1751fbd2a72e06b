// SPDX-License-Identifier: Apache-2.0

import { KubeError } from "./errors.ts";

/** Splits a stream of bytes into lines. */
export interface LineDecoder {
  /**
   * Processes the next bytes and calls `onLine` for each complete line. Throws `too-large` if a line exceeds the
   * limit.
   */
  push(chunk: Uint8Array): void;
  /** Bytes of the line that is still incomplete. */
  readonly pendingBytes: number;
}

const NEWLINE = 0x0a;

/**
 * A {@link LineDecoder} for UTF-8 text. Bytes are decoded only when their line is complete, so that a character that
 * the network has split is decoded correctly. An incomplete line is kept in the received pieces: joining them again
 * for every piece would have quadratic cost.
 */
export function lineDecoder(maxLineBytes: number, onLine: (line: string) => void): LineDecoder {
  let pieces: Uint8Array[] = [];
  let pendingBytes = 0;
  const keep = (piece: Uint8Array): void => {
    if (piece.length === 0) return;
    pendingBytes += piece.length;
    if (pendingBytes > maxLineBytes) {
      pieces = [];
      throw new KubeError("too-large", `a line of the stream exceeds ${maxLineBytes} bytes`);
    }
    pieces.push(piece);
  };
  return {
    push(chunk) {
      let from = 0;
      for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, from)) {
        keep(chunk.subarray(from, end));
        from = end + 1;
        const whole = pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces, pendingBytes);
        pieces = [];
        pendingBytes = 0;
        if (whole.length > 0) onLine(Buffer.from(whole.buffer, whole.byteOffset, whole.length).toString("utf8"));
      }
      // A copy: the rest may be kept for long, and must not keep the whole chunk in memory.
      keep(from === 0 ? chunk : chunk.slice(from));
    },
    get pendingBytes() {
      return pendingBytes;
    },
  };
}
