// SPDX-License-Identifier: Apache-2.0

import { FINALIZER } from "../../api/names.ts";
import { addressConflictOf } from "../../claims/status-address-conflict.ts";
import type { EipRuleFact } from "../../facts/nat-rule.ts";
import type { FactReader } from "../../facts/store.ts";
import { type ExternalLink, externalLink } from "../vpc/vpc-external.ts";
import { eipInOtherVpc, eipNotForRules } from "./eip-exclusion.ts";
import { type NatProblem, natProblem } from "./nat-problem.ts";

/** The external address of a rule. */
export interface NatEip {
  readonly ok: true;
  readonly name: string;
  readonly subnet: string;
  /** "" if none. */
  readonly v4: string;
  readonly v6: string;
}

/** The OvnEip of a rule. Whether another object excludes the rule is decided in `eip-exclusion.ts`. An OvnEip that is being deleted still serves the rules that use it, but no new ones. */
export function readEip(reader: FactReader, { eip: name, finalizers }: EipRuleFact): NatEip | NatProblem {
  const eip = reader.get("ovnEips", name);
  const about = `OvnEip "${name}" (spec.ovnEip)`;
  if (eip === undefined) return natProblem("EipNotFound", `${about} does not exist`);
  const reserved = eipNotForRules(eip, about);
  if (reserved !== undefined) return reserved;
  if (eip.given === undefined)
    return natProblem("EipNotReady", `${about} has no address yet; see the conditions of the OvnEip`);
  if (eip.deleting && !finalizers.includes(FINALIZER)) return natProblem("EipDeleting", `${about} is being deleted`);
  if (addressConflictOf(reader, `ovnEip/${name}`) !== undefined)
    return natProblem("AddressInUse", `${about} has an address of another object; see the conditions of the OvnEip`);
  return { ok: true, name, subnet: eip.subnet, v4: eip.given.v4, v6: eip.given.v6 };
}

/** The connection of a VPC to the subnet of an OvnEip that is used in no other VPC. */
export function linkOf(reader: FactReader, vpc: string, eip: NatEip): (ExternalLink & { ok: true }) | NatProblem {
  const other = eipInOtherVpc(reader, eip.name, vpc);
  if (other !== undefined) return other;
  const link = externalLink(reader, vpc, eip.subnet);
  if (link !== undefined) return { ok: true, ...link };
  const how = "set spec.enableExternal of the Vpc, and spec.extraExternalSubnets if the subnet is not the default one";
  const message = `VPC "${vpc}" has no port in external subnet "${eip.subnet}" of OvnEip "${eip.name}"; ${how}, and see the conditions of the Vpc`;
  return natProblem("VpcNotConnected", message);
}
