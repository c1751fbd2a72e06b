// SPDX-License-Identifier: Apache-2.0

import { loadBalancerGroupName, UPLINKS_GROUP } from "../../api/names.ts";
import { defaultOfVpc } from "../../claims/namespace-subnets.ts";
import type { Fragment } from "../../desired/fragment.ts";
import type { UnitKind } from "../../desired/unit-kind.ts";
import type { ClusterFact } from "../../facts/cluster.ts";
import type { BfdSessionFact } from "../../facts/database.ts";
import type { FactReader } from "../../facts/store.ts";
import type { BfdPortFact, StaticRouteFact, VpcFact } from "../../facts/vpc.ts";
import { type Dual, dualValues } from "../../net/dual.ts";
import { type ConditionEffect, fill, type Note, problemText, type WeftEffect, withNotes } from "../effects.ts";
import { FragmentBuilder } from "../fragment-builder.ts";
import { loadBalancerGroupId, routerId, UPLINKS_ID } from "../owner-ids.ts";
import { malformedNotes, unsupportedNotes, vpcReferences } from "../references.ts";
import { externalIds } from "../rows.ts";
import { orderNotes } from "./route-order.ts";
import { addBfdPort, bfdNotes, bfdProblems, bfdStatus } from "./vpc-bfd.ts";
import { addExternalPorts, type Externals, externalEffects, externalStatus, readExternals } from "./vpc-external.ts";
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
import { matchNotes, rememberRoutes, routeNotes, SYMMETRIC, settleVpcRoutes } from "./vpc-routes.ts";

/** The two halves of all addresses of a family. */
const HALVES: Readonly<Record<string, readonly string[]>> = {
  "0.0.0.0/0": ["0.0.0.0/1", "128.0.0.0/1"],
  "::/0": ["::/1", "8000::/1"],
};

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
  /** The ranges of the VPCs that it is peered with; read only where it has a port in an external subnet. */
  readonly peerRanges: readonly ConnectedRange[];
  /** The vacant next hops of its routes. */
  readonly vacant: readonly string[];
  /** The BFD sessions that its static routes name. */
  readonly sessions: readonly Pick<BfdSessionFact, "uuid" | "address">[];
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
      peerRanges:
        externals.links.length === 0
          ? []
          : peerings.links.flatMap(({ remoteVpc }) => connectedRanges(reader, remoteVpc)),
      vacant: vacantHops(reader, vpc, ranges, peerings.links),
      sessions: vpc.staticRoutes.flatMap(({ bfdId }) =>
        bfdId === "" ? [] : reader.by("bfdSessions", "uuid", bfdId).map(({ uuid, address }) => ({ uuid, address })),
      ),
      bfdNodes: vpc.bfdPort === undefined ? [] : (reader.get("bfdPorts", key)?.nodes ?? []),
      policies: !vpc.isDefault && reader.all("policyUse").length > 0,
      peeredBy: vpc.deleting ? peeredBy(reader, vpc) : [],
    };
  },

  compile(input): Fragment<WeftEffect> {
    const { vpc, notes, defaultSubnet, subnets, ranges, peerings, externals } = input;
    const build = new FragmentBuilder();
    if (vpc.deleting && subnets.length + input.peeredBy.length === 0)
      return build.finish([...externalEffects(vpc, externals), ...fill("vpcs", vpc, { finalizer: false })]);
    build.row("Logical_Router", routerId(vpc.name), {
      name: vpc.name,
      options: {
        // As in Kube-OVN: what is outside may move from one MAC to another.
        always_learn_from_arp_request: String(externals.links.length > 0),
        dynamic_neigh_routers: "true",
        mac_binding_age_threshold: "300",
      },
      external_ids: externalIds(),
    });
    // The load balancers of the VPC's Services: each Service adds its own, and each switch has the group.
    build.row("Load_Balancer_Group", loadBalancerGroupId(vpc.name), { name: loadBalancerGroupName(vpc.name) });
    // Each subnet adds its own port.
    if (vpc.isDefault) build.row("Port_Group", UPLINKS_ID, { name: UPLINKS_GROUP, external_ids: externalIds() });
    addPeerings(build, vpc, peerings.links, ranges);
    addExternalPorts(build, vpc, externals.links, [...ranges, ...input.peerRanges]);
    addBfdPort(build, input);
    if (vpc.isDefault) addProbeSourceGuard(build, vpc.name);
    else {
      addVpcProbe(build, vpc.name);
      addVpcPods(build, vpc.name, input.policies);
    }
    const routes = settleVpcRoutes(vpc);
    const hops = checkNextHops(routes.staticRoutes, routes.policyRoutes, networksOf(input), input.vacant);
    addStaticRoutes(build, input, routes.staticRoutes);
    for (const { priority, match, action, nextHops } of hops.policyRoutes) {
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
        // The cause before its consequences.
        ...externals.notes,
        ...hops.notes,
        ...routeNotes(routes.staticRoutes, input.sessions),
        ...orderNotes(
          routes.staticRoutes,
          networksOf(input).map(({ cidr }) => cidr),
        ),
        ...matchNotes(routes.policyRoutes),
        ...bfdNotes(input),
        ...notes,
        ...unsupportedNotes(vpc),
        ...malformedNotes(vpc),
      ]),
    );
    return build.finish([...externalEffects(vpc, externals), ...effects]);
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

/**
 * The static routes of the spec. In the default VPC also the route to the nodes, in each routing table: a port with a routing table does not use
 * routes of other tables (ovn-nb(5), Logical_Router_Static_Route `route_table`).
 */
function addStaticRoutes(
  build: FragmentBuilder,
  { vpc, joinGateway, routeTables, sessions }: VpcInput,
  staticRoutes: readonly StaticRouteFact[],
): void {
  const route = (
    of: string,
    columns: { ip_prefix: string; nexthop: string; policy: "dst-ip" | "src-ip"; route_table: string },
    { bfd, symmetric = false }: { readonly bfd?: string | undefined; readonly symmetric?: boolean } = {},
  ): void => {
    const router = routerId(vpc.name);
    const row = { ...columns, bfd, options: symmetric ? { ecmp_symmetric_reply: "true" } : {} };
    const id = `${vpc.name}/${of}`;
    build.held(
      "Logical_Router",
      router,
      "static_routes",
      "Logical_Router_Static_Route",
      id,
      { ...row, external_ids: externalIds() },
      ["bfd"],
    );
  };
  for (const table of new Set(["", ...routeTables, ...staticRoutes.map(({ routeTable }) => routeTable)])) {
    const suffix = table === "" ? "" : `/${table}`;
    const way = { policy: "dst-ip", route_table: table } as const;
    if (joinGateway.v4 !== undefined)
      route(`default4${suffix}`, { ...way, ip_prefix: "0.0.0.0/0", nexthop: joinGateway.v4 });
    if (joinGateway.v6 !== undefined)
      route(`default6${suffix}`, { ...way, ip_prefix: "::/0", nexthop: joinGateway.v6 });
  }
  const known = new Set<string>();
  for (const { policy, cidr, nextHopIp, routeTable, ecmpMode, bfdId } of staticRoutes.flatMap(inOvn)) {
    const id = `route/${routeTable}/${policy}/${cidr}/${nextHopIp}`;
    // Equal routes are one row.
    if (known.has(id)) continue;
    known.add(id);
    const side = policy === "policySrc" ? "src-ip" : "dst-ip";
    const session = sessions.find(({ uuid }) => uuid === bfdId);
    route(
      id,
      { ip_prefix: cidr, nexthop: nextHopIp, policy: side, route_table: routeTable },
      { bfd: session?.address === nextHopIp ? session.uuid : undefined, symmetric: ecmpMode === SYMMETRIC },
    );
  }
}

function inUse({ subnets, peeredBy }: VpcInput): string {
  const parts = [
    ...(subnets.length === 0 ? [] : [`subnets of the VPC to be deleted: ${subnets.join(", ")}`]),
    ...(peeredBy.length === 0 ? [] : [`peerings with it to be removed from VPCs: ${peeredBy.join(", ")}`]),
  ];
  return `waiting for ${parts.join("; and for ")}`;
}

/**
 * A route in the form for OVN. A source route for all addresses becomes two, one for each half: northd gives it the same priority as the router's own
 * flow that drops (26.03, findings/ovn-source-default-route-ties-with-drop.sh).
 */
function inOvn(route: StaticRouteFact): StaticRouteFact[] {
  const halves = route.policy === "policySrc" ? HALVES[route.cidr] : undefined;
  return halves === undefined ? [route] : halves.map((cidr) => ({ ...route, cidr }));
}
