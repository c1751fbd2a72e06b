/** The metadata that projections read, as the API server gives it. */
export interface ObjectMeta {
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
    readonly kind: string;
    readonly name: string;
    readonly uid: string;
    readonly controller?: boolean;
  }[];
}

/** Those annotations that Weft reads or writes: `<provider>.kubernetes.io/…` of ours. Others must not wake a unit. */
export function ourAnnotations(meta: ObjectMeta): Readonly<Record<string, string>> {
  const ours: Record<string, string> = {};
  for (const [key, value] of Object.entries(meta.annotations ?? {})) {
    if (/(?:^|\.)ovn(?:\.[a-z0-9-]+)?\.kubernetes\.io\//.test(key)) ours[key] = value;
  }
  return ours;
}
