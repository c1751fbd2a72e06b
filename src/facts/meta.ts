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

/** Optional fields of facts of custom objects. */
export interface Malformed {
  /** The first fields of its spec with another type than in its CRD; absent if there are none. */
  readonly malformed?: readonly MalformedField[];
}

/** Fields of every fact of an object that Weft writes to: the preconditions of a patch. */
export interface ObjectFact {
  /** The object's name, or `namespace/name`. */
  readonly key: string;
  readonly name: string;
  readonly uid: string;
}

/** Fields of every fact of a cluster-scoped custom object. */
export interface CustomObjectFact extends ObjectFact, Malformed {
  readonly generation: number;
  /** RFC 3339; of two conflicting objects the older one is valid. */
  readonly created: string;
  readonly deleting: boolean;
  readonly finalizers: readonly string[];
}

/** Name and UID of the object of ours that has created another one, by its owner reference; "" for none. */
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
 * The annotations that Weft reads or writes, `<provider>.kubernetes.io/…` of ours, and similar ones that are reported as typing errors
 * (`ovn.kubernets.io/ip_address`). Others must not trigger a unit.
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

/** An annotation that decides an address, in a domain similar to `ovn.kubernetes.io` that no other program uses. */
const LOOKS_OURS = /^[a-z.]{14,20}\/(?:ip_address|mac_address|ip_pool|ip_family|logical_switch)$/;
