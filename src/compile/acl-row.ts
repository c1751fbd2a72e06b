// SPDX-License-Identifier: Apache-2.0

import { digestOf } from "../api/name.ts";
import { cutText, storable } from "../api/text.ts";
import type { OvnNbTables } from "../ovsdb/generated/ovn-nb.ts";
import type { AclStage } from "../policy/verdict.ts";
import type { FragmentBuilder } from "./fragment-builder.ts";

/** An ACL (ovn-nb(5), ACL): where it is evaluated instead of `direction` and `options`; logs nothing unless it says so. */
export type AclColumns = Partial<Pick<OvnNbTables["ACL"], "log" | "severity" | "meter">> &
  Pick<OvnNbTables["ACL"], "tier" | "priority" | "match" | "action" | "external_ids"> & {
    /** Cut to the length that the schema takes. */
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

/** A digest of what an ACL says, for its id: what stays the same in a changed list is not written. `length` hexadecimal digits. */
export function aclContent(parts: readonly unknown[], length: number): string {
  return digestOf(parts, length);
}
