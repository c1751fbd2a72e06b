// SPDX-License-Identifier: Apache-2.0

import { OVN_NB } from "../../ovsdb/generated/ovn-nb.ts";
import { mutate, type Operation, type OperationResult } from "../../ovsdb/operation.ts";
import { selectedRows } from "../../ovsdb/result.ts";

const OPTION = "northd_probe_interval";
/**
 * After so long without a word from a server northd asks it, and after as long again it goes to another one (ovn-nb(5), `options:northd_probe_interval`, in ms).
 * Members of a cluster elect another leader after 2 s by default; with northd's own value of 5,000 it stayed with one that hangs for up to 10 s.
 */
export const NORTHD_PROBE_MS = "2500";

/**
 * What gives northd a shorter probe where the databases have `several` members, and takes it away where there is one: northd cannot go to another one, and
 * would only read everything again from a server that was busy. Nothing where an administrator has set the option. `answer`: to `askOptions`.
 */
export function northdProbe(answer: OperationResult | undefined, several: boolean): readonly Operation[] {
  const [row] = selectedRows(OVN_NB, "NB_Global", answer);
  const now = row?.options?.[OPTION];
  if (several && row?.options !== undefined && now === undefined)
    return [mutate(OVN_NB, "NB_Global", [], [["options", "insert", { [OPTION]: NORTHD_PROBE_MS }]])];
  if (!several && now === NORTHD_PROBE_MS)
    return [mutate(OVN_NB, "NB_Global", [], [["options", "delete", { [OPTION]: NORTHD_PROBE_MS }]])];
  return [];
}
