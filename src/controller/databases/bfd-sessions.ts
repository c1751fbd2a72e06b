// SPDX-License-Identifier: Apache-2.0

import { OVN_NB } from "../../ovsdb/generated/ovn-nb.ts";
import { type Operation, remove } from "../../ovsdb/operation.ts";
import { membersOf } from "../../reconcile/members.ts";
import type { DatabaseView, Plan } from "../../reconcile/transaction-plan.ts";

/**
 * Operations before those of a plan: they delete the BFD sessions of the router ports that the plan removes, whichever client created the sessions, because a
 * session is of no use without its port and ovn-northd 25.03 does not handle every one that remains. The server finds the sessions by name, so one that is
 * not mirrored yet is deleted too.
 */
export function sessionsOfRemovedPorts({ mutations, deletes }: Plan, view: DatabaseView): readonly Operation[] {
  const ports = [
    ...mutations.flatMap(({ table, column, delete: removed }) =>
      table === "Logical_Router" && column === "ports" ? removed : [],
    ),
    ...deletes.flatMap(({ table, uuid }) =>
      table === "Logical_Router" ? membersOf(view.get(table, uuid)?.["ports"]) : [],
    ),
  ];
  return ports.flatMap((uuid) => {
    const name = view.get("Logical_Router_Port", uuid)?.["name"];
    return typeof name === "string" ? [remove(OVN_NB, "BFD", [["logical_port", "==", name]])] : [];
  });
}
