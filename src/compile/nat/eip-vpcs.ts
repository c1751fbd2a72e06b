// SPDX-License-Identifier: Apache-2.0

import type { EipVpcFact } from "../../facts/external.ts";
import { type EipRuleFact, oldestRule } from "../../facts/nat-rule.ts";
import type { RecordedDerivation } from "../../facts/recorded-derivation.ts";
import type { FactReader } from "../../facts/store.ts";
import type { FactTypes } from "../../facts/types.ts";
import { portVpcOf } from "../vpc/vpc-external.ts";

/** The fields of a rule that determine its VPC; "" if not set. */
interface Inside {
  readonly ipType?: "ip" | "vip";
  readonly ipName: string;
  readonly subnet?: string;
  readonly vpc: string;
}

/**
 * The facts `eipVpcs`: the one VPC in which an OvnEip is used. The routers of two VPCs must not both answer for an
 * address.
 */
export const eipVpcs: RecordedDerivation<"eipVpcs", "ovnEips"> = { kind: "eipVpcs", of: "ovnEips", derive: useOf };

/**
 * The VPC of the router port with the address, or else of the oldest rule that names the OvnEip and whose VPC is
 * known.
 */
function useOf(reader: FactReader, eip: FactTypes["ovnEips"]): EipVpcFact | undefined {
  const { key } = eip;
  const port = portVpcOf(reader, eip);
  if (port !== undefined) return { key, vpc: port, user: `the port of VPC "${port}"` };
  const known = (kind: string, rule: EipRuleFact, inside: Inside) => {
    const vpc = vpcOf(reader, inside);
    return vpc === "" ? [] : { ...rule, vpc, who: `${kind} "${rule.name}"` };
  };
  const first = oldestRule([
    ...reader.by("ovnFips", "eip", key).flatMap((rule) => known("OvnFip", rule, rule.target)),
    ...reader.by("ovnDnatRules", "eip", key).flatMap((rule) => known("OvnDnatRule", rule, rule.target)),
    ...reader.by("ovnSnatRules", "eip", key).flatMap((rule) => known("OvnSnatRule", rule, rule)),
    ...reader
      .by("routerLbRules", "eip", key)
      .flatMap((rule) => known("RouterLBRule", rule, { ipName: "", vpc: rule.vpc })),
  ]);
  return first && { key, vpc: first.vpc, user: first.who };
}

/** "" if it is not known. */
function vpcOf(reader: FactReader, { ipType, ipName, subnet = "", vpc }: Inside): string {
  if (subnet === "" && ipName === "") return vpc;
  const name = subnet !== "" ? subnet : reader.get(ipType === "vip" ? "vips" : "ips", ipName)?.subnet;
  return reader.get("subnets", name ?? "")?.vpc ?? "";
}
