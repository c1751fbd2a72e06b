// SPDX-License-Identifier: Apache-2.0

import { isObject } from "../../../collections/plain.ts";

/** An interface of Open vSwitch that belongs to a pod. */
export interface PodPortRow {
  readonly port: string;
  readonly pod: string;
  readonly interface: string;
  /** Path of the network namespace. */
  readonly netns: string;
}

/** Parses `ovs-vsctl --format=json --columns=name,external_ids list Interface`. */
export function readPodPorts(text: string): readonly PodPortRow[] {
  if (text === "") return [];
  const table: unknown = JSON.parse(text);
  const rows: readonly unknown[] = isObject(table) && Array.isArray(table["data"]) ? table["data"] : [];
  return rows.flatMap((row) => {
    if (!Array.isArray(row) || !Array.isArray(row[1]) || !Array.isArray(row[1][1])) return [];
    const ids = new Map(row[1][1] as readonly (readonly [string, string])[]);
    const [port, namespace, name] = [ids.get("iface-id"), ids.get("pod_namespace"), ids.get("pod_name")];
    const netns = ids.get("pod_netns");
    if (port === undefined || namespace === undefined || name === undefined || netns === undefined) return [];
    return [{ port, pod: `${namespace}/${name}`, interface: ids.get("if_name") ?? "eth0", netns }];
  });
}
