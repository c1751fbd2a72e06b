// SPDX-License-Identifier: Apache-2.0

import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";

/** Up to where, and when, a client has been told of changes. */
export interface BatchMark {
  readonly sequence: number;
  /** Of the monotonic clock, in ms. */
  readonly at: number;
}

const NONCE = 12;
const TAG = 16;
const PLAIN = 16;

/**
 * Ids of batches of changes that say nothing about them: sealed with a key of this process, so that a client cannot count the changes of others by them, and ids of another process are unknown.
 */
export class BatchIds {
  readonly #key = randomBytes(32);

  /** An id, another one each time. */
  seal({ sequence, at }: BatchMark): string {
    const plain = Buffer.alloc(PLAIN);
    plain.writeDoubleBE(sequence, 0);
    plain.writeDoubleBE(at, 8);
    const nonce = randomBytes(NONCE);
    const cipher = createCipheriv("aes-256-gcm", this.#key, nonce);
    const body = Buffer.concat([cipher.update(plain), cipher.final()]);
    return Buffer.concat([nonce, cipher.getAuthTag(), body]).toString("base64url");
  }

  /** What an id of this process stands for; undefined for any other text. */
  open(id: string): BatchMark | undefined {
    const bytes = Buffer.from(id, "base64url");
    if (bytes.length !== NONCE + TAG + PLAIN) return undefined;
    const decipher = createDecipheriv("aes-256-gcm", this.#key, bytes.subarray(0, NONCE));
    decipher.setAuthTag(bytes.subarray(NONCE, NONCE + TAG));
    try {
      const plain = Buffer.concat([decipher.update(bytes.subarray(NONCE + TAG)), decipher.final()]);
      return { sequence: plain.readDoubleBE(0), at: plain.readDoubleBE(8) };
    } catch {
      return undefined;
    }
  }
}
