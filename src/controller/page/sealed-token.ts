// SPDX-License-Identifier: Apache-2.0

import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";

/** What a cookie holds. */
export interface SealedToken {
  readonly token: string;
  /** ms since the epoch: when the login ends. */
  readonly expires: number;
}

/** The length of a token that fits into a cookie, which browsers limit to 4,096 bytes (RFC 6265 §6.1). */
export const LONGEST_TOKEN = 2_800;

const NONCE = 12;
const TAG = 16;

/**
 * Seals tokens into cookies, so that a login costs the server no memory and every replica with the same key knows it. AES-256-GCM: a server that gets the cookie cannot read the token, and so cannot use
 * it elsewhere. `key`: 32 bytes.
 */
export class TokenSeal {
  readonly #key: Buffer;

  constructor(key: Buffer = randomBytes(32)) {
    this.#key = key;
  }

  /** The text of a cookie, of the characters of base64url. */
  seal({ token, expires }: SealedToken): string {
    const nonce = randomBytes(NONCE);
    const cipher = createCipheriv("aes-256-gcm", this.#key, nonce);
    const body = Buffer.concat([cipher.update(`${expires} ${token}`, "utf8"), cipher.final()]);
    return Buffer.concat([nonce, cipher.getAuthTag(), body]).toString("base64url");
  }

  /** What was sealed with this key, unless it has ended at `now`, in ms since the epoch. */
  open(text: string, now: number): SealedToken | undefined {
    const bytes = Buffer.from(text, "base64url");
    if (bytes.length <= NONCE + TAG) return undefined;
    const decipher = createDecipheriv("aes-256-gcm", this.#key, bytes.subarray(0, NONCE));
    decipher.setAuthTag(bytes.subarray(NONCE, NONCE + TAG));
    try {
      const plain = Buffer.concat([decipher.update(bytes.subarray(NONCE + TAG)), decipher.final()]).toString("utf8");
      const blank = plain.indexOf(" ");
      const expires = Number(plain.slice(0, blank));
      return expires > now ? { token: plain.slice(blank + 1), expires } : undefined;
    } catch {
      // Sealed with another key, or changed.
      return undefined;
    }
  }
}
