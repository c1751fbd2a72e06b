// SPDX-License-Identifier: Apache-2.0

import { MIRROR_NAME } from "../../api/names.ts";
import { VSWITCH, type VswitchTables } from "../../ovsdb/generated/vswitch.ts";
import { insert, mutate, type Operation, update } from "../../ovsdb/operation.ts";

/** What is mirrored (ovs-vswitchd.conf.db(5), `Mirror`). */
export interface WantedMirror {
  /** The uuid of the port that receives the copies. */
  readonly outputPort: string;
  /** Every port of the bridge, whatever `ports` says. */
  readonly all: boolean;
  /** The uuids of the ports whose packets are copied, in both directions. */
  readonly ports: readonly string[];
}

/** A row of `Mirror`, as far as it is mirrored. */
export type MirrorView = Pick<
  VswitchTables["Mirror"],
  "name" | "output_port" | "select_all" | "select_src_port" | "select_dst_port" | "external_ids"
> & { readonly _uuid: string };

/**
 * The operations that make the row `m0` of a bridge the wanted one. The references to ports are weak: a pod's port
 * leaves the row when it is deleted. Rows of ovn-controller (`ovn-owned`, ovn controller/mirror.c) and rows of other
 * names belong to other programs; the columns of `m0` that limit the copies (`filter`, `snaplen`) belong to the user.
 * Pure.
 */
export function planMirror(
  { outputPort, all, ports }: WantedMirror,
  found: readonly MirrorView[],
  bridge: string,
  uuid: () => string,
): readonly Operation[] {
  const [has, ...doubles] = found.filter(
    ({ name, external_ids: ids }) => name === MIRROR_NAME && ids["ovn-owned"] !== "true",
  );
  const selected = all ? [] : ports;
  const columns = {
    output_port: outputPort,
    select_all: all,
    select_src_port: selected,
    select_dst_port: selected,
  };
  const operations: Operation[] = [];
  if (has === undefined) {
    const row = uuid();
    operations.push(
      insert(VSWITCH, "Mirror", row, { name: MIRROR_NAME, ...columns }),
      mutate(VSWITCH, "Bridge", bridge, [["mirrors", "insert", [row]]]),
    );
  } else if (!isMirror(has, columns)) operations.push(update(VSWITCH, "Mirror", has._uuid, columns));
  if (doubles.length > 0)
    operations.push(mutate(VSWITCH, "Bridge", bridge, [["mirrors", "delete", doubles.map(({ _uuid }) => _uuid)]]));
  return operations;
}

/** The operations that remove the row `m0` with this output port; another program's row has another output port. Pure. */
export function planRemoval(
  found: readonly MirrorView[],
  outputPort: string | undefined,
  bridge: string,
): readonly Operation[] {
  const rows = found.filter(({ name, output_port: port }) => name === MIRROR_NAME && port === outputPort);
  if (outputPort === undefined || rows.length === 0) return [];
  return [mutate(VSWITCH, "Bridge", bridge, [["mirrors", "delete", rows.map(({ _uuid }) => _uuid)]])];
}

function isMirror(has: MirrorView, want: Omit<MirrorView, "_uuid" | "name" | "external_ids">): boolean {
  return (
    has.output_port === want.output_port &&
    has.select_all === want.select_all &&
    sameSet(has.select_src_port, want.select_src_port) &&
    sameSet(has.select_dst_port, want.select_dst_port)
  );
}

function sameSet(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((one) => b.includes(one));
}
