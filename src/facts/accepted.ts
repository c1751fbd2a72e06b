// SPDX-License-Identifier: Apache-2.0

import { deflateRawSync, inflateRawSync } from "node:zlib";
import type { LabelSelector } from "../api/label-selector.ts";
import { isObject } from "../collections/plain.ts";
import { type Dual, dualValues, parseDualCidr, parseDualIp } from "../net/dual.ts";
import type { ProjectedMeta } from "./meta.ts";

/** The accepted addresses of a subnet. Addresses are canonical; both have the same families. */
export interface AcceptedSubnet {
  readonly cidr: Dual<string>;
  readonly gateway: Dual<string>;
  /** UID of the object; absent in a record of an earlier version, or as below. The record on a copy of an object has another UID and is ignored. */
  readonly uid?: string;
  /** Absent if unknown: in a record of an earlier version, or if it is too long for an annotation. */
  readonly excludeIps?: readonly string[];
  /** Absent as above. */
  readonly namespaceSelectors?: readonly LabelSelector[];
}

/**
 * The annotation on an object that records its accepted configuration: of a Subnet `<cidrBlock> <gateway> <JSON of other fields>`, of other kinds the
 * JSON alone. A later change of the spec is compared with it and ignored if it is invalid: an invalid field must not undo the earlier configuration
 * of this or other fields. The controller writes the annotation after the commit.
 */
export const ACCEPTED_ANNOTATION = "weft.kubeovn.io/accepted";

/**
 * The earlier name of {@link ACCEPTED_ANNOTATION}. Both are written with the same text, so that controllers and daemons of the release before can
 * take over. Those change this one only: if the two differ, this one was written later. A version that stops writing it must remove it.
 */
export const FORMER_ACCEPTED_ANNOTATION = "weft.kubeovn.io/in-force";

/** The annotations of an object that are records of its accepted configuration. */
export type RecordAnnotations = Readonly<Record<string, string>>;

/** The annotations that hold a record. */
export function recordAnnotations(text: string): RecordAnnotations {
  return { [ACCEPTED_ANNOTATION]: text, [FORMER_ACCEPTED_ANNOTATION]: text };
}

/** The records among an object's annotations, unchanged. */
export function recordsIn(annotations: Readonly<Record<string, string>> = {}): RecordAnnotations {
  return Object.fromEntries(NAMES.flatMap((name) => (name in annotations ? [[name, annotations[name] ?? ""]] : [])));
}

/** The text of the valid record: the one that was written last, or the other one if that is malformed; "" if there is none. */
export function recordText(
  annotations: Readonly<Record<string, string>> | undefined,
  isReadable: (text: string) => boolean = (text) => readFields(text) !== undefined,
): string {
  const texts = Object.values(recordsIn(annotations));
  return texts.find(isReadable) ?? texts[0] ?? "";
}

/** The latest first, see {@link FORMER_ACCEPTED_ANNOTATION}. */
const NAMES = [FORMER_ACCEPTED_ANNOTATION, ACCEPTED_ANNOTATION];

/** Longer ones are compressed, with this prefix. */
const MAX_PLAIN = 16 * 1024;
const COMPRESSED = "deflate:";

/**
 * Longer ones are not written. The API server accepts 256 KiB for all annotations of an object: the record twice, and kubectl's copy of the whole object
 * (`kubectl.kubernetes.io/last-applied-configuration`).
 */
const MAX_RECORD = 48 * 1024;

/** What a record may be when it is read: clients can write annotations. */
const MAX_READ = 4 * 1024 * 1024;

/** The text of {@link ACCEPTED_ANNOTATION} of a Subnet. */
export function writeAcceptedSubnet({
  uid,
  cidr,
  gateway,
  excludeIps = [],
  namespaceSelectors = [],
}: AcceptedSubnet): string {
  const addresses = `${dualValues(cidr).join(",")} ${dualValues(gateway).join(",")}`;
  const selectors = namespaceSelectors.length > 0 && { namespaceSelectors };
  const fields = writeFields({ excludeIps, ...selectors, ...(uid !== undefined && { uid }) });
  return fields === undefined ? addresses : `${addresses} ${fields}`;
}

/** Parses the output of {@link writeAcceptedSubnet}; `undefined` for anything else. */
export function readAcceptedSubnet(text: string): AcceptedSubnet | undefined {
  const [blocks = "", gateways = "", ...more] = text.split(" ");
  const cidr = parseDualCidr(blocks);
  const gateway = parseDualIp(gateways);
  if (cidr === undefined || gateway === undefined) return undefined;
  if ((cidr.v4 === undefined) !== (gateway.v4 === undefined)) return undefined;
  if ((cidr.v6 === undefined) !== (gateway.v6 === undefined)) return undefined;
  const addresses = { cidr: texts(cidr), gateway: texts(gateway) };
  if (more.length === 0) return addresses;
  const fields = readFields(more.join(" "));
  const excludeIps = stringList(fields?.["excludeIps"]);
  if (fields === undefined || excludeIps === undefined) return undefined;
  const { namespaceSelectors: selectors = [], uid } = fields;
  return {
    ...addresses,
    ...(typeof uid === "string" && { uid }),
    excludeIps,
    namespaceSelectors: Array.isArray(selectors) ? selectors.filter(isSelector) : [],
  };
}

/** The parsed record of an object; `undefined` if it has none, or one of another object. */
export function acceptedSubnetOf({
  uid,
  annotations = {},
}: Pick<ProjectedMeta, "uid" | "annotations">): AcceptedSubnet | undefined {
  const accepted = readAcceptedSubnet(recordText(annotations, (text) => readAcceptedSubnet(text) !== undefined));
  return (accepted?.uid ?? uid) === uid ? accepted : undefined;
}

/** Fields of a spec as the text of an annotation; `undefined` if that is too long. */
export function writeFields(fields: Readonly<Record<string, unknown>>): string | undefined {
  const text = JSON.stringify(fields);
  const record = text.length > MAX_PLAIN ? `${COMPRESSED}${deflateRawSync(text).toString("base64")}` : text;
  return record.length > MAX_RECORD ? undefined : record;
}

/** Parses the output of {@link writeFields}; `undefined` for anything else. Callers must validate the fields. */
export function readFields(text: string): Readonly<Record<string, unknown>> | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text.startsWith(COMPRESSED) ? inflated(text.slice(COMPRESSED.length)) : text);
  } catch {
    return undefined;
  }
  return isObject(value) ? value : undefined;
}

function inflated(base64: string): string {
  return inflateRawSync(Buffer.from(base64, "base64"), { maxOutputLength: MAX_READ }).toString();
}

/** A list of texts; `undefined` for anything else. */
export function stringList(value: unknown): readonly string[] | undefined {
  return Array.isArray(value) && value.every((item) => typeof item === "string") ? value : undefined;
}

function isSelector(value: unknown): value is LabelSelector {
  if (!isObject(value)) return false;
  const { matchLabels = {}, matchExpressions = [] } = value;
  if (!isObject(matchLabels) || !Object.values(matchLabels).every((label) => typeof label === "string")) return false;
  return (
    Array.isArray(matchExpressions) &&
    matchExpressions.every(
      (item) =>
        isObject(item) &&
        typeof item["key"] === "string" &&
        typeof item["operator"] === "string" &&
        stringList(item["values"] ?? []) !== undefined,
    )
  );
}

function texts({ v4, v6 }: Dual<{ readonly text: string }>): Dual<string> {
  return { ...(v4 && { v4: v4.text }), ...(v6 && { v6: v6.text }) };
}
