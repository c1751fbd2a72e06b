// SPDX-License-Identifier: Apache-2.0

import { commaList } from "../collections/comma-list.ts";
import { type Cidr, parseCidr } from "../net/cidr.ts";
import { type Dual, dualValues } from "../net/dual.ts";
import { ContractError } from "./document.ts";

/** The annotations of an object. */
export type Annotations = Readonly<Record<string, string>>;

/** Desired annotations; `undefined`: to be removed. */
export type WantedAnnotations = Readonly<Record<string, string | undefined>>;

/** A dual value as Kube-OVN writes it: `v4`, `v6` or `v4,v6`; "" for none. */
export function writeDual(dual: Dual<string>): string {
  return dualValues(dual).join(",");
}

/** The error about one annotation; `why` completes the message. */
export function invalidAnnotation(annotations: Annotations, name: string, why: string): ContractError {
  return new ContractError("invalid-field", `annotation ${name}=${JSON.stringify(annotations[name] ?? "")} ${why}`, {
    field: name,
  });
}

/** A comma-separated list in an annotation, each item parsed by `parse`; empty if there is none. @throws ContractError */
export function readCsv<T>(
  annotations: Annotations,
  name: string,
  parse: (text: string) => T | undefined,
  why: string,
): readonly T[] {
  return commaList(annotations[name] ?? "").map((text) => {
    const parsed = parse(text);
    if (parsed === undefined) throw invalidAnnotation(annotations, name, why);
    return parsed;
  });
}

/** A CIDR of pods. One of length 0 is refused: a route to it would replace the default route of the node. */
export function parsePodCidr(text: string): Cidr | undefined {
  const cidr = parseCidr(text);
  return cidr === undefined || cidr.prefix === 0 ? undefined : cidr;
}
