// SPDX-License-Identifier: Apache-2.0

import { isOvnProvider, SUBNET } from "../../api/annotations.ts";
import { spell } from "../../api/name.ts";
import { routerPortName, routerSwitchPortName } from "../../api/names.ts";
import { nodePortName } from "../../api/port-names.ts";
import type { Fragment } from "../../desired/fragment.ts";
import { rowUuid, stableMac } from "../../desired/identity.ts";
import type { UnitKind } from "../../desired/unit-kind.ts";
import { recordAnnotations, writeAcceptedSubnet } from "../../facts/accepted.ts";
import type { ClusterFact } from "../../facts/cluster.ts";
import type { IpFact } from "../../facts/ip.ts";
import { joinDual } from "../../facts/project-subnet.ts";
import type { FactReader } from "../../facts/store.ts";
import type { SubnetFact, SubnetGatewaysFact, SubnetSpecFact, VerdictFact } from "../../facts/subnet.ts";
import { type Dual, dualValues } from "../../net/dual.ts";
import { customVpc } from "../../policy/pod-vpcs.ts";
import { destinationsOfAcls, translateSubnetRules } from "../../policy/subnet-rules.ts";
import { type VirtualPort, virtualPortsIn } from "../../policy/virtual-ports.ts";
import {
  type ConditionEffect,
  fill,
  type Note,
  problemText,
  releaseIp,
  type WeftEffect,
  withNotes,
} from "../effects.ts";
import { FragmentBuilder } from "../fragment-builder.ts";
import { activeGateways, gatewayNotes } from "../gateway/gateway-nodes.ts";
import { addGatewaySets, addSubnetGateway } from "../gateway/subnet-gateway.ts";
import { nameCollisionKey } from "../name-claims.ts";
import {
  loadBalancerGroupId,
  ownerUnit,
  routerId,
  routerMacId,
  routerPortId,
  switchId,
  UPLINKS_ID,
} from "../owner-ids.ts";
import { malformedNotes, subnetReferences, unsupportedNotes } from "../references.ts";
import { externalIds } from "../rows.ts";
import { addServiceSwitch } from "../service/service-switch.ts";
import { proxiedAddresses } from "../service/vip-proxies.ts";
import { readRaConfigs } from "./dhcp-options.ts";
import { addAcls } from "./subnet-acls.ts";
import { subnetContract } from "./subnet-contract.ts";
import { addDhcp, dhcpProblems } from "./subnet-dhcp.ts";
import { egressTableOwner, readEgress } from "./subnet-egress.ts";
import { addLocalnet, isUnderlay, type Localnet, readLocalnet } from "./subnet-localnet.ts";
import {
  addQuerierPort,
  type MulticastInput,
  multicastConfig,
  multicastNotes,
  multicastStatus,
  querierOf,
  readMulticast,
  releaseQuerier,
} from "./subnet-multicast.ts";
import { natRuleStatus, readNatRules } from "./subnet-nat-rules.ts";
import { addSourceGuard } from "./subnet-sources.ts";
import { addSubnetVips, type SubnetVip, subnetVips, vipNotes } from "./subnet-vips.ts";

/** The inputs of a subnet's rows. */
export interface SubnetInput {
  readonly subnet: SubnetFact;
  readonly verdict: VerdictFact;
  /** The annotations that record its accepted configuration. */
  readonly records: SubnetSpecFact["records"];
  /** Whether it has any annotations. */
  readonly annotated: boolean;
  /** The node contract that has been written. */
  readonly nodeContract: SubnetSpecFact["nodeContract"];
  readonly cluster: ClusterFact;
  readonly multicast: MulticastInput;
  readonly vips: readonly SubnetVip[];
  /** Whether its switch has the load balancers of its VPC. */
  readonly balanced: boolean;
  /** Only for a centralized subnet of the default VPC. */
  readonly gateways: SubnetGatewaysFact | undefined;
  /** Objects that the spec names and that do not exist. */
  readonly notes: readonly Note[];
  /** The other subnet that has the routing table which this one names for its egress gateway. */
  readonly egressTableOwner: string | undefined;
  /** The objects that have its addresses; read only while it is being deleted. */
  readonly holders: readonly string[];
  /** The join subnet's addresses, from which nodes reach pods; only for subnets that nodes reach. */
  readonly joinCidr: Dual<string>;
  /** The ranges of the VPC's other private subnets. */
  readonly privateCidrs: readonly string[];
  /** The ranges named in `acls` → the ports of the Services in them. */
  readonly virtualPorts: Readonly<Record<string, readonly VirtualPort[]>>;
  /** VIPs for which its router answers ARP and ND. */
  readonly proxied: readonly string[];
  /** The external network to which its switch is connected; only for underlay subnets. */
  readonly localnet: Localnet | undefined;
  /** Names of the ports between its switch and its router. */
  readonly ports: { readonly router: string; readonly switch: string };
}

/** Why an underlay subnet is not connected to its network; undefined if it is. */
function disconnected({ subnet, localnet }: SubnetInput): { reason: string; message: string } | undefined {
  if (!isUnderlay(subnet) || localnet !== undefined) return undefined;
  const what = subnet.protocol === "Mac" ? "MAC addresses" : "addresses";
  const message = `its pods get ${what} but have no connectivity outside the subnet: there is no Vlan of that name (spec.vlan "${subnet.vlan}")`;
  return { reason: "NoProviderNetwork", message };
}

/** Notes for pods of an underlay subnet: their gateway is an external router, which Weft does not know. */
function underlayNotes({ localnet }: SubnetInput): readonly Note[] {
  if (localnet === undefined) return [];
  const message =
    "spec.vlan: the subnet serves routers' ports, OvnEips and NAT rules; pods in it are not supported (nodes do not reach them, and u2oInterconnection has no effect)";
  return [{ reason: "UnderlayLimited", message }];
}

/** The subnet's neighbours are not known yet: it is not accepted. */
const UNJUDGED: VerdictFact = { key: "", ok: false, reason: "Pending", message: "the spec has not been validated yet" };

/**
 * The remainder of a subnet that does not exist: the record of its querier, which was being written when the subnet
 * was deleted.
 */
interface OrphanedQuerier {
  readonly orphan: IpFact;
}

/** A subnet: its logical switch, the pair of ports to its router, and its gateway out of the VPC. */
export const subnetUnit: UnitKind<FactReader, SubnetInput | OrphanedQuerier, WeftEffect> = {
  name: "subnet",
  priority: 1,

  read(reader, key) {
    const subnet = reader.get("subnets", key);
    const cluster = reader.get("cluster", "cluster");
    const spec = reader.get("subnetSpecs", key);
    if (spec === undefined && subnet === undefined) {
      const orphan = querierOf(reader, key);
      return orphan && { orphan };
    }
    if (subnet === undefined || cluster === undefined) return undefined;
    const viaNodes = subnet.vpc === cluster.router && subnet.name !== cluster.joinSubnet;
    const taken = reader.get("nameCollisions", nameCollisionKey.subnet(key))?.taken ?? {};
    return {
      subnet,
      verdict: reader.get("verdicts", key) ?? UNJUDGED,
      records: spec?.records ?? {},
      annotated: spec?.annotated === true,
      nodeContract: spec?.nodeContract,
      cluster,
      multicast: readMulticast(reader, subnet),
      vips: subnetVips(reader, subnet),
      balanced: subnet.enableLb && reader.get("vpcs", subnet.vpc) !== undefined,
      gateways: reader.get("subnetGateways", key),
      notes: subnetReferences(reader, subnet),
      joinCidr: viaNodes ? (reader.get("subnets", cluster.joinSubnet)?.cidr ?? {}) : {},
      privateCidrs: reader
        .by("subnets", "private", subnet.vpc)
        .flatMap(({ name, cidr }) => (name === key ? [] : dualValues(cidr))),
      virtualPorts: Object.fromEntries(
        destinationsOfAcls(subnet).map(
          (cidr) => [cidr, virtualPortsIn(reader, cidr, customVpc(reader, subnet))] as const,
        ),
      ),
      egressTableOwner: egressTableOwner(reader, subnet),
      holders: subnet.deleting ? holdersOf(reader, key) : [],
      proxied: proxiedAddresses(reader, key),
      localnet: readLocalnet(reader, subnet),
      ports: {
        router: spell(routerPortName(subnet.vpc, key), taken["router-port"] !== undefined),
        switch: spell(routerSwitchPortName(key, subnet.vpc), taken["switch-port"] !== undefined),
      },
    };
  },

  compile(input): Fragment<WeftEffect> {
    if ("orphan" in input) return { ...new FragmentBuilder().finish(), effects: [releaseIp(input.orphan)] };
    const { subnet, verdict, holders } = input;
    const gone = subnet.deleting && holders.length === 0;
    // A subnet for interfaces of another plugin has no switch.
    const rows =
      gone || !verdict.ok || !isOvnProvider(subnet.provider) ? new FragmentBuilder().finish() : compileRows(input);
    return {
      ...rows,
      effects: gone ? fill("subnets", subnet, { finalizer: false }) : compileEffects(input),
    };
  },
};

/** The objects that still have addresses in a subnet. */
function holdersOf(reader: FactReader, subnet: string): readonly string[] {
  const ips = reader.by("ips", "subnet", subnet).map((ip) => ip.name);
  return [...ips, ...reader.by("addressHolders", "subnet", subnet).map(({ who }) => who)];
}

function compileRows(input: SubnetInput): Fragment<WeftEffect> {
  const { subnet, cluster, ports } = input;
  const { name, vpc, cidr, gateway } = subnet;
  const build = new FragmentBuilder();
  const other_config = multicastConfig(subnet, input.multicast);
  build.row("Logical_Switch", switchId(name), { name, other_config, external_ids: externalIds() });
  addQuerierPort(build, subnet, input.multicast);
  addSubnetVips(build, subnet, input.vips);
  if (input.balanced) {
    const group = loadBalancerGroupId(vpc);
    const [uuid, owner] = [rowUuid("Load_Balancer_Group", group), ownerUnit("Load_Balancer_Group", group)];
    build.member("Logical_Switch", switchId(name), "load_balancer_group", uuid, owner);
  }

  if (input.localnet !== undefined) addLocalnet(build, subnet, input.localnet);
  const networks = (["v4", "v6"] as const).flatMap((family) => {
    // The gateway of an underlay subnet is an external router.
    const [address, block] = isUnderlay(subnet) ? [] : [gateway[family], cidr[family]];
    return address && block ? [`${address}/${block.split("/")[1]}`] : [];
  });
  if (networks.length > 0) {
    const ra = subnet.enableIpv6Ra && cidr.v6 ? readRaConfigs(subnet.ipv6RaConfigs).options : {};
    build.held("Logical_Router", routerId(vpc), "ports", "Logical_Router_Port", routerPortId(ports.router), {
      name: ports.router,
      mac: stableMac(routerMacId(vpc, name)),
      networks: [...networks].sort(),
      ipv6_ra_configs: ra,
      options: subnet.routeTable === "" ? {} : { route_table: subnet.routeTable },
      external_ids: externalIds(),
    });
    const switchPort = routerPortId(ports.switch);
    build.held("Logical_Switch", switchId(name), "ports", "Logical_Switch_Port", switchPort, {
      name: ports.switch,
      type: "router",
      addresses: ["router"],
      options: {
        "router-port": ports.router,
        ...(input.proxied.length > 0 && { arp_proxy: input.proxied.join(" ") }),
      },
      external_ids: externalIds({ ls: name }),
    });
    if (vpc === cluster.router) {
      build.member("Port_Group", UPLINKS_ID, "ports", rowUuid("Logical_Switch_Port", switchPort));
    }
  }
  addDhcp(build, subnet);
  const { joinCidr } = input;
  const uplink = networks.length > 0 ? ports.switch : undefined;
  addAcls(build, subnet, joinCidr, (cidr) => input.virtualPorts[cidr] ?? []);
  if (name === cluster.joinSubnet) {
    // The join switch has the nodes and no pods. Each node adds its own port.
    addGatewaySets(build);
    if (cluster.kubeProxyReplacement === true) addServiceSwitch(build, subnet, cluster);
  } else if (!isUnderlay(subnet))
    addSourceGuard(build, subnet, {
      uplink,
      nodes: vpc === cluster.router,
      joinCidr,
      privateCidrs: input.privateCidrs,
    });
  if (vpc === cluster.router && !isUnderlay(subnet)) addSubnetGateway(build, subnet, cluster, input.gateways);
  return build.finish();
}

function compileEffects(input: SubnetInput): readonly WeftEffect[] {
  const { subnet, verdict, cluster, gateways, notes, annotated } = input;
  const { name, uid, generation, problem, missing } = subnet;
  const condition = (ready: boolean, reason: string, message: string): ConditionEffect => {
    const key = `condition/subnets/${name}`;
    const { refused } = verdict;
    const state = {
      kind: "condition",
      key,
      resource: "subnets",
      name,
      uid,
      generation,
      ready,
      reason,
      message,
    } as const;
    const [active] = subnet.enableEcmp ? [] : activeGateways(subnet, gateways);
    const natOutgoingPolicyRules = natRuleStatus(subnet);
    const activateGateway = ready ? (active?.name ?? "") : "";
    const status = { activateGateway, natOutgoingPolicyRules, ...multicastStatus(subnet, input.multicast) };
    return { ...state, ...(refused && { refused }), status };
  };
  const viaNodes =
    subnet.vpc === cluster.router &&
    name !== cluster.joinSubnet &&
    isOvnProvider(subnet.provider) &&
    !isUnderlay(subnet);
  const gatewayProblems = verdict.ok && viaNodes ? gatewayNotes(subnet, gateways) : [];
  const filled = fill(
    "subnets",
    { ...subnet, annotated, annotations: annotationsOf(input) },
    {
      finalizer: true,
      generation,
      annotations: wantedAnnotations(input),
      ...(problem === undefined && { spec: missing }),
    },
    withNotes(stateOf(input, condition), [
      ...gatewayProblems,
      ...notes,
      ...multicastNotes(subnet, input.multicast),
      ...(verdict.ok ? underlayNotes(input) : []),
      ...vipNotes(subnet, input.vips),
      ...unsupportedNotes(subnet),
      ...malformedNotes(subnet),
    ]),
  );
  return [...filled, ...releaseQuerier(subnet, input.multicast, input.holders)];
}

function annotationsOf({ records, nodeContract }: SubnetInput): Readonly<Record<string, string>> {
  return {
    ...records,
    ...(nodeContract !== undefined && { [SUBNET.nodeContract]: nodeContract }),
  };
}

/** The annotations with its accepted configuration and its node contract. Neither is ever removed. */
function wantedAnnotations({
  subnet,
  verdict,
  cluster,
  egressTableOwner,
}: SubnetInput): Readonly<Record<string, string>> {
  const contract = subnetContract(subnet, verdict, cluster, egressTableOwner);
  return {
    ...(verdict.ok && subnet.protocol !== "Mac" && recordAnnotations(writeAcceptedSubnet(subnet))),
    ...(contract !== undefined && { [SUBNET.nodeContract]: contract }),
  };
}

function stateOf(
  input: SubnetInput,
  condition: (ready: boolean, reason: string, message: string) => ConditionEffect,
): ConditionEffect {
  const { subnet, verdict, cluster, holders, joinCidr, egressTableOwner } = input;
  if (!verdict.ok) return condition(false, verdict.reason, verdict.message);
  if (subnet.deleting) return condition(false, "InUse", inUse(holders, cluster));
  const lack = disconnected(input);
  if (lack !== undefined) return condition(false, lack.reason, lack.message);
  const problems = [
    ...translateSubnetRules(subnet, joinCidr).problems,
    ...dhcpProblems(subnet),
    ...readNatRules(subnet).problems,
    ...readEgress(subnet, cluster.router, egressTableOwner).problems,
  ];
  const [problem] = problems;
  if (problem === undefined) return condition(true, "Ready", former(subnet, verdict));
  return notAsWritten(condition(true, problem.reason, problemText(problems)));
}

/**
 * The condition of a subnet whose pods are served: condition `Validated` has the parts of the spec that are not
 * accepted.
 */
function notAsWritten(effect: ConditionEffect): ConditionEffect {
  const { reason, message, refused } = effect;
  return { ...effect, refused: refused ?? { reason, message } };
}

/** The configuration that stays active if a part of its spec is refused. */
function former({ cidr, gateway }: SubnetFact, { refused }: VerdictFact): string {
  if (refused === undefined) return "";
  return `the last accepted cidrBlock ${joinDual(cidr)} and gateway ${joinDual(gateway)} stay active; condition Validated says why the spec is not accepted`;
}

function inUse(holders: readonly string[], { joinSubnet }: ClusterFact): string {
  const shown = holders.slice(0, 5).join(", ");
  const more = holders.length > 5 ? ` and ${holders.length - 5} more` : "";
  const nodes = holders.some((name) => name.startsWith(nodePortName("")))
    ? `; nodes have addresses in "${joinSubnet}"`
    : "";
  return `waiting for addresses to be released: ${shown}${more}${nodes}`;
}
