// SPDX-License-Identifier: Apache-2.0

/** A range of ports, both ends included. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** The default of kube-apiserver's `--service-node-port-range`. */
export const DEFAULT_NODE_PORTS: PortRange = { first: 30_000, last: 32_767 };

/** Reads `first-last` as kube-apiserver's `--service-node-port-range` has it; `undefined` for anything else. */
export function parsePortRange(text: string): PortRange | undefined {
  const [, from, to] = /^(\d{1,5})-(\d{1,5})$/.exec(text) ?? [];
  const [first, last] = [Number(from), Number(to)];
  return first >= 1 && first <= last && last <= 65_535 ? { first, last } : undefined;
}

/** The text that {@link parsePortRange} reads. */
export function portRangeText({ first, last }: PortRange): string {
  return `${first}-${last}`;
}
