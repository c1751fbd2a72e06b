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

/** An annotation of a further interface: `<nad>.<namespace>.kubernetes.io/ip_address`, or with `.<interface>` behind that. */
function isOfAttachment(key: string): boolean {
  const parts = /^[^./]+\..+\.kubernetes\.io\/([^.]+)(?:\..+)?$/.exec(key);
  return parts?.[1] !== undefined && POD_KEYS.has(parts[1]);
}

const OURS = /^weft\.kubeovn\.io\/|(?:^|\.)ovn(?:\.[a-z0-9-]+)?\.kubernetes\.io\//;

/** An annotation that decides an address, of a domain that other people do not have either: about `ovn.kubernetes.io`. */
const LOOKS_OURS = /^[a-z.]{14,20}\/(?:ip_address|mac_address|ip_pool|ip_family|logical_switch)$/;
