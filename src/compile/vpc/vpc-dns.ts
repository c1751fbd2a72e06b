// SPDX-License-Identifier: Apache-2.0

import { vpcDnsName } from "../../api/names.ts";
import type { Fragment } from "../../desired/fragment.ts";
import type { UnitKind } from "../../desired/unit-kind.ts";
import { COREDNS } from "../../facts/project-vpc-dns.ts";
import type { FactReader } from "../../facts/store.ts";
import type { SwitchLbRuleFact } from "../../facts/switch-lb-rule.ts";
import type { DnsDeploymentFact, DnsDeploymentSpec, VpcDnsConfigFact, VpcDnsFact } from "../../facts/vpc-dns.ts";
import { dualValues, parseDualIp } from "../../net/dual.ts";
import type { ConditionEffect, WeftEffect } from "../effects.ts";
import { FragmentBuilder } from "../fragment-builder.ts";
import { dropObject } from "../owned-object.ts";
import { malformedNotes } from "../references.ts";
import { withNotes } from "../reports.ts";
import { DNS_NAMESPACE, dnsDeployment, dnsPodAnnotations, dnsRule } from "./vpc-dns-objects.ts";

/** Key of the ConfigMap with the settings for all VpcDns. */
const CONFIG_KEY = `${DNS_NAMESPACE}/vpc-dns-config`;

/** The wanted objects of a VpcDns, or why they cannot be created. */
type DnsPlan =
  | { readonly ok: true; readonly deployment: DnsDeploymentSpec; readonly vips: readonly string[] }
  | { readonly ok: false; readonly reason: string; readonly message: string };

interface DnsInput {
  /** Absent if the VpcDns is gone and only its objects still exist. */
  readonly dns: VpcDnsFact | undefined;
  readonly plan: DnsPlan;
  /** VpcDns is turned off: its objects are deleted. */
  readonly off: boolean;
  readonly deployments: readonly DnsDeploymentFact[];
  readonly rules: readonly SwitchLbRuleFact[];
  /** The present objects with the names of its Deployment and its SwitchLBRule. */
  readonly deployment: DnsDeploymentFact | undefined;
  readonly rule: SwitchLbRuleFact | undefined;
}

const GONE: DnsPlan = { ok: false, reason: "", message: "" };

/** A VpcDns: its Deployment, its SwitchLBRule and its condition. If they cannot be planned, existing objects stay as they are. */
export const vpcDnsUnit: UnitKind<FactReader, DnsInput, WeftEffect> = {
  name: "vpcdns",
  priority: 5,

  read(reader, key) {
    const dns = reader.get("vpcDnses", key);
    const deployments = reader.by("dnsDeployments", "dns", key);
    const rules = reader.by("switchLbRules", "dns", key);
    const made = { deployments, rules };
    if (dns === undefined || dns.deleting) {
      if (dns === undefined && deployments.length + rules.length === 0) return undefined;
      return { dns: undefined, plan: GONE, off: true, ...made, deployment: undefined, rule: undefined };
    }
    const config = reader.get("vpcDnsConfigs", CONFIG_KEY);
    const name = vpcDnsName(key);
    return {
      dns,
      plan: planOf(reader, dns, config),
      off: config?.enabled === false,
      ...made,
      deployment: reader.get("dnsDeployments", `${DNS_NAMESPACE}/${name}`),
      rule: reader.get("switchLbRules", name),
    };
  },

  compile({ dns, plan, off, deployments, rules, deployment, rule }): Fragment<WeftEffect> {
    const build = new FragmentBuilder();
    const stale = <T extends { readonly dnsUid: string }>(one: T): boolean => off || one.dnsUid !== dns?.uid;
    const drops = [
      ...deployments.filter(stale).map((one) => dropObject("dnsDeployments", one)),
      ...rules.filter(stale).map((one) => dropObject("switchLbRules", one)),
    ];
    if (dns === undefined) return build.finish(drops);
    const foreign = [deployment, rule].find((one) => one !== undefined && one.dns === "");
    if (!plan.ok || foreign !== undefined) {
      const problem = plan.ok
        ? {
            reason: "ObjectExists",
            message: `an object "${foreign?.name}" exists that was not created for this VpcDns; delete it`,
          }
        : plan;
      return build.finish([...drops, conditionOf(dns, false, problem.reason, problem.message)]);
    }
    const owned = <T extends { readonly dnsUid: string }>(one: T | undefined): boolean =>
      one === undefined || one.dnsUid === dns.uid;
    const made = [
      ...(owned(deployment) ? dnsDeployment(dns, plan.deployment, deployment) : []),
      ...(owned(rule) ? dnsRule(dns, plan.vips, rule) : []),
    ];
    const active = drops.length + made.length === 0;
    const state = active
      ? conditionOf(dns, true, "Ready", `${plan.vips.join(" and ")} in VPC "${dns.vpc}"`)
      : conditionOf(dns, false, "Deploying", "its Deployment and SwitchLBRule are being written");
    return build.finish([...drops, ...made, state]);
  },
};

function planOf(reader: FactReader, dns: VpcDnsFact, config: VpcDnsConfigFact | undefined): DnsPlan {
  const no = (reason: string, message: string): DnsPlan => ({ ok: false, reason, message });
  if (config === undefined) return no("ConfigMapNotFound", `ConfigMap ${CONFIG_KEY} does not exist; create it`);
  if (!config.enabled) return no("NotEnabled", `ConfigMap ${CONFIG_KEY}: enable-vpc-dns is false`);
  const parsed = parseDualIp(
    config.vip
      .split(",")
      .map((text) => text.trim())
      .join(","),
  );
  if (parsed === undefined)
    return no(
      "InvalidConfig",
      `ConfigMap ${CONFIG_KEY}: coredns-vip "${config.vip}" is not an IP address such as 10.96.0.3, or one of each family separated by a comma`,
    );
  const vips = dualValues(parsed).map(({ text }) => text);
  const image = config.image || (reader.get("dnsDeployments", `${DNS_NAMESPACE}/${COREDNS}`)?.present.image ?? "");
  if (image === "")
    return no(
      "InvalidConfig",
      `ConfigMap ${CONFIG_KEY}: coredns-image is missing, and there is no Deployment ${DNS_NAMESPACE}/${COREDNS}`,
    );
  const nad = { name: config.nadName, provider: config.nadProvider };
  if (nad.name === "" || nad.provider === "") {
    const field = nad.name === "" ? "nad-name" : "nad-provider";
    return no("InvalidConfig", `ConfigMap ${CONFIG_KEY}: ${field} is missing`);
  }
  if (reader.get("attachments", `default/${nad.name}`) === undefined)
    return no(
      "NetworkNotFound",
      `NetworkAttachmentDefinition default/${nad.name} (nad-name of ConfigMap ${CONFIG_KEY}) does not exist`,
    );
  if (reader.get("vpcs", dns.vpc) === undefined) return no("VpcNotFound", `VPC "${dns.vpc}" (spec.vpc) does not exist`);
  const subnet = reader.get("subnets", dns.subnet);
  if (subnet === undefined) return no("SubnetNotFound", `subnet "${dns.subnet}" (spec.subnet) does not exist`);
  if (subnet.vpc !== dns.vpc)
    return no("SubnetNotFound", `subnet "${dns.subnet}" (spec.subnet) is in VPC "${subnet.vpc}", not in "${dns.vpc}"`);
  const older = reader.by("vpcDnses", "vpc", dns.vpc).find((other) => isOlder(other, dns));
  if (older !== undefined)
    return no("VpcHasDns", `VpcDns "${older.name}", which is older, is the DNS of VPC "${dns.vpc}"`);
  const host = config.apiHost || (reader.get("services", "default/kubernetes")?.addresses[0] ?? "");
  const towards = reader.get("subnets", reader.get("cluster", "cluster")?.defaultSubnet ?? "");
  const v6 = host.includes(":");
  const gateway = dualValues(towards?.gateway ?? {}).find((address) => address.includes(":") === v6);
  if (host === "" || towards === undefined || gateway === undefined) {
    const what = `no route to the API server "${host}" through the default subnet`;
    return no(
      "NoRoute",
      `${what}; give k8s-service-host in ConfigMap ${CONFIG_KEY} an address of a family that the subnet has`,
    );
  }
  return {
    ok: true,
    vips,
    deployment: {
      replicas: dns.replicas,
      image,
      corefile: dns.corefile,
      annotations: dnsPodAnnotations(dns.subnet, nad, { subnet: towards.name, host, gateway }),
      env: {
        ...(config.apiHost && { KUBERNETES_SERVICE_HOST: config.apiHost }),
        ...(config.apiPort && { KUBERNETES_SERVICE_PORT: config.apiPort }),
      },
    },
  };
}

/** Whether the first is older; of two with the same creation time, the one with the smaller name. */
function isOlder(a: VpcDnsFact, b: VpcDnsFact): boolean {
  if (a.name === b.name || a.deleting) return false;
  return a.created === b.created ? a.name < b.name : a.created < b.created;
}

function conditionOf(dns: VpcDnsFact, ready: boolean, reason: string, message: string): ConditionEffect {
  const { name, uid, generation } = dns;
  const about = { key: `condition/vpcDnses/${name}`, resource: "vpcDnses", name, uid, generation } as const;
  return withNotes(
    { kind: "condition", ...about, ready, reason, message, status: { active: ready } },
    malformedNotes(dns),
  );
}
