// SPDX-License-Identifier: Apache-2.0

import { digestOf } from "../api/composed-name.ts";
import { cutText, storable } from "../api/text.ts";
import type { OvnNbTables } from "../ovsdb/generated/ovn-nb.ts";
import type { AclStage } from "../policy/acl-evaluation.ts";
import type { FragmentBuilder } from "./fragment-builder.ts";

/** An ACL (ovn-nb(5), ACL), with the stage of evaluation instead of `direction` and `options`; does not log by default. */
export type AclColumns = Partial<Pick<OvnNbTables["ACL"], "log" | "severity" | "meter">> &
  Pick<OvnNbTables["ACL"], "tier" | "priority" | "match" | "action" | "external_ids"> & {
    /** Truncated to the maximum length of the schema. */
    readonly name: string;
    readonly stage: AclStage;
  };

/** Adds an ACL to the row that holds it: a Port_Group or a Logical_Switch. */
export function holdAcl(
  build: FragmentBuilder,
  table: "Port_Group" | "Logical_Switch",
  holderId: string,
  ownerId: string,
  { name, stage, ...columns }: AclColumns,
): void {
  build.held(table, holderId, "acls", "ACL", ownerId, {
    log: false,
    ...columns,
    name: cutText(storable(name), 63),
    direction: stage === "to-lport" ? "to-lport" : "from-lport",
    options: stage === "from-lport-after-lb" ? { "apply-after-lb": "true" } : {},
  });
}

/** A digest of the content of an ACL, for its id: unchanged ACLs of a changed list are not written. `length` hexadecimal digits. */
export function aclContent(parts: readonly unknown[], length: number): string {
  return digestOf(parts, length);
}
