// SPDX-License-Identifier: Apache-2.0

import { spell } from "../../api/composed-name.ts";
import {
  insideBalancerGroupName,
  loadBalancerGroupName,
  PROBE_NETWORK,
  probeRouterPortName,
  routerPortName,
  UPLINKS_GROUP,
} from "../../api/names.ts";
import { defaultOfVpc } from "../../claims/namespace-subnets.ts";
import type { Fragment } from "../../desired/fragment.ts";
import type { UnitKind } from "../../desired/unit-kind.ts";
import type { ClusterFact } from "../../facts/cluster.ts";
import type { BfdSessionFact } from "../../facts/database.ts";
import { EXTERNAL_GATEWAY_CONFIG, type ExternalGatewayConfigFact } from "../../facts/external-config.ts";
import type { FactReader } from "../../facts/store.ts";
import type { BfdPortFact, VpcFact } from "../../facts/vpc.ts";
import { type Dual, dualValues } from "../../net/dual.ts";
import { type ConditionEffect, fill, type Note, type WeftEffect } from "../effects.ts";
import { FragmentBuilder } from "../fragment-builder.ts";
import {
  insideBalancerGroupId,
  loadBalancerGroupId,
  probeSwitchId,
  routerId,
  switchId,
  UPLINKS_ID,
} from "../owner-ids.ts";
import { malformedNotes, vpcReferences } from "../references.ts";
import { problemText, withNotes } from "../reports.ts";
import { externalIds } from "../rows.ts";
import { matchNotes, rememberRoutes, routeNotes, settleVpcRoutes } from "./accepted-routes.ts";
import { peerSources } from "./peer-sources.ts";
import { resolveNextHop } from "./policy-next-hop.ts";
import { orderNotes } from "./route-order.ts";
import { addStaticRoutes } from "./static-routes.ts";
import { addBfdPort, type BfdLink, bfdNotes, bfdProblems, bfdStatus } from "./vpc-bfd.ts";
import { addExternalPorts, type Externals, externalEffects, externalStatus, readExternals } from "./vpc-external.ts";
import {
  addExternalSessions,
  hasNodeHops,
  readSessions,
  type SessionStates,
  sessionNotes,
} from "./vpc-external-bfd.ts";
import { configNotes, followConfig } from "./vpc-external-config.ts";
import { checkNextHops, type RouterNetwork, vacantHops } from "./vpc-next-hops.ts";
import {
  addPeerings,
  type ConnectedRange,
  connectedRanges,
  type Peerings,
  peeredBy,
  readPeerings,
} from "./vpc-peerings.ts";
import { addVpcPods } from "./vpc-pods.ts";
import { addProbeSourceGuard, addVpcProbe } from "./vpc-probe.ts";

interface VpcInput {
  readonly vpc: VpcFact;
  /** Objects that the spec names and that do not exist. */
  readonly notes: readonly Note[];
  /** The join subnet's gateway: the next hop of the default VPC's default route. */
  readonly joinGateway: Dual<string>;
  readonly defaultSubnet: string;
  /** Names of the VPC's subnets. */
  readonly subnets: readonly string[];
  /** The ranges that its router is connected to. */
  readonly ranges: readonly ConnectedRange[];
  /** The routing tables that its subnets name, besides the main one. */
  readonly routeTables: readonly string[];
  readonly peerings: Peerings;
  readonly externals: Externals;
  /** The ConfigMap of the default VPC's external subnet; absent for other VPCs, and if there is none. */
  readonly externalConfig: ExternalGatewayConfigFact | undefined;
  /** The nodes that the ConfigMap names and that do not exist. */
  readonly missingGateways: readonly string[];
  /** The ranges of the VPCs that it is peered with; read only if it has a port in an external subnet or a BFD port. */
  readonly peerRanges: readonly ConnectedRange[];
  /** Remote VPC → the ranges of its subnets; read only if there are several peers. */
  readonly rangesOfPeers: Readonly<Record<string, readonly ConnectedRange[]>>;
  /** The vacant next hops of its routes. */
  readonly vacant: readonly string[];
  /** The BFD sessions that its static routes name. */
  readonly sessions: readonly Pick<BfdSessionFact, "uuid" | "address">[];
  readonly bfdLink: BfdLink;
  /** The sessions in external subnets that monitor its next hops, as far as they exist. */
  readonly sessionStates: SessionStates;
  /** The nodes that may host its BFD port. */
  readonly bfdNodes: BfdPortFact["nodes"];
  /** Whether there are policies, so that a rule must allow nodes to reach its pods; `false` for the default VPC, whose pods are in groups of nodes. */
  readonly policies: boolean;
  /** The VPCs whose peerings keep it; read only while it is being deleted. */
  readonly peeredBy: readonly string[];
}

/** A VPC: its logical router and the routes and policies of its spec. */
export const vpcUnit: UnitKind<FactReader, VpcInput, WeftEffect> = {
  name: "vpc",
  priority: 0,

  read(reader, key) {
    const vpc = reader.get("vpcs", key);
    if (vpc === undefined) return undefined;
    const cluster: ClusterFact | undefined = reader.get("cluster", "cluster");
    const join = vpc.isDefault && cluster ? reader.get("subnets", cluster.joinSubnet) : undefined;
    const members = reader.by("subnets", "vpc", key);
    const subnets = members.map((subnet) => subnet.name);
    const defaultSubnet = vpc.isDefault ? (cluster?.defaultSubnet ?? "") : (defaultOfVpc(reader, vpc)?.name ?? "");
    const ranges = connectedRanges(reader, key);
    const peerings = readPeerings(reader, vpc);
    const externals = readExternals(reader, vpc);
    const externalConfig = vpc.isDefault ? reader.get("externalGatewayConfigs", EXTERNAL_GATEWAY_CONFIG) : undefined;
    return {
      vpc,
      notes: vpcReferences(reader, vpc),
      joinGateway: join?.gateway ?? {},
      defaultSubnet,
      subnets,
      ranges,
      routeTables: [...new Set(members.map(({ routeTable }) => routeTable))].filter((table) => table !== "").sort(),
      peerings,
      externals,
      externalConfig,
      missingGateways: (externalConfig?.enabled === true ? externalConfig.nodes : []).filter(
        (name) => reader.get("nodeNames", name) === undefined,
      ),
      peerRanges:
        externals.links.length === 0 && vpc.bfdPort === undefined
          ? []
          : peerings.links.flatMap(({ remoteVpc }) => connectedRanges(reader, remoteVpc)),
      rangesOfPeers:
        peerings.links.length < 2
          ? {}
          : Object.fromEntries(peerings.links.map(({ remoteVpc }) => [remoteVpc, connectedRanges(reader, remoteVpc)])),
      vacant: vacantHops(reader, vpc, ranges, peerings.links),
      sessions: vpc.staticRoutes.flatMap(({ bfdId }) =>
        bfdId === "" ? [] : reader.by("bfdSessions", "uuid", bfdId).map(({ uuid, address }) => ({ uuid, address })),
      ),
      sessionStates: readSessions(reader, vpc, externals.links),
      bfdLink:
        vpc.isDefault && cluster !== undefined
          ? {
              holder: switchId(cluster.joinSubnet),
              // The join subnet is as old as the VPC, so no other port has the name.
              routerPort: spell(routerPortName(key, cluster.joinSubnet), false),
              gateway: join?.gateway ?? {},
            }
          : {
              holder: probeSwitchId(key),
              routerPort: probeRouterPortName(key),
              gateway: { v4: PROBE_NETWORK.v4.router, v6: PROBE_NETWORK.v6.router },
            },
      bfdNodes: vpc.bfdPort === undefined ? [] : (reader.get("bfdPorts", key)?.nodes ?? []),
      policies: !vpc.isDefault && reader.all("policyUse").length > 0,
      peeredBy: vpc.deleting ? peeredBy(reader, vpc) : [],
    };
  },

  compile(input): Fragment<WeftEffect> {
    const { vpc, notes, defaultSubnet, subnets, ranges, peerings, externals, externalConfig: config } = input;
    const build = new FragmentBuilder();
    if (vpc.deleting && subnets.length + input.peeredBy.length === 0)
      return build.finish([...externalEffects(vpc, externals, config), ...fill("vpcs", vpc, { finalizer: false })]);
    build.row("Logical_Router", routerId(vpc.name), {
      name: vpc.name,
      options: {
        // As in Kube-OVN: an external address may move from one MAC to another.
        always_learn_from_arp_request: String(externals.links.length > 0 || ranges.some(({ isOutside }) => isOutside)),
        dynamic_neigh_routers: "true",
        mac_binding_age_threshold: "300",
      },
      external_ids: externalIds(),
    });
    // The load balancers of the VPC's Services: each Service adds its own, and each switch has the group.
    build.row("Load_Balancer_Group", loadBalancerGroupId(vpc.name), { name: loadBalancerGroupName(vpc.name) });
    if (vpc.isDefault)
      build.row("Load_Balancer_Group", insideBalancerGroupId(vpc.name), { name: insideBalancerGroupName(vpc.name) });
    // Each subnet adds its own port.
    if (vpc.isDefault) build.row("Port_Group", UPLINKS_ID, { name: UPLINKS_GROUP, external_ids: externalIds() });
    const routes = settleVpcRoutes(vpc);
    const sources = peerSources(peerings.links, input.rangesOfPeers, routes.staticRoutes);
    addPeerings(build, vpc, peerings.links, ranges, sources.dropped);
    addExternalPorts(build, vpc, externals.links, [...ranges, ...input.peerRanges]);
    if (vpc.isDefault) addProbeSourceGuard(build, vpc.name);
    else {
      addVpcProbe(build, vpc.name);
      addVpcPods(build, vpc.name, input.policies);
    }
    const hops = checkNextHops(routes.staticRoutes, routes.policyRoutes, networksOf(input), input.vacant);
    const tables = new Set(["", ...input.routeTables, ...routes.staticRoutes.map(({ routeTable }) => routeTable)]);
    const sessions = addStaticRoutes(build, input, routes.staticRoutes, tables);
    addExternalSessions(build, vpc.name, sessions, input.sessionStates);
    addBfdPort(build, input, tables);
    for (const { priority, match, action, nextHops } of hops.policyRoutes) {
      for (const hop of nextHops) resolveNextHop(build, vpc.name, hop);
      const id = `${vpc.name}/policy/${priority}/${match}`;
      build.held("Logical_Router", routerId(vpc.name), "policies", "Logical_Router_Policy", id, {
        priority,
        match,
        action,
        nexthops: [...nextHops].sort(),
        external_ids: externalIds(),
      });
    }
    const problems = [...routes.problems, ...peerings.problems, ...bfdProblems(input)];
    const [problem] = problems;
    const state = vpc.deleting
      ? {
          ready: false,
          reason: "InUse",
          message: inUse(input),
        }
      : {
          ready: true,
          reason: problem?.reason ?? "Ready",
          message: problemText(problems),
          ...(problem && { refused: { reason: problem.reason, message: problemText(problems) } }),
        };
    const { name, uid, generation } = vpc;
    const status = {
      standby: true,
      default: vpc.isDefault,
      router: name,
      defaultLogicalSwitch: defaultSubnet,
      subnets,
      vpcPeerings: peerings.links.map(({ remoteVpc }) => remoteVpc),
      ...externalStatus(vpc, externals),
      enableBfd: sessions.length > 0 || (vpc.enableBfd && hasNodeHops(externals.links)),
      bfdPort: bfdStatus(input),
    };
    const key = `condition/vpcs/${name}`;
    const condition: ConditionEffect = {
      kind: "condition",
      key,
      resource: "vpcs",
      name,
      uid,
      generation,
      ...state,
      status,
    };
    const effects = fill(
      "vpcs",
      { ...vpc, annotations: vpc.records },
      { finalizer: true, annotations: rememberRoutes(vpc, routes, peerings.remembered) },
      withNotes(condition, [
        ...peerings.notes,
        ...sources.notes,
        // The cause before its consequences.
        ...externals.notes,
        ...configNotes(config, input.missingGateways),
        ...hops.notes,
        ...routeNotes(
          routes.staticRoutes,
          input.sessions,
          externals.links.flatMap(({ nodeHops }) => nodeHops),
        ),
        ...orderNotes(
          routes.staticRoutes,
          networksOf(input).map(({ cidr }) => cidr),
        ),
        ...matchNotes(routes.policyRoutes),
        ...sessionNotes(vpc, externals.links, sessions, input.sessionStates),
        ...bfdNotes(input),
        ...notes,
        ...malformedNotes(vpc),
      ]),
    );
    return build.finish([...followConfig(vpc, config), ...externalEffects(vpc, externals, config), ...effects]);
  },
};

/** The networks of the router's ports: its subnets, external ones too, and the links to its peers. */
function networksOf({ ranges, peerings, externals }: VpcInput): readonly RouterNetwork[] {
  return [
    ...ranges.flatMap(({ cidr, gateway }) => (gateway === undefined ? [] : [{ cidr, address: gateway }])),
    ...peerings.links.flatMap(({ local }) =>
      dualValues(local).map(({ network, address }) => ({ cidr: network, address })),
    ),
    ...externals.links.flatMap(({ cidr, address }) =>
      (["v4", "v6"] as const).flatMap((family) => {
        const [block, own] = [cidr[family], address[family]];
        return block === undefined || own === undefined ? [] : [{ cidr: block, address: own }];
      }),
    ),
  ];
}

function inUse({ subnets, peeredBy }: VpcInput): string {
  const parts = [
    ...(subnets.length === 0 ? [] : [`subnets of the VPC to be deleted: ${subnets.join(", ")}`]),
    ...(peeredBy.length === 0 ? [] : [`peerings with it to be removed from VPCs: ${peeredBy.join(", ")}`]),
  ];
  return `waiting for ${parts.join("; and for ")}`;
}
