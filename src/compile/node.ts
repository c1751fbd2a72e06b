import { NODE } from "../api/annotations.ts";
import { nodePortGroupName, nodePortName } from "../api/names.ts";
import { joinDual } from "../facts/project-subnet.ts";
import type { FactReader } from "../facts/store.ts";
import type { ClusterFact, IpFact, NodeFact, SubnetFact } from "../facts/types.ts";
import { dualValues } from "../net/dual.ts";
import type { Fragment } from "../unit/fragment.ts";
import type { UnitKind } from "../unit/kind.ts";
import { annotate, releaseIp, type WeftEffect } from "./effects.ts";
import { FragmentBuilder } from "./fragment-builder.ts";
import { compileNodeAcls } from "./node-acls.ts";
import { nodeGroupId, nodesSetId, routerId, switchId } from "./owner-ids.ts";
import { externalIds } from "./rows.ts";
import { POLICY_PRIORITY } from "./subnet-gateway.ts";

interface NodeInput {
  readonly node: NodeFact | undefined;
  readonly cluster: ClusterFact;
  readonly join: SubnetFact | undefined;
  /** The record of its address on the join switch; absent until one is allocated. */
  readonly ip: IpFact | undefined;
  /** Whether there are policies, so that it must be said that the node always reaches its own pods. */
  readonly policies: boolean;
}

/** A node: its port on the join switch, the group of its pods, and the way from pods to its own addresses. */
export const nodeUnit: UnitKind<FactReader, NodeInput, WeftEffect> = {
  name: "node",
  priority: 2,

  read(reader, key) {
    const cluster = reader.get("cluster", "cluster");
    const node = reader.get("nodes", key);
    const [ip] = reader.by("ips", "holder", `node:${key}`);
    if (cluster === undefined || (node === undefined && ip === undefined)) return undefined;
    const policies = reader.all("policyUse").length > 0;
    return { node, cluster, join: reader.get("subnets", cluster.joinSubnet), ip, policies };
  },

  compile({ node, cluster, join, ip, policies }): Fragment<WeftEffect> {
    if (node === undefined) {
      return { rows: [], edges: [], effects: ip === undefined || ip.reserved ? [] : [releaseIp(ip)] };
    }
    const build = new FragmentBuilder();
    build.row("Port_Group", nodeGroupId(node.name), {
      name: nodePortGroupName(node.name),
      external_ids: externalIds({ node: node.name, np: `node/${node.name}` }),
    });
    if (policies) compileNodeAcls(build, node, ip);
    if (ip === undefined || join === undefined) return build.finish();
    const port = nodePortName(node.name);
    const addresses = [ip.mac, ip.v4, ip.v6].filter((part) => part !== "").join(" ");
    build.held("Logical_Switch", switchId(join.name), "ports", "Logical_Switch_Port", port, {
      name: port,
      type: "",
      addresses: [addresses],
      external_ids: externalIds({ ls: join.name }),
    });
    const sources: { v4?: string; v6?: string } = {};
    for (const [family, match, hop] of [
      ["v4", "ip4", ip.v4],
      ["v6", "ip6", ip.v6],
    ] as const) {
      const address = node.internal[family];
      if (address === undefined || hop === "") continue;
      sources[family] = address;
      build.member("Address_Set", nodesSetId(family === "v4" ? 4 : 6), "addresses", address);
      build.held("Logical_Router", routerId(cluster.router), "policies", "Logical_Router_Policy", `${port}/${family}`, {
        priority: POLICY_PRIORITY.node,
        match: `${match}.dst == ${address}`,
        action: "reroute",
        nexthops: [hop],
        external_ids: externalIds({ node: node.name, "address-family": family === "v4" ? "4" : "6" }),
      });
    }
    const effects = annotate("nodes", node, {
      [NODE.allocated]: "true",
      [NODE.ipAddress]: joinDual({ ...(ip.v4 && { v4: ip.v4 }), ...(ip.v6 && { v6: ip.v6 }) }),
      [NODE.macAddress]: ip.mac,
      [NODE.cidr]: joinDual(join.cidr),
      [NODE.gateway]: joinDual(join.gateway),
      [NODE.logicalSwitch]: join.name,
      [NODE.portName]: port,
      [NODE.source]: dualValues(sources).length === 0 ? undefined : joinDual(sources),
    });
    return build.finish(effects);
  },
};
