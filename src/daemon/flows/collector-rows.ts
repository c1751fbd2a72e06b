// SPDX-License-Identifier: Apache-2.0

import { VENDOR, VENDOR_KEY } from "../../api/names.ts";
import { SAMPLE_SET } from "../../api/sampling.ts";
import { VSWITCH, type VswitchTables } from "../../ovsdb/generated/vswitch.ts";
import { insert, type Operation, remove } from "../../ovsdb/operation.ts";

/** The mirrored columns of a row of `Flow_Sample_Collector_Set`. */
export type CollectorSetView = Pick<
  VswitchTables["Flow_Sample_Collector_Set"],
  "id" | "bridge" | "ipfix" | "external_ids"
> & { readonly _uuid: string };

/** The key of a set's `external_ids` with the target of its samples. */
const TARGET = "target";
/** The time in s, and the number of entries, for which Open vSwitch aggregates samples of a flow before it exports them. */
const CACHE = { cache_active_timeout: 1, cache_max_flows: 4_096 } as const;
/** The interval in s at which templates are repeated: the message with them may have been lost. */
const TEMPLATES_S = 30;

/**
 * The operations that make Open vSwitch send the samples of a bridge to `target` (ovs-vswitchd.conf.db(5), `Flow_Sample_Collector_Set`, `IPFIX`), or nowhere. A set with another target is replaced rather than
 * changed: a new exporter begins with its templates. Sets of other programs with other ids stay. Pure.
 */
export function planCollector(
  target: string | undefined,
  found: Iterable<CollectorSetView>,
  bridge: string | undefined,
  uuid: () => string,
): readonly Operation[] {
  const own = [...found].filter(({ id, external_ids: ids }) => id === SAMPLE_SET && ids[VENDOR_KEY] === VENDOR);
  const right = own.find(
    (row) => row.bridge === bridge && row.ipfix !== undefined && row.external_ids[TARGET] === target,
  );
  const operations: Operation[] = own.flatMap(({ _uuid }) =>
    _uuid === right?._uuid ? [] : [remove(VSWITCH, "Flow_Sample_Collector_Set", _uuid)],
  );
  if (target === undefined || bridge === undefined || right !== undefined) return operations;
  const ipfix = uuid();
  return [
    ...operations,
    insert(VSWITCH, "IPFIX", ipfix, { targets: [target], template_interval: TEMPLATES_S, ...CACHE }),
    insert(VSWITCH, "Flow_Sample_Collector_Set", uuid(), {
      id: SAMPLE_SET,
      bridge,
      ipfix,
      external_ids: { [VENDOR_KEY]: VENDOR, [TARGET]: target },
    }),
  ];
}
