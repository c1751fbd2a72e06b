// SPDX-License-Identifier: Apache-2.0

import { ovnDnatRuleKind } from "../../src/kinds/ovn-dnat-rule.ts";
import { ovnFipKind } from "../../src/kinds/ovn-fip.ts";
import { ovnSnatRuleKind } from "../../src/kinds/ovn-snat-rule.ts";
import { routerLbRuleKind } from "../../src/kinds/router-lb-rule.ts";
import { vlanKind } from "../../src/kinds/vlan.ts";
import type { KubeObject } from "../../src/kube/object.ts";
import { CONFIG_MAPS, NODES, OVN_EIPS, type ResourceType, SERVICES, VPCS } from "../../src/kube/resources.ts";
import type { FakeKube } from "../../src/kube/testing/fake.ts";
import { keyOfAddress } from "./addresses.ts";
import { type ClusterView, DEFAULT_VPC_NAME } from "./cluster-view.ts";
import type { NorthboundServer } from "./database-server.ts";
import { FreeAddresses } from "./free-addresses.ts";
import { translationsIn, translationsOf, translationText } from "./translation-checks.ts";

const DEFAULT_EXTERNAL = "external";
const FINALIZER = "kubeovn.io/kube-ovn-controller";
const FLOATING = [ovnFipKind.type, ovnSnatRuleKind.type, ovnDnatRuleKind.type, routerLbRuleKind.type];

/** A rule that uses an OvnEip. */
interface Rule {
  readonly type: ResourceType;
  readonly who: string;
  readonly eip: string;
  readonly spec: Readonly<Record<string, string | undefined>>;
  readonly status: Readonly<Record<string, unknown>>;
  /** Of its condition `Ready`; absent if it has none. */
  readonly reason: string | undefined;
  readonly ready: boolean;
  readonly applied: boolean;
  readonly deleting: boolean;
}

interface Eip {
  readonly name: string;
  readonly subnet: string;
  readonly type: string;
  readonly asked: readonly string[];
  readonly addresses: readonly string[];
  readonly applied: boolean;
  readonly deleting: boolean;
  readonly ready: boolean;
  readonly nat: readonly string[];
  /** `eip/NAMESPACE/POD` or `snat` for one that pods name; "" for another. */
  readonly forPods: string;
  /** The VPC that it was created for. */
  readonly maker: { readonly name: string; readonly uid: string } | undefined;
}

/** When settled: each rule is applied or says truly why not, rows are those of rules, pods and Services, and nothing waits or stays without a reason. */
export function wrongNat(kube: FakeKube, picture: ClusterView, northbound: NorthboundServer): string[] {
  const oracle = new NatOracle(kube, picture, northbound);
  return [
    ...oracle.wrongRules(),
    ...oracle.wrongRows(),
    ...oracle.wrongEips(),
    ...oracle.wrongVpcs(),
    ...oracle.wrongServices(),
  ];
}

class NatOracle {
  readonly #kube: FakeKube;
  readonly #picture: ClusterView;
  readonly #free: FreeAddresses;
  readonly #rules: readonly Rule[];
  readonly #eips: ReadonlyMap<string, Eip>;
  readonly #rows: ReadonlySet<string>;

  constructor(kube: FakeKube, picture: ClusterView, northbound: NorthboundServer) {
    this.#kube = kube;
    this.#picture = picture;
    this.#free = new FreeAddresses(picture);
    this.#rules = FLOATING.flatMap((type) => kube.objects(type).map((object) => readRule(type, object)));
    this.#eips = new Map(kube.objects(OVN_EIPS).map((object) => [object.metadata.name, readEip(object)]));
    this.#rows = new Set(translationsIn(northbound));
  }

  wrongRules(): string[] {
    return this.#rules.flatMap((rule) => {
      const { who, deleting, ready, reason, applied } = rule;
      if (deleting) return [`${who} is being deleted, but does not go`];
      if (reason === undefined) return [`${who} has no condition`];
      if (!ready) return this.#isTrue(rule) ? [] : [`${who} is not ready because of ${reason}, which is not so`];
      if (!applied) return [`${who} is ready, but has no finalizer`];
      return translationsOf(rule.type, rule.status)
        .filter((text) => !this.#rows.has(text))
        .map((text) => `${who} is ready, but "${text}" is in no row`);
    });
  }

  /** Each translation is that of a ready rule, of a living pod's annotation, or of a Service. */
  wrongRows(): string[] {
    const wanted = new Set(this.#rules.flatMap((rule) => (rule.ready ? translationsOf(rule.type, rule.status) : [])));
    const ports = new Set([...this.#balancedPorts(), ...this.#servicePorts()]);
    for (const text of this.#podTranslations()) wanted.add(text);
    const isOfPort = (text: string): boolean => ports.has(text.split(" ").slice(0, 3).join(" "));
    const unwanted = [...this.#rows].filter((text) => !wanted.has(text) && !isOfPort(text));
    const present = new Set([...this.#rows].map((text) => text.split(" ").slice(0, 3).join(" ")));
    return [
      ...unwanted.map((text) => `"${text}" is in a row, but no rule, pod or Service wants it`),
      ...[...ports].filter((port) => !present.has(port)).map((port) => `"${port}" is in no row`),
    ];
  }

  wrongEips(): string[] {
    return [...this.#eips.values()].flatMap((eip) => {
      const { name, addresses, deleting, ready, applied, forPods, maker } = eip;
      const users = this.#rules.filter((rule) => rule.eip === name && rule.applied);
      const naming = forPods === "" ? [] : this.#naming(addresses.concat(eip.asked));
      const port = this.#portVpc(eip);
      if (deleting && users.length === 0 && naming.length === 0 && port === undefined)
        return [`OvnEip ${name} is being deleted and not in use, but it does not go`];
      if (deleting) return [];
      if (forPods !== "" && naming.length === 0) return [`OvnEip ${name} is there for no pod`];
      // What rules use is kept.
      if (maker !== undefined && port === undefined && users.length === 0)
        return [`OvnEip ${name} is there for no port of a VPC`];
      if (addresses.length === 0)
        return this.#couldHave(eip) ? [`OvnEip ${name} waits for an address although there is one`] : [];
      const subnet = this.#picture.subnet(eip.subnet);
      const wants = subnet?.accepted === true && eip.type !== "lsp";
      return [
        ...(applied ? [] : [`OvnEip ${name} has an address, but no finalizer`]),
        ...(ready || !wants ? [] : [`OvnEip ${name} has an address, but is not ready`]),
        ...this.#wrongUses(eip, users),
      ];
    });
  }

  #wrongUses({ name, nat, forPods }: Eip, users: readonly Rule[]): string[] {
    if (forPods !== "") return [];
    const kinds = { dnat: ovnDnatRuleKind.type, fip: ovnFipKind.type, snat: ovnSnatRuleKind.type };
    const wanted = Object.entries(kinds).flatMap(([use, type]) =>
      users.some((rule) => rule.type === type) ? [use] : [],
    );
    return wanted.join() === nat.join()
      ? []
      : [`OvnEip ${name} says "${nat.join()}", but its uses are "${wanted.join()}"`];
  }

  /** VPCs are connected to the subnets that their specs name, if those can be used. */
  wrongVpcs(): string[] {
    return this.#kube.objects(VPCS).flatMap(({ metadata: { name, uid, deletionTimestamp } }) => {
      if (deletionTimestamp !== undefined) {
        const used = this.#picture.subnets.some(({ vpc }) => vpc === name);
        return used ? [] : [`VPC ${name} is being deleted and not in use, but it does not go`];
      }
      const wanted = this.#wantedSubnets(name);
      return this.#picture.subnets.flatMap(({ name: subnet }) => {
        const connected = this.#isConnected(name, subnet);
        if (!wanted.includes(subnet))
          return connected ? [`VPC ${name} is connected to ${subnet}, which it does not name`] : [];
        if (connected || !this.#canConnect(name, uid, subnet)) return [];
        return [`VPC ${name} is not connected to ${subnet}, and nothing is in its way`];
      });
    });
  }

  /** Services have an address if there is one. */
  wrongServices(): string[] {
    return this.#kube.objects(SERVICES).flatMap(({ metadata, spec, status }) => {
      const { type, loadBalancerIP } = (spec ?? {}) as Readonly<Record<string, string>>;
      const asked = metadata.annotations?.["ovn.kubernetes.io/service_external_ip_from_subnet"];
      const who = `Service ${metadata.namespace}/${metadata.name}`;
      const { loadBalancer } = (status ?? {}) as { loadBalancer?: { ingress?: readonly unknown[] } };
      const has = (loadBalancer?.ingress ?? []).length > 0;
      if (type !== "LoadBalancer" || asked === undefined)
        return has ? [`${who} has an address, and asks for none`] : [];
      if (has || metadata.deletionTimestamp !== undefined) return [];
      const could = this.#couldHave({ subnet: asked, asked: loadBalancerIP ? [loadBalancerIP] : [] });
      return could ? [`${who} waits for an address although there is one`] : [];
    });
  }

  /** Whether the reason of a rule that is not applied is what it says. */
  #isTrue(rule: Rule): boolean {
    const { reason, eip: name, spec, type, who } = rule;
    const eip = this.#eips.get(name);
    const others = this.#rules.filter((other) => other.who !== who);
    const sameEip = others.filter((other) => other.eip === name);
    const vpc = this.#vpcOf(rule);
    switch (reason) {
      case "EipNotFound":
        return eip === undefined;
      case "EipNotReady":
        return eip?.addresses.length === 0;
      case "EipDeleting":
        return eip?.deleting === true;
      case "EipNotForNat":
        return eip !== undefined && (eip.type === "lsp" || eip.forPods !== "");
      case "EipInUse":
        return sameEip.length > 0 || (eip !== undefined && this.#portVpc(eip) !== vpc);
      case "PortInUse":
        return sameEip.some((other) => [ovnDnatRuleKind.type, routerLbRuleKind.type].includes(other.type));
      case "TargetInUse":
      case "SourceInUse":
        return others.some(
          (other) =>
            [ovnFipKind.type, ovnSnatRuleKind.type].includes(other.type) &&
            this.#eips.get(other.eip)?.subnet === eip?.subnet,
        );
      case "IpNotFound": {
        const ip = this.#picture.ips.find((one) => one.name === spec["ipName"]);
        return ip === undefined || ip.deleting;
      }
      case "VipNotFound":
      case "VipNotReady": {
        const vip = this.#picture.vips.find((one) => one.name === spec["ipName"]);
        return vip === undefined || vip.deleting || vip.addresses.length === 0;
      }
      case "VpcNotFound":
        return !this.#picture.vpcs.has(spec["vpc"] ?? "");
      case "SubnetNotReady":
        return this.#picture.subnet(this.#subnetOf(rule) ?? "")?.accepted !== true;
      case "VpcNotConnected":
        return vpc === undefined || !this.#isConnected(vpc, eip?.subnet ?? "");
      case "FamilyMismatch":
        return eip?.addresses.every((address) => address.includes(":")) === true;
      case "NamespaceNotFound":
        return type === routerLbRuleKind.type && !this.#picture.namespaceLabels.has(spec["namespace"] ?? "");
      default:
        return false;
    }
  }

  /** The subnet of a rule's target or source, if an object names it. */
  #subnetOf({ spec }: Rule): string | undefined {
    const { ipType, ipName, vpcSubnet } = spec;
    if (vpcSubnet) return vpcSubnet;
    const holders = ipType === "vip" ? this.#picture.vips : this.#picture.ips;
    return ipName ? holders.find((one) => one.name === ipName)?.subnet : undefined;
  }

  #vpcOf(rule: Rule): string | undefined {
    const subnet = this.#subnetOf(rule);
    return subnet === undefined ? rule.spec["vpc"] : this.#picture.subnet(subnet)?.vpc;
  }

  #balancedPorts(): readonly string[] {
    return this.#rules.flatMap(({ type, ready, eip, spec }) => {
      if (type !== routerLbRuleKind.type || !ready) return [];
      const ports = (spec["ports"] ?? []) as unknown as readonly { readonly port: number }[];
      const addresses = this.#eips.get(eip)?.addresses ?? [];
      return ports.flatMap(({ port }) => addresses.map((address) => portText(spec["vpc"] ?? "", address, port)));
    });
  }

  #servicePorts(): readonly string[] {
    return this.#picture.externals.flatMap(({ name, subnet, addresses }) => {
      const [kind, key = ""] = name.split(" ");
      if (kind !== "Service") return [];
      const [namespace = "", of = ""] = key.split("/");
      const { metadata, spec } = this.#kube.object(SERVICES, { namespace, name: of }) ?? {};
      const vpc = metadata?.annotations?.["ovn.kubernetes.io/vpc"] ?? DEFAULT_VPC_NAME;
      if (!this.#isConnected(vpc, subnet)) return [];
      const { ports = [] } = (spec ?? {}) as { readonly ports?: readonly { readonly port: number }[] };
      return ports.flatMap(({ port }) => addresses.map((address) => portText(vpc, address, port)));
    });
  }

  /** The living pods that name one of these addresses. */
  #naming(addresses: readonly string[]) {
    const keys = addresses.map(keyOfAddress);
    return this.#picture.pods.filter(
      ({ alive, provider, annotations }) =>
        alive &&
        provider === "ovn" &&
        ["eip", "snat"].some((way) =>
          (annotations[`ovn.kubernetes.io/${way}`] ?? "")
            .split(",")
            .some((text) => keys.includes(keyOfAddress(text.trim()))),
        ),
    );
  }

  /** The translations that pods' annotations may have: those by OvnEips that were made for the pods. */
  #podTranslations(): readonly string[] {
    return [...this.#eips.values()].flatMap(({ forPods, addresses }) =>
      (forPods === "" ? [] : this.#naming(addresses)).flatMap((pod) => {
        const ip = this.#picture.ips.find(({ name }) => name === pod.port);
        const how = forPods === "snat" ? "snat" : "dnat_and_snat";
        if (forPods !== "snat" && forPods !== `eip/${pod.namespace}/${pod.name}`) return [];
        return addresses.flatMap((external) =>
          (ip?.addresses ?? []).map((logical) => translationText(DEFAULT_VPC_NAME, how, external, logical)),
        );
      }),
    );
  }

  /** The VPC whose port has the OvnEip. */
  #portVpc({ name, subnet, type, maker }: Eip): string | undefined {
    if (type !== "lrp") return undefined;
    const vpc = this.#kube
      .objects(VPCS)
      .find(
        ({ metadata }) => `${metadata.name}-${subnet}` === name && (maker === undefined || maker.uid === metadata.uid),
      );
    if (vpc === undefined || !this.#wantedSubnets(vpc.metadata.name).includes(subnet)) return undefined;
    return vpc.metadata.name;
  }

  /** The external subnets that a VPC names. */
  #wantedSubnets(vpc: string): readonly string[] {
    const { enableExternal = false, extraExternalSubnets } = (this.#kube.object(VPCS, { name: vpc })?.spec ?? {}) as {
      readonly enableExternal?: boolean;
      readonly extraExternalSubnets?: readonly string[] | null;
    };
    const further = extraExternalSubnets ?? [];
    const config = this.#kube.object<KubeObject & { readonly data?: Readonly<Record<string, string>> }>(CONFIG_MAPS, {
      namespace: "kube-system",
      name: "ovn-external-gw-config",
    });
    const byConfig = vpc === DEFAULT_VPC_NAME && config?.data?.["enable-external-gw"] === "true";
    if (!enableExternal && !byConfig) return [];
    return further.length > 0 ? further : [DEFAULT_EXTERNAL];
  }

  #isConnected(vpc: string, subnet: string): boolean {
    const { enableExternal = false, extraExternalSubnets } = (this.#kube.object(VPCS, { name: vpc })?.status ?? {}) as {
      readonly enableExternal?: boolean;
      readonly extraExternalSubnets?: readonly string[] | null;
    };
    const further = extraExternalSubnets ?? [];
    return enableExternal && (further.includes(subnet) || (subnet === DEFAULT_EXTERNAL && further.length === 0));
  }

  /** Whether a VPC certainly can be connected to a subnet. */
  #canConnect(vpc: string, uid: string, name: string): boolean {
    const subnet = this.#picture.subnet(name);
    const { vlan = "" } = (subnet?.object.spec ?? {}) as { readonly vlan?: string };
    const hosts = this.#kube.objects(NODES).some(({ metadata: { labels = {}, annotations = {} } }) => {
      return (
        labels["ovn.kubernetes.io/external-gw"] === "true" && annotations["ovn.kubernetes.io/chassis"] !== undefined
      );
    });
    if (subnet?.accepted !== true || subnet.deleting || !hosts) return false;
    if (this.#kube.object(vlanKind.type, { name: vlan }) === undefined) return false;
    const eip = this.#eips.get(`${vpc}-${name}`);
    if (eip === undefined) return true;
    return eip.type === "lrp" && eip.subnet === name && eip.addresses.length > 0 && (eip.maker?.uid ?? uid) === uid;
  }

  /** Whether what has no address could have one. */
  #couldHave({ subnet: name, asked }: Pick<Eip, "subnet" | "asked">): boolean {
    const subnet = this.#picture.subnet(name);
    if (subnet === undefined || !subnet.accepted || subnet.deleting) return false;
    const isFree = (text: string): boolean =>
      this.#free.canBeHeld(subnet, text) && this.#free.holder(name, text) === undefined;
    return asked.length === 0
      ? this.#free.hasRoom(subnet, "any")
      : asked.every(isFree) && this.#free.hasRoom(subnet, "any");
  }
}

function portText(router: string, address: string, port: number): string {
  return `${router}: port ${address.includes(":") ? `[${address}]` : address}:${port}`;
}

function readRule(type: ResourceType, { metadata, spec, status }: KubeObject): Rule {
  const fields = (spec ?? {}) as Rule["spec"];
  const said = (status ?? {}) as Rule["status"] & { readonly conditions?: readonly Condition[] };
  const condition = (said.conditions ?? []).find((one) => one.type === "Ready");
  return {
    ...{ type, who: `${type.kind} ${metadata.name}`, eip: fields["ovnEip"] ?? "", spec: fields, status: said },
    ...{ reason: condition?.reason, ready: condition?.status === "True" },
    applied: metadata.finalizers?.includes(FINALIZER) === true,
    deleting: metadata.deletionTimestamp !== undefined,
  };
}

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
}

function readEip({ metadata, spec, status }: KubeObject): Eip {
  const fields = (spec ?? {}) as Readonly<Record<string, string | undefined>>;
  const said = (status ?? {}) as Readonly<Record<string, string>> & { readonly conditions?: readonly Condition[] };
  const texts = (...all: readonly (string | undefined)[]): readonly string[] =>
    all.flatMap((text) => (text ? [text] : []));
  const maker = metadata.ownerReferences?.find(({ kind }) => kind === "Vpc");
  return {
    name: metadata.name,
    subnet: fields["externalSubnet"] || DEFAULT_EXTERNAL,
    type: fields["type"] || "nat",
    asked: texts(fields["v4Ip"], fields["v6Ip"]),
    addresses: said["macAddress"] ? texts(said["v4Ip"], said["v6Ip"]) : [],
    applied: metadata.finalizers?.includes(FINALIZER) === true,
    deleting: metadata.deletionTimestamp !== undefined,
    ready: said.conditions?.some(({ type, status: is }) => type === "Ready" && is === "True") === true,
    nat: texts(...(said["nat"] ?? "").split(",")),
    forPods: metadata.annotations?.["weft.kubeovn.io/for-pods"] ?? "",
    maker: maker && { name: maker.name, uid: maker.uid },
  };
}
