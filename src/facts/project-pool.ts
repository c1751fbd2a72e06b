import type { ObjectMeta } from "./meta.ts";
import type { IpPoolFact, VipFact } from "./types.ts";

/** What {@link projectIpPool} reads of an IPPool. */
export interface IpPoolObject {
  readonly metadata: ObjectMeta;
  readonly spec?: {
    readonly subnet?: string;
    readonly ips?: readonly string[];
    readonly namespaces?: readonly string[];
    readonly enableAddressSet?: boolean;
  };
}

/** The fact of an IPPool. */
export function projectIpPool({ metadata, spec = {} }: IpPoolObject): IpPoolFact {
  const { name, uid, generation = 0, deletionTimestamp, finalizers = [] } = metadata;
  return {
    key: name,
    name,
    uid,
    generation,
    deleting: deletionTimestamp !== undefined,
    finalizers,
    subnet: spec.subnet ?? "",
    ips: spec.ips ?? [],
    namespaces: spec.namespaces ?? [],
    enableAddressSet: spec.enableAddressSet === true,
  };
}

/** What {@link projectVip} reads of a Vip. */
export interface VipObject {
  readonly metadata: ObjectMeta;
  readonly spec?: {
    readonly namespace?: string;
    readonly subnet?: string;
    readonly type?: string;
    readonly v4ip?: string;
    readonly v6ip?: string;
    readonly macAddress?: string;
    readonly selector?: readonly string[];
  };
  readonly status?: { readonly v4ip?: string; readonly v6ip?: string; readonly mac?: string };
}

/** The fact of a Vip. */
export function projectVip({ metadata, spec = {}, status = {} }: VipObject): VipFact {
  const { name, uid, deletionTimestamp, finalizers = [] } = metadata;
  return {
    key: name,
    name,
    uid,
    deleting: deletionTimestamp !== undefined,
    finalizers,
    namespace: spec.namespace ?? "",
    subnet: spec.subnet ?? "",
    type: spec.type ?? "",
    v4: spec.v4ip ?? "",
    v6: spec.v6ip ?? "",
    mac: (spec.macAddress ?? "").toLowerCase(),
    given: Boolean(status.mac || status.v4ip || status.v6ip),
    selector: spec.selector ?? [],
  };
}
