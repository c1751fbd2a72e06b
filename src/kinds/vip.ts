// SPDX-License-Identifier: Apache-2.0

import type { VipSpec, VipStatus } from "../api/generated/vip.ts";
import { storable } from "../api/text.ts";
import { CHECK_SOURCE_LABEL } from "../compile/service/health-checks.ts";
import { readFields, recordsIn, recordText, stringList } from "../facts/accepted.ts";
import type { ProjectedMeta } from "../facts/meta.ts";
import { unsupportedFields } from "../facts/not-supported.ts";
import { VIPS } from "../kube/resources.ts";
import { ipText } from "../net/address.ts";
import { parseMac } from "../net/mac.ts";
import { PORT_COLUMNS } from "./columns.ts";
import type { Kind } from "./kind.ts";
import { vipClaims } from "./vip-claim.ts";
import type { VipFact } from "./vip-fact.ts";
import { vipUnit } from "./vip-unit.ts";

/** The fields that are not supported. */
const NOT_SUPPORTED = ["attachSubnets"];

/** What {@link projectVip} reads of a Vip. */
export interface VipObject {
  readonly metadata: ProjectedMeta;
  readonly spec?: VipSpec;
  readonly status?: VipStatus;
}

/** The fact of a Vip. If its selector is invalid, the accepted one is used; if that is unknown, nothing matches. */
export function projectVip({ metadata, spec = {}, status = {} }: VipObject): VipFact {
  const written = spec.selector ?? [];
  const unread = written.find((entry) => readLabel(entry) === undefined);
  const accepted = recordText(metadata.annotations);
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
    // No namespace can have an invalid name, so no pod can use the address.
    namespace: storable(spec.namespace ?? ""),
    subnet: spec.subnet ?? "",
    type: spec.type ?? "",
    v4: ipText(spec.v4ip ?? "", 4),
    v6: ipText(spec.v6ip ?? "", 6),
    mac: parseMac(spec.macAddress ?? "") ?? "",
    checkSource: metadata.labels?.[CHECK_SOURCE_LABEL] === "true",
    given: Boolean(status.mac || status.v4ip || status.v6ip),
    unsupported: unsupportedFields(NOT_SUPPORTED, spec),
    written,
    ...(labels?.every((label) => label !== undefined) === true && { selector: labels }),
    accepted,
    records: recordsIn(metadata.annotations),
    ...(unread !== undefined && {
      problem: {
        reason: "InvalidSelector",
        message: `spec.selector has "${unread}", which is not a label such as "app: web"; ${former === undefined ? "the selector selects no pod" : "the last accepted selector stays active"}`,
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
  indexes: {
    subnet: (vip) => [vip.subnet],
    namespace: (vip) => [vip.namespace],
    answered: (vip) => (vip.type === "switch_lb_vip" && vip.given && !vip.deleting ? [vip.subnet] : []),
  },
  unit: vipUnit,
  rows: { Logical_Switch: ["ports"], Logical_Switch_Port: PORT_COLUMNS },
  claim: vipClaims,
  status: "object",
  notSupported: NOT_SUPPORTED,
  remembers: (text) => readFields(text) !== undefined,
  access: {
    verbs: ["create", "patch", "delete"],
    why: "Watched; finalizers and allocated addresses are patched. Some are created as source addresses of SwitchLBRules' health checks.",
  },
};
