import type { IPPoolSpec } from "../api/generated/ippool.ts";
import type { VipSpec, VipStatus } from "../api/generated/vip.ts";
import type { ObjectMeta } from "./meta.ts";
import type { IpPoolFact, VipFact } from "./types.ts";

/** What {@link projectIpPool} reads of an IPPool. */
export interface IpPoolObject {
  readonly metadata: ObjectMeta;
  readonly spec?: Partial<IPPoolSpec>;
}

/** The fact of an IPPool. */
export function projectIpPool({ metadata, spec = {} }: IpPoolObject): IpPoolFact {
  const { name, uid, generation = 0, creationTimestamp = "", deletionTimestamp, finalizers = [] } = metadata;
  return {
    key: name,
    name,
    uid,
    generation,
    created: creationTimestamp,
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
  readonly spec?: VipSpec;
  readonly status?: VipStatus;
}

/** The fact of a Vip. */
export function projectVip({ metadata, spec = {}, status = {} }: VipObject): VipFact {
  const { name, uid, resourceVersion: version = "", deletionTimestamp, finalizers = [] } = metadata;
  return {
    key: name,
    name,
    uid,
    version,
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
