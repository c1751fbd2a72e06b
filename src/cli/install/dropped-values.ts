// SPDX-License-Identifier: Apache-2.0

import { samePlain } from "../../collections/plain.ts";
import { isTree, type Values } from "./helm-run.ts";

/** A value that an upgrade would change because it is not given again. */
export interface DroppedValue {
  /** As for `--set`: `ipv4.POD_CIDR`. */
  readonly path: string;
  readonly from: unknown;
  /** Undefined if it would not be set. */
  readonly to: unknown;
}

/**
 * The values of a release that an upgrade would change although they are not given. `recorded`: given to the release so
 * far; `given`: by the user to the upgrade; `next`: all that the upgrade would have.
 */
export function droppedValues(recorded: Values, given: Values, next: Values): readonly DroppedValue[] {
  return Object.entries(recorded).flatMap(([name, from]) =>
    droppedAt(name.replaceAll(".", String.raw`\.`), from, given[name], next[name]),
  );
}

function droppedAt(path: string, from: unknown, given: unknown, to: unknown): readonly DroppedValue[] {
  if (isTree(from) && (given === undefined || isTree(given))) {
    const inside = droppedValues(from, given ?? {}, isTree(to) ? to : {});
    return inside.map((value) => ({ ...value, path: `${path}.${value.path}` }));
  }
  return given !== undefined || samePlain(from, to) ? [] : [{ path, from, to }];
}

/** The refusal of an upgrade that would change these values, for users. */
export function droppedMessage(dropped: readonly DroppedValue[], namespace: string, release: string): string {
  const lines = dropped.map(({ path, from, to }) => {
    return `  ${path}: ${JSON.stringify(from)} would become ${to === undefined ? "unset" : JSON.stringify(to)}`;
  });
  return `these values of the release are not given again; nothing was changed:
${lines.join("\n")}
Give them again (helm -n ${namespace} get values ${release} prints those of now), or use --reset-values if they are to change`;
}
