// SPDX-License-Identifier: Apache-2.0

import { formatIpv6Groups } from "../../net/address.ts";

/**
 * A decoder of IPFIX messages (RFC 7011) as ovs-vswitchd exports them: the fields of a flow, by the exporter's templates. Malformed parts are
 * ignored: a message comes from the node itself, but its port is open to every program in the node's network namespace. So the memory for templates is bounded, and
 * the work for a message by its length.
 */

/** A sampled flow, as exported. */
export interface FlowSample {
  /** The observation point: which ACL decided (ovn-nb(5), `Sample.metadata`). */
  readonly point: number;
  readonly from: string;
  readonly to: string;
  /** The protocol's number (IANA). */
  readonly protocol: number;
  /** 0 where the protocol has none. */
  readonly fromPort: number;
  readonly toPort: number;
  readonly packets: number;
}

/** Numbers of information elements (IANA, "IPFIX Information Elements"). */
const ELEMENT = {
  packetDeltaCount: 2,
  protocolIdentifier: 4,
  sourceTransportPort: 7,
  sourceIPv4Address: 8,
  destinationTransportPort: 11,
  destinationIPv4Address: 12,
  sourceIPv6Address: 27,
  destinationIPv6Address: 28,
  observationPointId: 138,
} as const;

const VERSION = 10;
const TEMPLATE_SET = 2;
const FIRST_DATA_SET = 256;
/** A field of variable length (RFC 7011 §7). */
const VARIABLE = 0xffff;
/** Templates at most: Open vSwitch has one for each combination of protocols, 88 (NUM_IPFIX_PROTO_* in its ofproto/ofproto-dpif-ipfix.c). */
const MAX_TEMPLATES = 512;
/** Fields of a template at most: Open vSwitch's have fewer than 80. */
const MAX_FIELDS = 128;

interface Field {
  readonly element: number;
  readonly length: number;
  /** An enterprise-specific element (RFC 7011 §3.2): its number has another meaning. */
  readonly own: boolean;
}

/** Decodes the messages of one exporter. */
export class IpfixDecoder {
  /**
   * Template → its fields, the one that was sent longest ago first. For all observation domains: each datapath is one (OVN's lib/actions.c, `encode_SAMPLE`), and
   * in all of them Open vSwitch has the same templates (`ipfix_get_template_id`).
   */
  readonly #templates = new Map<number, readonly Field[]>();

  /** The flows of a message. Those whose template has not been seen yet are not among them. */
  decode(message: Buffer): readonly FlowSample[] {
    if (message.length < 16 || message.readUInt16BE(0) !== VERSION) return [];
    const end = Math.min(message.length, message.readUInt16BE(2));
    const samples: FlowSample[] = [];
    for (let at = 16; at + 4 <= end; ) {
      const [id, length] = [message.readUInt16BE(at), message.readUInt16BE(at + 2)];
      if (length < 4 || at + length > end) break;
      const set = message.subarray(at + 4, at + length);
      if (id === TEMPLATE_SET) this.#learn(set);
      else if (id >= FIRST_DATA_SET) samples.push(...this.#read(id, set));
      at += length;
    }
    return samples;
  }

  #learn(set: Buffer): void {
    for (let at = 0; at + 4 <= set.length; ) {
      const [id, count] = [set.readUInt16BE(at), set.readUInt16BE(at + 2)];
      at += 4;
      const fields: Field[] = [];
      for (let i = 0; i < count; i++) {
        if (at + 4 > set.length) return;
        const [element, length] = [set.readUInt16BE(at), set.readUInt16BE(at + 2)];
        const own = (element & 0x8000) !== 0;
        fields.push({ element: element & 0x7fff, length, own });
        at += own ? 8 : 4;
      }
      this.#templates.delete(id);
      if (!isOfFlows(fields)) continue;
      this.#templates.set(id, fields);
      const [oldest] = this.#templates.keys();
      if (this.#templates.size > MAX_TEMPLATES && oldest !== undefined) this.#templates.delete(oldest);
    }
  }

  #read(id: number, set: Buffer): readonly FlowSample[] {
    const fields = this.#templates.get(id);
    if (fields === undefined) return [];
    const samples: FlowSample[] = [];
    for (let at = 0; at < set.length; ) {
      const values = new Map<number, Buffer>();
      for (const { element, length, own } of fields) {
        const [size, skip] = length === VARIABLE ? variableLength(set, at) : [length, 0];
        at += skip;
        // What is left is padding (RFC 7011 §3.3.1).
        if (size === undefined || at + size > set.length) return samples;
        if (!own) values.set(element, set.subarray(at, at + size));
        at += size;
      }
      const sample = sampleOf(values);
      if (sample !== undefined) samples.push(sample);
    }
    return samples;
  }
}

/** Whether records of this template can be flows. Each field has a byte at least, so that a short record does not cost many steps. */
function isOfFlows(fields: readonly Field[]): boolean {
  if (fields.length > MAX_FIELDS || fields.some(({ length }) => length === 0)) return false;
  const elements = new Set(fields.flatMap(({ element, own }) => (own ? [] : [element])));
  const has = (...wanted: readonly number[]): boolean => wanted.every((element) => elements.has(element));
  return (
    has(ELEMENT.observationPointId, ELEMENT.protocolIdentifier) &&
    (has(ELEMENT.sourceIPv4Address, ELEMENT.destinationIPv4Address) ||
      has(ELEMENT.sourceIPv6Address, ELEMENT.destinationIPv6Address))
  );
}

/** The length of a field of variable length, and that of the length itself. */
function variableLength(set: Buffer, at: number): readonly [size: number | undefined, skip: number] {
  if (at >= set.length) return [undefined, 0];
  const short = set.readUInt8(at);
  if (short < 255) return [short, 1];
  return at + 3 > set.length ? [undefined, 0] : [set.readUInt16BE(at + 1), 3];
}

function sampleOf(values: ReadonlyMap<number, Buffer>): FlowSample | undefined {
  const number = (element: number): number | undefined => {
    const value = values.get(element);
    if (value === undefined || value.length === 0) return undefined;
    // A counter of eight bytes: what it counts between two exports fits into six.
    return value.readUIntBE(Math.max(0, value.length - 6), Math.min(6, value.length));
  };
  const from = address(values.get(ELEMENT.sourceIPv4Address) ?? values.get(ELEMENT.sourceIPv6Address));
  const to = address(values.get(ELEMENT.destinationIPv4Address) ?? values.get(ELEMENT.destinationIPv6Address));
  const [point, protocol] = [number(ELEMENT.observationPointId), number(ELEMENT.protocolIdentifier)];
  if (from === undefined || to === undefined || point === undefined || protocol === undefined) return undefined;
  return {
    ...{ point, from, to, protocol },
    fromPort: number(ELEMENT.sourceTransportPort) ?? 0,
    toPort: number(ELEMENT.destinationTransportPort) ?? 0,
    packets: number(ELEMENT.packetDeltaCount) ?? 0,
  };
}

function address(bytes: Buffer | undefined): string | undefined {
  if (bytes?.length === 4) return bytes.join(".");
  if (bytes?.length !== 16) return undefined;
  return formatIpv6Groups(Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i)));
}
