// SPDX-License-Identifier: Apache-2.0

import { NAT, OVN_PROVIDER, POD } from "../../api/annotations.ts";
import { annotatedEipName } from "../../api/names.ts";
import { podPortName } from "../../api/port-names.ts";
import { addressConflictOf } from "../../claims/status-address-conflict.ts";
import { addressesOf } from "../../facts/annotation-forms.ts";
import { EXTERNAL_GATEWAY_CONFIG } from "../../facts/external-config.ts";
import type { IpFact } from "../../facts/ip.ts";
import { addressKeys } from "../../facts/nat-rule.ts";
import type { PodFact } from "../../facts/pod.ts";
import type { FactReader } from "../../facts/store.ts";
import type { SubnetFact } from "../../facts/subnet.ts";
import { isUnderlay } from "../../facts/underlay.ts";
import { textContains } from "../../net/cidr.ts";
import type { MakeObjectEffect, ReportEffect } from "../effects.ts";
import type { FragmentBuilder } from "../fragment-builder.ts";
import { type ExternalWay, eipOfOtherPod, podEipUse } from "../nat/eip-exclusion.ts";
import { addWayOut } from "../nat/nat-rule.ts";
import { balancerAtRouter } from "../nat/router-endpoints.ts";
import { ruleOfTarget } from "../nat/source-exclusion.ts";
import { translatingPort } from "../nat/translating-port.ts";
import { makeObject } from "../owned-object.ts";
import { podPortId, routerId } from "../owner-ids.ts";
import { reportPod } from "../reports.ts";
import { externalIds } from "../rows.ts";
import { type ExternalLink, readExternals } from "../vpc/vpc-external.ts";
import type { ExternalAddresses, PodTranslation, PortInput } from "./port-input.ts";

/** The annotations, the first of which has precedence. */
const ANNOTATIONS: Readonly<Record<ExternalWay, string>> = { eip: POD.eip, snat: POD.snat };

/** For pods without the annotations. */
export const NO_EXTERNAL: ExternalAddresses = {
  ...{ translations: [], distributed: false, balancer: undefined, missing: [], problems: [] },
};

/** The external addresses that a pod names in either annotation, each once. */
export function externalAddressesIn({ annotations }: Pick<PodFact, "annotations">): readonly string[] {
  const named = Object.values(ANNOTATIONS).flatMap((key) => addressesOf(annotations[key] ?? ""));
  return [...new Set(named)];
}

/**
 * Reads the annotations for a pod's own interface: only that can have external addresses by annotations, in the default VPC, as in Kube-OVN.
 * An address is used as an OvnEip of the controller's is, so that no other object gets it.
 */
export function externalAddresses(
  reader: FactReader,
  pod: PodFact,
  ip: IpFact,
  subnet: SubnetFact | undefined,
  router: string,
): ExternalAddresses {
  if (ip.provider !== OVN_PROVIDER || subnet === undefined || externalAddressesIn(pod).length === 0) return NO_EXTERNAL;
  const none = (why: string): ExternalAddresses => ({ ...NO_EXTERNAL, problems: [why] });
  if (subnet.vpc !== router)
    return none(
      `only pods in VPC "${router}" can have external addresses by annotations; create an OvnFip or an OvnSnatRule`,
    );
  if (isUnderlay(subnet))
    return none(`the pod is in subnet "${subnet.name}" of a network outside, where its address is not translated`);
  const vpc = reader.get("vpcs", router);
  const links = vpc === undefined ? [] : readExternals(reader, vpc).links;
  const config = reader.get("externalGatewayConfigs", EXTERNAL_GATEWAY_CONFIG);
  const translations: PodTranslation[] = [];
  const missing: { address: string; subnet: string; way: ExternalWay }[] = [];
  const problems: string[] = [];
  const floating = addressesOf(pod.annotations[POD.eip] ?? "");
  for (const way of ["eip", "snat"] as const) {
    for (const external of addressesOf(pod.annotations[ANNOTATIONS[way]] ?? "")) {
      const family = external.includes(":") ? "v6" : "v4";
      const logical = ip[family];
      const link = links.find(({ cidr }) => textContains(cidr[family] ?? "", external));
      if (way === "snat" && floating.some((one) => one.includes(":") === external.includes(":"))) {
        problems.push(
          `${external} (${ANNOTATIONS[way]}) is not used, because ${ANNOTATIONS.eip} names an address of its family`,
        );
        continue;
      }
      const problem =
        logical === ""
          ? `the pod has no address of the family of ${external}`
          : link === undefined
            ? `${external} is in no external subnet in which VPC "${router}" has a port; set its spec.enableExternal, and see its conditions`
            : refusal(reader, { pod, ip, router }, { external, way, link });
      if (problem !== undefined && problem !== "") problems.push(problem);
      if (problem !== undefined || link === undefined) continue;
      if (reader.get("ovnEips", annotatedEipName(external)) === undefined)
        missing.push({ address: external, subnet: link.subnet, way });
      else translations.push({ way, family, external, logical, link });
    }
  }
  const distributed = config?.enabled === true && config.distributed && floating.length > 0;
  const balancer = distributed ? balancerAtRouter(reader, targetKeys(ip, router)) : undefined;
  return { translations, missing, problems, distributed, balancer };
}

/** Why a pod cannot use an address, "" while that is about to be decided; undefined if it can, or can as soon as the OvnEip exists. */
function refusal(
  reader: FactReader,
  { pod, ip, router }: { readonly pod: PodFact; readonly ip: IpFact; readonly router: string },
  { external, way, link }: { readonly external: string; readonly way: ExternalWay; readonly link: ExternalLink },
): string | undefined {
  const rule = ruleOfTarget(reader, link.subnet, targetKeys(ip, router));
  if (rule !== undefined) return `${external} is not used, because ${rule} translates the pod's address`;
  const name = annotatedEipName(external);
  const eip = reader.get("ovnEips", name);
  if (eip === undefined) return undefined;
  const about = `OvnEip "${name}" of ${external}`;
  if (eip.forPods === "")
    return `${about} was not created for annotations of pods; delete it, or create an OvnFip or an OvnSnatRule`;
  if (eip.given === undefined) return reader.get("verdicts", `ovnEip/${name}`)?.message ?? "";
  if (addressConflictOf(reader, `ovnEip/${name}`) !== undefined)
    return `${about} has an address of another object; see its conditions`;
  return eipOfOtherPod(reader, eip, { pod, external, way });
}

/** The keys of rules with a pod's address as their target. */
function targetKeys(ip: IpFact, router: string): readonly string[] {
  return [`ip/${ip.name}`, ...addressKeys(router, ip.v4, ip.v6)];
}

/** Adds the translations of a pod's external addresses, and the policies by which its packets leave towards their subnets. */
export function addExternalAddresses(build: FragmentBuilder, { pod, ip, subnet, external }: PortInput): void {
  const port = { name: podPortName(pod.name, pod.namespace, ip.provider), mac: ip.mac };
  for (const { way, link, ...pair } of external.translations) {
    const { family } = pair;
    const id = `${podPortId(ip.name, pod)}/${way}`;
    const distributed = way === "eip" && external.distributed;
    build.held("Logical_Router", routerId(subnet.vpc), "nat", "NAT", `${id}/${family}`, {
      type: way === "eip" ? "dnat_and_snat" : "snat",
      external_ip: pair.external,
      logical_ip: pair.logical,
      ...translatingPort(distributed ? port : undefined, link, external.balancer),
      options: way === "eip" ? { stateless: String(distributed) } : {},
      external_ids: externalIds(),
    });
    addWayOut(build, id, subnet.vpc, [pair], link);
  }
}

/** The effects that create the OvnEips of addresses that pods name. */
export function makeAnnotatedEips(pod: PodFact, { missing }: ExternalAddresses): readonly MakeObjectEffect[] {
  return missing.map(({ address, subnet, way }) =>
    makeObject("ovnEips", {
      metadata: { name: annotatedEipName(address), annotations: { [NAT.pods]: podEipUse(pod, way) } },
      spec: { externalSubnet: subnet, type: "nat", [address.includes(":") ? "v6Ip" : "v4Ip"]: address },
    }),
  );
}

/** The Event that reports problems of a pod's annotations. */
export function reportExternalAddresses(pod: PodFact, { problems }: ExternalAddresses): readonly ReportEffect[] {
  if (problems.length === 0) return [];
  return [reportPod(pod, "external-addresses", "ExternalAddressNotUsed", problems.join("; "))];
}
