// SPDX-License-Identifier: Apache-2.0

import type { FactReader } from "../facts/store.ts";
import type { PodSelector } from "./types.ts";

/** The key of the fact `portNumbers` for pods of one namespace, or of all if it is undefined. */
export function portNumbersKey(port: { readonly protocol: string; readonly name: string }, namespace?: string): string {
  return `${namespace ?? "*"}:${port.protocol}/${port.name}`;
}

/** The possible numbers of a named port for the pods of a selector, from the facts. */
export function portNumbers(
  reader: FactReader,
  port: { readonly protocol: string; readonly name: string },
  { namespace }: PodSelector,
): readonly number[] {
  return reader.get("portNumbers", portNumbersKey(port, namespace))?.numbers ?? [];
}
