// SPDX-License-Identifier: Apache-2.0

import type { LabelSelector } from "../api/label-selector.ts";
import { isObject } from "../collections/plain.ts";
import { type Dual, dualValues, parseDualCidr, parseDualIp } from "../net/dual.ts";
import type { ProjectedMeta } from "./meta.ts";

/** The accepted addresses of a subnet. Addresses are canonical; both have the same families. */
export interface AcceptedSubnet {
  readonly cidr: Dual<string>;
  readonly gateway: Dual<string>;
  /** Of the object; absent in a record of an earlier version, or as below. A copy of an object has the record of another one, which does not count. */
  readonly uid?: string;
  /** Absent where it is not known: in a record of an earlier version, or where it is too long for an annotation. */
  readonly excludeIps?: readonly string[];
  /** Absent as above. */
  readonly namespaceSelectors?: readonly LabelSelector[];
}

/**
 * The annotation on an object that records its accepted configuration: of a Subnet `<cidrBlock> <gateway> <JSON of other fields>`, of other kinds the
 * JSON alone. What is written into its spec later is judged against it, and does not count where it cannot be read or cannot be: a mistake in one
 * field must not take back what was said in it, or in others, before. The controller writes it after the commit.
 */
export const ACCEPTED_ANNOTATION = "weft.kubeovn.io/accepted";

/**
 * The name of {@link ACCEPTED_ANNOTATION} before it had that one. Both are written, with one text, so that controllers and daemons of the release before
 * can take over. Those change this one only: where the two differ, this one was written later. Whoever stops writing it has to remove it.
 */
export const FORMER_ACCEPTED_ANNOTATION = "weft.kubeovn.io/in-force";

/** The annotations of an object that are records of its accepted configuration. */
export type RecordAnnotations = Readonly<Record<string, string>>;

/** The annotations that hold a record. */
export function recordAnnotations(text: string): RecordAnnotations {
  return { [ACCEPTED_ANNOTATION]: text, [FORMER_ACCEPTED_ANNOTATION]: text };
}

/** Those of an object's annotations that are records, as they are. */
export function recordsIn(annotations: Readonly<Record<string, string>> = {}): RecordAnnotations {
  return Object.fromEntries(NAMES.flatMap((name) => (name in annotations ? [[name, annotations[name] ?? ""]] : [])));
}

/** The text of the record that counts: the one that was written last, or the other one where that is malformed; "" where there is none. */
export function recordText(
  annotations: Readonly<Record<string, string>> | undefined,
  isReadable: (text: string) => boolean = (text) => readFields(text) !== undefined,
): string {
  const texts = Object.values(recordsIn(annotations));
  return texts.find(isReadable) ?? texts[0] ?? "";
}

/** The one that was written last first, see {@link FORMER_ACCEPTED_ANNOTATION}. */
const NAMES = [FORMER_ACCEPTED_ANNOTATION, ACCEPTED_ANNOTATION];

/** Longer ones are not written: the API server takes 256 KiB for all annotations of an object. */
const MAX_RECORD = 128 * 1024;

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

/** What {@link writeAcceptedSubnet} has written; `undefined` for anything else. */
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

/** What the record of an object says; `undefined` where it has none, or one that was made for another object. */
export function acceptedSubnetOf({
  uid,
  annotations = {},
}: Pick<ProjectedMeta, "uid" | "annotations">): AcceptedSubnet | undefined {
  const accepted = readAcceptedSubnet(recordText(annotations, (text) => readAcceptedSubnet(text) !== undefined));
  return (accepted?.uid ?? uid) === uid ? accepted : undefined;
}

/** Fields of a spec as the text of an annotation; `undefined` where it would be too long. */
export function writeFields(fields: Readonly<Record<string, unknown>>): string | undefined {
  const text = JSON.stringify(fields);
  return text.length > MAX_RECORD ? undefined : text;
}

/** What {@link writeFields} has written; `undefined` for anything else. Who reads a field of it checks that. */
export function readFields(text: string): Readonly<Record<string, unknown>> | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  return isObject(value) ? value : undefined;
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
