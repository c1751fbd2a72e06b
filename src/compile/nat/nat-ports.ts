// SPDX-License-Identifier: Apache-2.0

import { oldestRule } from "../../facts/nat-rule.ts";
import type { FactReader } from "../../facts/store.ts";
import { type NatProblem, natProblem } from "./nat-eip.ts";

/** A port of an OvnEip; the protocol in any case, "" if it is invalid. */
interface EipPort {
  readonly eip: string;
  readonly protocol: string;
  readonly port: number;
}

/** The key of a port in the indexes of rules by their ports. */
export function portKey({ eip, protocol, port }: EipPort): string {
  return `${eip}/${protocol.toLowerCase()}/${port}`;
}

/** The problem that an older OvnDnatRule or RouterLBRule than `self` (its kind and name) has a port; undefined if none has. */
export function olderPortRule(reader: FactReader, at: EipPort, self: string): NatProblem | undefined {
  const key = portKey(at);
  const older = oldestRule([
    ...reader.by("ovnDnatRules", "port", key).map((rule) => ({ ...rule, who: `OvnDnatRule "${rule.name}"` })),
    ...reader.by("routerLbRules", "port", key).map((rule) => ({ ...rule, who: `RouterLBRule "${rule.name}"` })),
  ]);
  if (older === undefined || older.who === self) return undefined;
  const message = `${at.protocol.toLowerCase()} port ${at.port} of OvnEip "${at.eip}" is that of ${older.who}, which is older; use another port or OvnEip`;
  return natProblem("PortInUse", message);
}
