// SPDX-License-Identifier: Apache-2.0

import { loadBalancerGroupName, UPLINKS_GROUP } from "../api/names.ts";
import { defaultOfVpc } from "../claims/namespace-subnets.ts";
import type { DesiredRow, Edge, Fragment } from "../desired/fragment.ts";
import type { UnitKind } from "../desired/unit-kind.ts";
import type { ClusterFact } from "../facts/cluster.ts";
import type { FactReader } from "../facts/store.ts";
import type { StaticRouteFact, VpcFact } from "../facts/vpc.ts";
import type { Dual } from "../net/dual.ts";
import { type ConditionEffect, fill, type Note, problemText, type WeftEffect, withNotes } from "./effects.ts";
import { FragmentBuilder } from "./fragment-builder.ts";
import { loadBalancerGroupId, routerId, UPLINKS_ID } from "./owner-ids.ts";
import { malformedNotes, unsupportedNotes, vpcReferences } from "./references.ts";
import { edge, externalIds, row } from "./rows.ts";
import { rememberRoutes, settleVpcRoutes } from "./vpc-routes.ts";

/** The two halves of all addresses of a family. */
const HALVES: Readonly<Record<string, readonly string[]>> = {
  "0.0.0.0/0": ["0.0.0.0/1", "128.0.0.0/1"],
  "::/0": ["::/1", "8000::/1"],
};

interface VpcInput {
  readonly vpc: VpcFact;
  /** What of it names nothing that is there. */
  readonly notes: readonly Note[];
  /** The join subnet's gateway: where the default VPC sends what no subnet holds. */
  readonly joinGateway: Dual<string>;
  readonly defaultSubnet: string;
  /** Names of the VPC's subnets. */
  readonly subnets: readonly string[];
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
    const notes = vpcReferences(reader, vpc);
    return { vpc, notes, joinGateway: join?.gateway ?? {}, defaultSubnet, subnets };
  },

  compile({ vpc, notes, joinGateway, defaultSubnet, subnets }): Fragment<WeftEffect> {
    if (vpc.deleting && subnets.length === 0)
      return new FragmentBuilder().finish(fill("vpcs", vpc, { finalizer: false }));
    const rows: DesiredRow[] = [
      row("Logical_Router", routerId(vpc.name), {
        name: vpc.name,
        options: {
          always_learn_from_arp_request: "false",
          dynamic_neigh_routers: "true",
          mac_binding_age_threshold: "300",
        },
        external_ids: externalIds(),
      }),
      // What balances the VPC's Services: each Service adds its own, each switch takes all.
      row("Load_Balancer_Group", loadBalancerGroupId(vpc.name), { name: loadBalancerGroupName(vpc.name) }),
    ];
    // Each subnet adds its own.
    if (vpc.isDefault) rows.push(row("Port_Group", UPLINKS_ID, { name: UPLINKS_GROUP, external_ids: externalIds() }));
    const edges: Edge[] = [];
    const routes = settleVpcRoutes(vpc);
    const { staticRoutes, policyRoutes, problems } = routes;
    const route = (id: string, prefix: string, nexthop: string, policy: "dst-ip" | "src-ip", table: string): void => {
      const made = row("Logical_Router_Static_Route", `${vpc.name}/${id}`, {
        ip_prefix: prefix,
        nexthop,
        policy,
        route_table: table,
        external_ids: externalIds(),
      });
      rows.push(made);
      edges.push(edge("Logical_Router", routerId(vpc.name), "static_routes", made.uuid));
    };
    if (joinGateway.v4 !== undefined) route("default4", "0.0.0.0/0", joinGateway.v4, "dst-ip", "");
    if (joinGateway.v6 !== undefined) route("default6", "::/0", joinGateway.v6, "dst-ip", "");
    for (const { policy, cidr, nextHopIp, routeTable } of unique(staticRoutes.flatMap(inOvn))) {
      const id = `route/${routeTable}/${policy}/${cidr}/${nextHopIp}`;
      route(id, cidr, nextHopIp, policy === "policySrc" ? "src-ip" : "dst-ip", routeTable);
    }
    for (const { priority, match, action, nextHops } of policyRoutes) {
      const policy = row("Logical_Router_Policy", `${vpc.name}/policy/${priority}/${match}`, {
        priority,
        match,
        action,
        nexthops: [...nextHops].sort(),
        external_ids: externalIds(),
      });
      rows.push(policy);
      edges.push(edge("Logical_Router", routerId(vpc.name), "policies", policy.uuid));
    }
    const [problem] = problems;
    const state = vpc.deleting
      ? {
          ready: false,
          reason: "InUse",
          message: `waiting for subnets of the VPC to be deleted: ${subnets.join(", ")}`,
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
      { finalizer: true, annotations: rememberRoutes(vpc, routes) },
      withNotes(condition, [...notes, ...unsupportedNotes(vpc), ...malformedNotes(vpc)]),
    );
    return { database: "OVN_Northbound", rows, edges, effects };
  },
};

/**
 * A route as OVN is given it. One by source for everything is its two halves: northd gives it the priority of the router's own flow that
 * drops (26.03, findings/ovn-source-default-route-ties-with-drop.sh).
 */
function inOvn(route: StaticRouteFact): StaticRouteFact[] {
  const halves = route.policy === "policySrc" ? HALVES[route.cidr] : undefined;
  return halves === undefined ? [route] : halves.map((cidr) => ({ ...route, cidr }));
}

/** The entries of a list without the repeated ones: equal routes are one row. */
function unique<T>(entries: readonly T[]): T[] {
  return [...new Map(entries.map((entry) => [JSON.stringify(entry), entry])).values()];
}
