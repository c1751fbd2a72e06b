// SPDX-License-Identifier: Apache-2.0

import { malformed } from "./error.ts";

/**
 * Netlink attributes (struct nlattr, linux/netlink.h): u16 length with the header, u16 type, value, padding to 4 bytes.
 * Numbers are in host byte order, which is little-endian on all supported machines (`libc.ts` checks).
 */
export interface Attribute {
  readonly type: number;
  readonly value: Buffer;
}

const HEADER = 4;
const MAX_VALUE = 0xffff - HEADER;
/** The two top bits of a type are flags: NLA_F_NESTED, NLA_F_NET_BYTEORDER. */
const TYPE_MASK = 0x3fff;

/** The next multiple of 4 (NLA_ALIGN, NLMSG_ALIGN). */
export function align4(length: number): number {
  return (length + 3) & ~3;
}

/** An attribute with these bytes. Throws a `RangeError` above 65,531 bytes. */
export function bytesAttribute(type: number, value: Uint8Array): Buffer {
  if (value.length > MAX_VALUE) throw new RangeError(`an attribute of ${value.length} bytes`);
  const out = Buffer.alloc(align4(HEADER + value.length));
  out.writeUInt16LE(HEADER + value.length, 0);
  out.writeUInt16LE(type, 2);
  out.set(value, HEADER);
  return out;
}

/** An attribute that holds one byte. */
export function u8Attribute(type: number, value: number): Buffer {
  const bytes = Buffer.alloc(1);
  bytes.writeUInt8(value);
  return bytesAttribute(type, bytes);
}

/** An attribute that holds 16 bits in host byte order. */
export function u16Attribute(type: number, value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytesAttribute(type, bytes);
}

/** An attribute that holds 32 unsigned bits in host byte order. Throws a `RangeError` for a number out of range. */
export function u32Attribute(type: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytesAttribute(type, bytes);
}

/** An attribute that holds a zero-terminated string (NLA_NUL_STRING). */
export function textAttribute(type: number, value: string): Buffer {
  return bytesAttribute(type, Buffer.from(`${value}\0`));
}

/**
 * An attribute that contains attributes. The flag NLA_F_NESTED is not set: the containers used here are older than the flag, the kernel
 * accepts them either way, and iproute2 does not set it.
 */
export function nestedAttribute(type: number, parts: readonly Buffer[]): Buffer {
  return bytesAttribute(type, Buffer.concat(parts));
}

/**
 * Reads a sequence of attributes. Throws `protocol` if one is shorter than its header or longer than the remaining bytes.
 * Up to three bytes after the last one are taken for padding.
 */
export function decodeAttributes(bytes: Uint8Array, what = "attribute"): AttributeSet {
  const buffer = asBuffer(bytes);
  const attributes: Attribute[] = [];
  let offset = 0;
  while (buffer.length - offset >= HEADER) {
    const length = buffer.readUInt16LE(offset);
    if (length < HEADER || length > buffer.length - offset) {
      throw malformed(what, `an attribute of length ${length} where ${buffer.length - offset} bytes are left`);
    }
    attributes.push({
      type: buffer.readUInt16LE(offset + 2) & TYPE_MASK,
      value: buffer.subarray(offset + HEADER, offset + length),
    });
    offset += align4(length);
  }
  return new AttributeSet(attributes, what);
}

/** The same bytes as a `Buffer`, not copied. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * Attributes by type. An absent one reads as `undefined`; one of the wrong size throws `protocol`. If a type occurs
 * more than once, the last one is used, as in the kernel; `all` returns every one.
 */
export class AttributeSet implements Iterable<Attribute> {
  readonly #attributes: readonly Attribute[];
  readonly #what: string;

  constructor(attributes: readonly Attribute[], what: string) {
    this.#attributes = attributes;
    this.#what = what;
  }

  [Symbol.iterator](): Iterator<Attribute> {
    return this.#attributes[Symbol.iterator]();
  }

  /** The bytes of the value. */
  bytes(type: number): Buffer | undefined {
    for (let i = this.#attributes.length - 1; i >= 0; i--) {
      const attribute = this.#attributes[i];
      if (attribute?.type === type) return attribute.value;
    }
    return undefined;
  }

  /** The value, if it has at least `length` bytes: for structs, which newer kernels may extend. */
  struct(type: number, length: number): Buffer | undefined {
    const value = this.bytes(type);
    if (value !== undefined && value.length < length) {
      throw malformed(this.#what, `attribute ${type} has ${value.length} bytes, not ${length} or more`);
    }
    return value;
  }

  u8(type: number): number | undefined {
    return this.#sized(type, 1)?.readUInt8(0);
  }

  u16(type: number): number | undefined {
    return this.#sized(type, 2)?.readUInt16LE(0);
  }

  u32(type: number): number | undefined {
    return this.#sized(type, 4)?.readUInt32LE(0);
  }

  i32(type: number): number | undefined {
    return this.#sized(type, 4)?.readInt32LE(0);
  }

  /** A string up to its first zero byte, or to its end if it has none. */
  text(type: number): string | undefined {
    const value = this.bytes(type);
    return value === undefined ? undefined : textOf(value);
  }

  nested(type: number): AttributeSet | undefined {
    const value = this.bytes(type);
    return value === undefined ? undefined : decodeAttributes(value, this.#what);
  }

  /** Every value of that type, in order. */
  all(type: number): readonly Buffer[] {
    return this.#attributes.filter((attribute) => attribute.type === type).map((attribute) => attribute.value);
  }

  #sized(type: number, length: number): Buffer | undefined {
    const value = this.bytes(type);
    if (value !== undefined && value.length !== length) {
      throw malformed(this.#what, `attribute ${type} has ${value.length} bytes, not ${length}`);
    }
    return value;
  }
}

/** The string in these bytes, up to the first zero byte or to the end. */
function textOf(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString("utf8", 0, end < 0 ? bytes.length : end);
}
