// SPDX-License-Identifier: Apache-2.0

import { POD_KEYS } from "../api/annotations.ts";
import type { MalformedField } from "../api/shape.ts";

/** The part of an object's metadata that projections read, as the API server gives it. */
export interface ProjectedMeta {
  readonly name: string;
  readonly namespace?: string;
  readonly uid: string;
  readonly resourceVersion?: string;
  readonly generation?: number;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly finalizers?: readonly string[];
  readonly ownerReferences?: readonly {
    readonly apiVersion?: string;
    readonly kind: string;
    readonly name: string;
    readonly uid: string;
    readonly controller?: boolean;
  }[];
}

/** What every fact of a custom object may have. */
export interface Malformed {
  /** Fields of its spec of another type than its CRD says, the first ones; absent where there are none. */
  readonly malformed?: readonly MalformedField[];
}

/** What every fact of an object has that Weft writes to: by these a patch knows which object it was decided for. */
export interface ObjectFact {
  /** The object's name; with its namespace in front, `namespace/name`, where it has one. */
  readonly key: string;
  readonly name: string;
  readonly uid: string;
}

/** What every fact of a custom object of the whole cluster has. */
export interface CustomObjectFact extends ObjectFact, Malformed {
  readonly generation: number;
  /** RFC 3339; of two objects that conflict the older one keeps what it has. */
  readonly created: string;
  readonly deleting: boolean;
  readonly finalizers: readonly string[];
}

/** Name and UID of the object of ours that has made another one, by its owner reference; "" for none. */
export function makerOf(
  { ownerReferences = [] }: ProjectedMeta,
  ofKind: string,
): { readonly name: string; readonly uid: string } {
  const owner = ownerReferences.find(
    ({ kind, apiVersion = "" }) => kind === ofKind && apiVersion.startsWith("kubeovn.io/"),
  );
  return { name: owner?.name ?? "", uid: owner?.uid ?? "" };
}

/** The fields of {@link CustomObjectFact} by an object's metadata. */
export function customObjectFields(metadata: ProjectedMeta): Omit<CustomObjectFact, "malformed"> {
  const { name, uid, generation = 0, creationTimestamp = "", deletionTimestamp, finalizers = [] } = metadata;
  const deleting = deletionTimestamp !== undefined;
  return { key: name, name, uid, generation, created: creationTimestamp, deleting, finalizers };
}

/**
 * Those annotations that Weft reads or writes, `<provider>.kubernetes.io/…` of ours, and those that seem to be meant so
 * (`ovn.kubernets.io/ip_address`), about which somebody is to be told. Others must not wake a unit.
 */
export function ourAnnotations(meta: ProjectedMeta): Readonly<Record<string, string>> {
  const ours: Record<string, string> = {};
  for (const [key, value] of Object.entries(meta.annotations ?? {})) {
    if (OURS.test(key) || LOOKS_OURS.test(key) || isOfAttachment(key)) ours[key] = value;
  }
  return ours;
}

/** An annotation of a secondary interface: `<nad>.<namespace>.kubernetes.io/ip_address`, or with `.<interface>` behind that. */
function isOfAttachment(key: string): boolean {
  const parts = /^[^./]+\..+\.kubernetes\.io\/([^.]+)(?:\..+)?$/.exec(key);
  return parts?.[1] !== undefined && POD_KEYS.has(parts[1]);
}

const OURS =
  /^weft\.kubeovn\.io\/|^kubernetes\.io\/(?:in|e)gress-bandwidth$|(?:^|\.)ovn(?:\.[a-z0-9-]+)?\.kubernetes\.io\//;

/** An annotation that decides an address, of a domain that other people do not have either: about `ovn.kubernetes.io`. */
const LOOKS_OURS = /^[a-z.]{14,20}\/(?:ip_address|mac_address|ip_pool|ip_family|logical_switch)$/;
