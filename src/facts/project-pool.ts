import type { IPPoolSpec } from "../api/generated/ippool.ts";
import type { VipSpec, VipStatus } from "../api/generated/vip.ts";
import { storable } from "../api/text.ts";
import { ipText } from "../net/address.ts";
import { parseMac } from "../net/mac.ts";
import { parseRange } from "../net/range.ts";
import { IN_FORCE_ANNOTATION, readFields, stringList } from "./in-force.ts";
import type { ObjectMeta } from "./meta.ts";
import { unsupportedFields } from "./not-supported.ts";
import type { IpPoolFact, VipFact } from "./types.ts";

/** What {@link projectIpPool} reads of an IPPool. */
export interface IpPoolObject {
  readonly metadata: ObjectMeta;
  readonly spec?: Partial<IPPoolSpec>;
}

/** The fact of an IPPool. Of addresses that cannot be read the former ones count, where they are known. */
export function projectIpPool({ metadata, spec = {} }: IpPoolObject): IpPoolFact {
  const written = spec.ips ?? [];
  const unread = written.find((text) => parseRange(text) === undefined);
  const inForce = metadata.annotations?.[IN_FORCE_ANNOTATION] ?? "";
  const former = unread === undefined ? undefined : stringList(readFields(inForce)?.["ips"]);
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
    ips: former ?? written,
    namespaces: spec.namespaces ?? [],
    enableAddressSet: spec.enableAddressSet === true,
    inForce,
    ...(unread !== undefined && {
      problem: {
        reason: "PoolMalformed",
        message: `spec.ips has "${unread}", which is neither an address, nor a range "a..b" whose first address is not above its last, nor a CIDR; ${former === undefined ? "what can be read of it is set aside" : "it goes on with the addresses that it had before"}`,
      },
    }),
  };
}

/** What {@link projectVip} reads of a Vip. */
export interface VipObject {
  readonly metadata: ObjectMeta;
  readonly spec?: VipSpec;
  readonly status?: VipStatus;
}

/** The fact of a Vip. Of a selector that cannot be read the former one counts; where it is not known, nothing matches. */
export function projectVip({ metadata, spec = {}, status = {} }: VipObject): VipFact {
  const written = spec.selector ?? [];
  const unread = written.find((entry) => readLabel(entry) === undefined);
  const inForce = metadata.annotations?.[IN_FORCE_ANNOTATION] ?? "";
  const former = unread === undefined ? written : stringList(readFields(inForce)?.["selector"]);
  const labels = former?.map(readLabel);
  const {
    name,
    uid,
    resourceVersion: version = "",
    creationTimestamp = "",
    deletionTimestamp,
    finalizers = [],
  } = metadata;
  return {
    key: name,
    name,
    uid,
    created: creationTimestamp,
    version,
    deleting: deletionTimestamp !== undefined,
    finalizers,
    // No namespace has a name that cannot be held, and so the address is nobody's.
    namespace: storable(spec.namespace ?? ""),
    subnet: spec.subnet ?? "",
    type: spec.type ?? "",
    v4: ipText(spec.v4ip ?? "", 4),
    v6: ipText(spec.v6ip ?? "", 6),
    mac: parseMac(spec.macAddress ?? "") ?? "",
    given: Boolean(status.mac || status.v4ip || status.v6ip),
    unsupported: unsupportedFields("vips", spec),
    written,
    ...(labels?.every((label) => label !== undefined) === true && { selector: labels }),
    inForce,
    ...(unread !== undefined && {
      problem: {
        reason: "InvalidSelector",
        message: `spec.selector has "${unread}", which is not a label such as "app: web"; ${former === undefined ? "it finds no pod" : "it finds those pods that the former one does"}`,
      },
    }),
  };
}

/** `key: value`. */
function readLabel(entry: string): readonly [key: string, value: string] | undefined {
  const [key = "", value, ...rest] = entry.split(":").map((part) => part.trim());
  return key === "" || value === undefined || rest.length > 0 ? undefined : [key, value];
}
