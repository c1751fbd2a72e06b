// SPDX-License-Identifier: Apache-2.0

import { POD } from "../../api/annotations.ts";
import { addressesOf } from "../../facts/annotation-forms.ts";
import type { EipVpcFact } from "../../facts/external.ts";
import { type EipRuleFact, oldestRule } from "../../facts/nat-rule.ts";
import type { PodFact } from "../../facts/pod.ts";
import type { RecordedDerivation } from "../../facts/recorded-derivation.ts";
import type { FactReader } from "../../facts/store.ts";
import type { FactTypes } from "../../facts/types.ts";
import { portVpcOf } from "../vpc/vpc-external.ts";
import { type NatProblem, natProblem } from "./nat-problem.ts";

// Which objects may use one OvnEip together. Each exclusion is one function:
// - an OvnEip is for rules, for nodes or for annotations of pods: `eipNotForRules`;
// - it is used in one VPC: `eipVpcs`, `eipInOtherVpc`;
// - one OvnFip has it: `olderFip`;
// - one OvnDnatRule or RouterLBRule has a port of it: `olderPortRule`;
// - of pods that name its address one has it, or all use it as a source: `decideEipUse`, `eipOfOtherPod`.
// OvnSnatRules may share it. That no address is given to two OvnEips, VPC ports or LoadBalancer Services is IPAM's: src/ipam/requested-address.ts.

/** The problem that an OvnEip is for nodes (type lsp) or for annotations of pods, not for rules; undefined if it is for rules. */
export function eipNotForRules({ type, forPods }: FactTypes["ovnEips"], about: string): NatProblem | undefined {
  if (type === "lsp")
    return natProblem("EipNotForNat", `${about} is of type lsp, which is for nodes; name one of type nat or lrp`);
  if (forPods !== "") return natProblem("EipNotForNat", `${about} is for annotations of pods; name another one`);
  return undefined;
}

/** The problem that an OvnEip is used in another VPC than this one; undefined if it is not. */
export function eipInOtherVpc(reader: FactReader, eip: string, vpc: string): NatProblem | undefined {
  const used = reader.get("eipVpcs", eip);
  if (used === undefined || used.vpc === vpc) return undefined;
  const message = `OvnEip "${eip}" is used in VPC "${used.vpc}" by ${used.user}; an address is used in one VPC, use another OvnEip`;
  return natProblem("EipInUse", message);
}

/** The problem that an older OvnFip has the OvnEip of this one; undefined if none has. */
export function olderFip(reader: FactReader, fip: EipRuleFact): NatProblem | undefined {
  const first = oldestRule(reader.by("ovnFips", "eip", fip.eip));
  if (first === undefined || first.name === fip.name) return undefined;
  const message = `OvnEip "${fip.eip}" is that of OvnFip "${first.name}", which is older; use another OvnEip`;
  return natProblem("EipInUse", message);
}

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

/** The annotation of a pod that names an external address: `eip`, its floating IP, or `snat`, a source that it may share. */
export type ExternalWay = "eip" | "snat";

/** How an address of pods is used: `eip/NAMESPACE/POD`, the floating IP of one pod, or `snat`, the source of any number of pods. */
const [EIP, SNAT] = ["eip/", "snat"] as const;

/** The use of an address by a pod that names it, as it is recorded in the OvnEip. */
export function podEipUse({ key }: PodFact, way: ExternalWay): string {
  return way === "eip" ? `${EIP}${key}` : SNAT;
}

/** The use of an address by pods: the recorded one, while a pod wants it, or else that of the first pod by name; "" if none names it. */
export function decideEipUse(reader: FactReader, recorded: string, external: string): string {
  const uses = reader
    .by("pods", "external", external)
    .filter(({ alive }) => alive)
    .map((pod) => podEipUse(pod, addressesOf(pod.annotations[POD.eip] ?? "").includes(external) ? "eip" : "snat"));
  return uses.includes(recorded) ? recorded : (uses.sort()[0] ?? "");
}

/**
 * Why a pod cannot use the OvnEip of an address that its annotation names: another pod has it, or it is a source. "" while the use by a deleted pod
 * is about to end; undefined if the pod can use it.
 */
export function eipOfOtherPod(
  reader: FactReader,
  { forPods }: FactTypes["ovnEips"],
  { pod, external, way }: { readonly pod: PodFact; readonly external: string; readonly way: ExternalWay },
): string | undefined {
  if (forPods === podEipUse(pod, way)) return undefined;
  if (forPods === SNAT) return `${external} is used as a source (${POD.snat}); name another address`;
  const other = forPods.slice(EIP.length);
  if (reader.get("pods", other)?.alive !== true) return "";
  return `${external} is used by pod "${other}" (${POD.eip}); name another address`;
}

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
