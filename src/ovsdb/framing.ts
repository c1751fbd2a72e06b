// SPDX-License-Identifier: Apache-2.0

import { OvsdbError } from "./errors.ts";
import { isJsonObject, type JsonObject } from "./json.ts";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN = 0x7b;
const CLOSE = 0x7d;
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Splits a stream of JSON objects that follow one another without any frame (RFC 7047 §4: JSON-RPC directly over a
 * stream) into messages. Does no I/O. Each byte is examined once, and converted to text only when a message is
 * complete, so that a character whose bytes are in two chunks is decoded correctly.
 */
export class MessageSplitter {
  readonly #maxBytes: number;
  /** Chunks of the incomplete message. */
  #parts: Uint8Array[] = [];
  #length = 0;
  /** Open braces outside of strings; 0 between messages. */
  #depth = 0;
  #inString = false;
  #escaped = false;

  /** `maxBytes`: the size that a message may have. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /**
   * Processes the next chunk, which it may keep, and calls `emit` for each complete message, in order. Throws
   * OvsdbError `too large` or `protocol`, after which the stream is unusable; errors of `emit` are passed on.
   */
  push(chunk: Uint8Array, emit: (message: JsonObject) => void): void {
    let start = 0;
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i] as number;
      if (this.#inString) {
        if (this.#escaped) this.#escaped = false;
        else if (byte === BACKSLASH) this.#escaped = true;
        else if (byte === QUOTE) this.#inString = false;
      } else if (this.#depth === 0) {
        if (byte === OPEN) {
          this.#depth = 1;
          start = i;
        } else if (!isSpace(byte)) {
          throw new OvsdbError("protocol", `byte ${byte} where a JSON object should begin`);
        }
      } else if (byte === QUOTE) {
        this.#inString = true;
      } else if (byte === OPEN) {
        this.#depth++;
      } else if (byte === CLOSE && --this.#depth === 0) {
        emit(parse(this.#take(chunk.subarray(start, i + 1))));
      }
    }
    if (this.#depth > 0) this.#keep(chunk.subarray(start));
  }

  #keep(part: Uint8Array): void {
    this.#length += part.length;
    if (this.#length > this.#maxBytes) {
      throw new OvsdbError("too large", `a message of more than ${this.#maxBytes} bytes`);
    }
    this.#parts.push(part);
  }

  #take(last: Uint8Array): Uint8Array {
    this.#keep(last);
    const whole = this.#parts.length === 1 ? last : Buffer.concat(this.#parts, this.#length);
    this.#parts = [];
    this.#length = 0;
    return whole;
  }
}

/**
 * The form in which JSON.stringify writes U+0000 and unpaired surrogates (ECMA-262, QuoteJSONString); the backslash
 * must not be the second half of an escaped one.
 */
const UNREADABLE = /(?<=^|[^\\])(?:\\\\)*\\u(?:0000|d[89a-f][0-9a-f]{2})/;

/**
 * A message as bytes. Throws OvsdbError `too large` if it is longer than `maxBytes`, and `invalid value` if it
 * contains a string that ovsdb-server's parser refuses: the server would close the connection, and with it all
 * requests and locks of this client.
 */
export function frameMessage(message: JsonObject, maxBytes: number): Uint8Array {
  const text = JSON.stringify(message);
  if (text.includes("\\u") && UNREADABLE.test(text)) {
    throw new OvsdbError("invalid value", "a message with U+0000 or half a surrogate pair in a string was not sent");
  }
  const bytes = Buffer.from(text);
  if (bytes.length > maxBytes) throw new OvsdbError("too large", `a message of ${bytes.length} bytes was not sent`);
  return bytes;
}

function parse(bytes: Uint8Array): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(utf8.decode(bytes));
  } catch (cause) {
    throw new OvsdbError("protocol", "a message that is not JSON", { cause });
  }
  if (!isJsonObject(value)) throw new OvsdbError("protocol", "a message that is not a JSON object");
  return value;
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}
