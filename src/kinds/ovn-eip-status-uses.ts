// SPDX-License-Identifier: Apache-2.0

import { labelValue } from "../api/annotations.ts";
import { decideEipUse } from "../compile/nat/eip-exclusion.ts";
import { appliedRulesOf } from "../compile/nat/eip-rules.ts";
import { readTarget } from "../compile/nat/nat-target.ts";
import { portVpcOf } from "../compile/vpc/vpc-external.ts";
import type { FactReader } from "../facts/store.ts";
import type { FactTypes } from "../facts/types.ts";

/** The uses of an OvnEip's address. */
export interface EipUses {
  /** The kinds of rules, as in Kube-OVN: `dnat`, `fip` and `snat`, separated by commas. */
  readonly nat: string;
  /** The objects, for messages. */
  readonly users: readonly string[];
  /** One of the rules, and the VPC of a rule or of the port, as in Kube-OVN; absent if there are none. */
  readonly rule?: string;
  /** How pods use it, if it is for annotations of pods. */
  readonly pods?: string;
  readonly vpc?: string;
}

/** The uses of an OvnEip that was created for annotations of pods. */
function usesByPods(reader: FactReader, { forPods, v4, v6 }: FactTypes["ovnEips"]): EipUses {
  const address = v6 === "" ? v4 : v6;
  const pods = decideEipUse(reader, forPods, address);
  const naming = reader.by("pods", "external", address).filter(({ alive }) => alive);
  return {
    nat: pods === "" ? "" : pods === "snat" ? "snat" : "fip",
    users: naming.map(({ key }) => `Pod ${key}`).sort(),
    ...(pods !== "" && { pods }),
  };
}

/** Reads the uses of an OvnEip: applied rules, which have a finalizer, and the port of a VPC. */
export function readUses(reader: FactReader, eip: FactTypes["ovnEips"]): EipUses {
  if (eip.forPods !== "") return usesByPods(reader, eip);
  const { name } = eip;
  const { dnats, fips, snats, balanced } = appliedRulesOf(reader, name);
  const [target] = [...fips, ...dnats].map((rule) => rule.target);
  const found = target && readTarget(reader, target);
  const [snat] = snats;
  const ofSnat = snat && (snat.vpc || reader.get("subnets", snat.subnet)?.vpc);
  const ofPort = portVpcOf(reader, eip);
  const vpc = ofPort ?? (found?.ok === true ? found.vpc : undefined) ?? ofSnat ?? balanced[0]?.vpc;
  const rule = [...fips, ...dnats, ...snats][0]?.name;
  return {
    nat: [dnats.length > 0 && "dnat", fips.length > 0 && "fip", snats.length > 0 && "snat"].filter(Boolean).join(","),
    users: [
      ...(ofPort === undefined ? [] : [`VPC ${ofPort}`]),
      ...dnats.map((one) => `OvnDnatRule ${one.name}`),
      ...fips.map((one) => `OvnFip ${one.name}`),
      ...snats.map((one) => `OvnSnatRule ${one.name}`),
      ...balanced.map((one) => `RouterLBRule ${one.name}`),
    ],
    ...(rule !== undefined && { rule }),
    ...(vpc !== undefined && vpc !== "" && { vpc: labelValue(vpc) }),
  };
}
