import type { VipSpec, VipStatus } from "../api/generated/vip.ts";
import { storable } from "../api/text.ts";
import { ACCEPTED_ANNOTATION, readFields, stringList } from "../facts/accepted.ts";
import type { Malformed, ProjectedMeta } from "../facts/meta.ts";
import { unsupportedFields } from "../facts/not-supported.ts";
import { VIPS } from "../kube/resources.ts";
import { ipText } from "../net/address.ts";
import { parseMac } from "../net/mac.ts";
import { PORT_COLUMNS } from "./columns.ts";
import type { Kind } from "./kind.ts";
import { vipClaims } from "./vip-claim.ts";
import { vipUnit } from "./vip-unit.ts";

/** One Vip. */
export interface VipFact extends Malformed {
  readonly key: string;
  readonly name: string;
  readonly uid: string;
  /** RFC 3339; of two objects whose names run together the older has the plain one. */
  readonly created: string;
  /** Its resource version. */
  readonly version: string;
  readonly deleting: boolean;
  readonly finalizers: readonly string[];
  readonly namespace: string;
  readonly subnet: string;
  /** "" (a virtual port), `switch_lb_vip` or `kube_host_vm_vip`. */
  readonly type: string;
  /** What is asked for, or what was given. */
  readonly v4: string;
  readonly v6: string;
  readonly mac: string;
  /** Whether `status` says that the addresses were given. */
  readonly given: boolean;
  /** Labels of the pods that may be its parents; empty for all of the namespace, absent for none of them: it cannot be read. */
  readonly selector?: readonly (readonly [key: string, value: string])[];
  /** What it sets of `NOT_SUPPORTED`. */
  readonly unsupported: readonly string[];
  /** `spec.selector` as written. */
  readonly written: readonly string[];
  /** What its `IN_FORCE_ANNOTATION` says; "" where it has none. */
  readonly accepted: string;
  /** What of it cannot be read. */
  readonly problem?: { readonly reason: string; readonly message: string };
}

declare module "../facts/types.ts" {
  interface FactTypes {
    readonly vips: VipFact;
  }
  interface FactIndexes {
    readonly vips: "subnet" | "namespace";
  }
}

/** The fields that nothing is done about. */
const NOT_SUPPORTED = ["attachSubnets"];

/** What {@link projectVip} reads of a Vip. */
export interface VipObject {
  readonly metadata: ProjectedMeta;
  readonly spec?: VipSpec;
  readonly status?: VipStatus;
}

/** The fact of a Vip. Of a selector that cannot be read the former one counts; where it is not known, nothing matches. */
export function projectVip({ metadata, spec = {}, status = {} }: VipObject): VipFact {
  const written = spec.selector ?? [];
  const unread = written.find((entry) => readLabel(entry) === undefined);
  const accepted = metadata.annotations?.[ACCEPTED_ANNOTATION] ?? "";
  const former = unread === undefined ? written : stringList(readFields(accepted)?.["selector"]);
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
    unsupported: unsupportedFields(NOT_SUPPORTED, spec),
    written,
    ...(labels?.every((label) => label !== undefined) === true && { selector: labels }),
    accepted,
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

/** kubeovn.io/v1 Vip. */
export const vipKind: Kind<"vips"> = {
  facts: "vips",
  type: VIPS,
  project: projectVip,
  indexes: { subnet: (vip) => [vip.subnet], namespace: (vip) => [vip.namespace] },
  unit: vipUnit,
  rows: { Logical_Switch: ["ports"], Logical_Switch_Port: PORT_COLUMNS },
  claim: vipClaims,
  status: "object",
  notSupported: NOT_SUPPORTED,
  remembers: (text) => readFields(text) !== undefined,
  access: { verbs: ["patch"], why: "Followed; finalizers and what they were given are patched." },
};
