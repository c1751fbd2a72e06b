// SPDX-License-Identifier: Apache-2.0

import { spell } from "../../api/composed-name.ts";
import {
  ADDRESS_CONDITION,
  CHASSIS_CONDITION,
  NETWORKS_CONDITION,
  nodePortGroupName,
  SERVICES_CONDITION,
} from "../../api/names.ts";
import { nodePortName } from "../../api/port-names.ts";
import { samePlain } from "../../collections/plain.ts";
import { encodeNodeContract } from "../../contract/node.ts";
import type { Fragment } from "../../desired/fragment.ts";
import type { UnitKind } from "../../desired/unit-kind.ts";
import type { ClusterFact } from "../../facts/cluster.ts";
import type { IpFact } from "../../facts/ip.ts";
import type { NodeFact } from "../../facts/node.ts";
import type { ProviderNodeFact } from "../../facts/provider.ts";
import type { FactReader } from "../../facts/store.ts";
import type { SubnetFact } from "../../facts/subnet.ts";
import { annotate, type NodeConditionEffect, releaseIp, type WeftEffect } from "../effects.ts";
import { FragmentBuilder } from "../fragment-builder.ts";
import { POLICY_PRIORITY } from "../gateway/router-policy-priorities.ts";
import { addNodeGateway } from "../gateway/subnet-gateway.ts";
import { nameCollisionKey } from "../name-claims.ts";
import { nodeGroupId, nodePortId, nodesSetId, routerId, switchId } from "../owner-ids.ts";
import { externalIds } from "../rows.ts";
import { rangesOfServices } from "../service/service-ranges.ts";
import { addNodeServices, serviceAddresses, serviceSourceProblem } from "../service/service-switch.ts";
import { hasNodeEip, isConfiguredGateway, labelGateway, labelNodeEip } from "./external-gateway-label.ts";
import { compileNodeAcls } from "./node-acls.ts";
import { judgeNodeAddresses, type NodeAddresses } from "./node-addresses.ts";
import { type JudgedNetworks, judgeNodeNetworks } from "./node-networks.ts";
import { addNodeQos, nodeQosRecord, reportNodeQos } from "./node-qos.ts";
import { addNodeSources, blocksOfNode, type NodeBlocks } from "./node-sources.ts";
import { exchangedUplinksOf, keptVlansOf, labelUplinks, uplinksOf, vlanUplinksOf } from "./node-uplinks.ts";

interface Problem {
  readonly reason: string;
  readonly message: string;
}

interface NodeInput {
  readonly node: NodeFact | undefined;
  /** Its trusted addresses. */
  readonly addresses: NodeAddresses;
  /** Its additional networks. */
  readonly networks: JudgedNetworks | undefined;
  /** The networks outside, also those that it is excluded from. */
  readonly uplinks: readonly ProviderNodeFact[];
  /** Whether the ConfigMap of external gateways names it. */
  readonly external: boolean;
  /** Whether an OvnEip is its address in an external subnet. */
  readonly nodeEip: boolean;
  readonly cluster: ClusterFact;
  readonly join: SubnetFact | undefined;
  /** The record of its address on the join switch; absent until it has been allocated. */
  readonly ip: IpFact | undefined;
  /** Whether there are policies, so that a rule must allow the node to reach its own pods. */
  readonly policies: boolean;
  /** The groups of policies that its sources for Services may be in. */
  readonly blocks: NodeBlocks;
  /** The name of its Port_Group. */
  readonly group: string;
  /** The ranges of Services; empty with kube-proxy. */
  readonly serviceRanges: readonly string[];
  /** The problem with its chassis; absent if it is not known: then its condition stays. */
  readonly chassis?: { readonly problem: Problem | undefined };
}

/**
 * A node: its port on the join switch, the group of its pods, and the policies by which pods reach the node's own
 * addresses and, through the node, the outside.
 */
export const nodeUnit: UnitKind<FactReader, NodeInput, WeftEffect> = {
  name: "node",
  priority: 2,

  read(reader, key) {
    const cluster = reader.get("cluster", "cluster");
    const node = reader.get("nodes", key);
    const [ip] = reader.by("ips", "holder", `node:${key}`);
    if (cluster === undefined || (node === undefined && ip === undefined)) return undefined;
    const policies = reader.all("policyUse").length > 0;
    const addresses = node === undefined ? { accepted: {}, refused: [] } : judgeNodeAddresses(reader, node, cluster);
    const taken = reader.get("nameCollisions", nameCollisionKey.node(key))?.taken["group"] !== undefined;
    const group = spell(nodePortGroupName(key), taken);
    const chassis = chassisOf(reader, key);
    const join = reader.get("subnets", cluster.joinSubnet);
    const networks = node && judgeNodeNetworks(reader, node);
    const blocks = blocksOfNode(reader, key);
    const uplinks = reader.by("providerNodes", "node", key);
    const serviceRanges = cluster.kubeProxyReplacement === true ? rangesOfServices(reader) : [];
    const external = isConfiguredGateway(reader, key);
    return {
      node,
      addresses,
      networks,
      uplinks,
      external,
      nodeEip: hasNodeEip(reader, key),
      cluster,
      join,
      ip,
      policies,
      blocks,
      group,
      serviceRanges,
      ...(chassis && { chassis }),
    };
  },

  compile({
    node,
    addresses: { accepted, refused },
    networks,
    uplinks: outside,
    external,
    nodeEip,
    cluster,
    join,
    ip,
    policies,
    blocks,
    group,
    serviceRanges,
    chassis,
  }): Fragment<WeftEffect> {
    if (node === undefined) {
      return new FragmentBuilder().finish(ip === undefined || ip.reserved ? [] : [releaseIp(ip)]);
    }
    const build = new FragmentBuilder();
    build.row("Port_Group", nodeGroupId(node.name), {
      name: group,
      external_ids: externalIds({ node: node.name, np: `node/${node.name}` }),
    });
    const own = { ...(ip?.v4 && { v4: ip.v4 }), ...(ip?.v6 && { v6: ip.v6 }) };
    const balanced = cluster.kubeProxyReplacement === true && join !== undefined;
    const [source] = balanced ? serviceAddresses(own, join) : [{}];
    if (policies) compileNodeAcls(build, node.name, [accepted, own, source], group);
    addNodeSources(build, blocks, accepted, source ?? {});
    const uplinks = uplinksOf(node, outside);
    const said = [
      ...labelUplinks(node, outside),
      ...labelGateway(node, external),
      ...labelNodeEip(node, nodeEip),
      ...conditionEffects(node, ADDRESS_CONDITION, node.addressProblem, addressProblem(refused)),
      ...conditionEffects(node, NETWORKS_CONDITION, node.networksProblem, networks?.problem),
      ...conditionEffects(
        node,
        SERVICES_CONDITION,
        node.servicesProblem,
        balanced ? serviceSourceProblem(own, join) : undefined,
      ),
      ...(chassis === undefined ? [] : conditionEffects(node, CHASSIS_CONDITION, node.chassisProblem, chassis.problem)),
    ];
    if (ip === undefined || join === undefined) return build.finish(said);
    const port = nodePortName(node.name);
    const addresses = [ip.mac, ip.v4, ip.v6].filter((part) => part !== "").join(" ");
    build.held("Logical_Switch", switchId(join.name), "ports", "Logical_Switch_Port", nodePortId(node.name), {
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
      const address = accepted[family];
      if (address === undefined || hop === "") continue;
      sources[family] = address;
      build.member("Address_Set", nodesSetId(family === "v4" ? 4 : 6), "addresses", address);
      const id = `${nodePortId(node.name)}/${family}`;
      build.held("Logical_Router", routerId(cluster.router), "policies", "Logical_Router_Policy", id, {
        priority: POLICY_PRIORITY.node,
        match: `${match}.dst == ${address}`,
        action: "reroute",
        nexthops: [hop],
        external_ids: externalIds({ node: node.name, "address-family": family === "v4" ? "4" : "6" }),
      });
    }
    addNodeGateway(build, node.name, cluster, own);
    const contract = encodeNodeContract({
      mac: ip.mac,
      addresses: own,
      cidr: join.cidr,
      gateway: join.gateway,
      sources,
      joinSubnet: join.name,
      portName: port,
      ...(cluster.nodePorts && { nodePorts: cluster.nodePorts }),
      ...(networks?.used && { networks: networks.accepted }),
      ...(uplinks && {
        uplinks,
        vlanUplinks: vlanUplinksOf(outside),
        exchangedUplinks: exchangedUplinksOf(outside),
        keptVlans: keptVlansOf(outside),
      }),
      ...(balanced && { services: addNodeServices(build, node.name, own, join, cluster, serviceRanges) }),
    });
    const qos = addNodeQos(build, node, port, join.name, cluster);
    const effects = annotate("nodes", node, { ...contract, ...nodeQosRecord(qos) });
    return build.finish([...effects, ...said, ...reportNodeQos(node, qos, cluster)]);
  },
};

/** The problem with the chassis of a node, if it is known. */
function chassisOf(reader: FactReader, node: string): NodeInput["chassis"] {
  if (reader.get("served", "chassis") === undefined) return undefined;
  const found = reader.get("chassisProblems", node);
  return { problem: found && { reason: found.reason, message: found.message } };
}

/** Its addresses that are not trusted. */
function addressProblem(refused: NodeAddresses["refused"]): Problem | undefined {
  const [first] = refused;
  return first && { reason: first.reason, message: refused.map(({ message }) => message).join("; ") };
}

/** The condition and Event that report a node's problem; none if the condition already reports it. */
function conditionEffects(
  { name, uid }: NodeFact,
  type: NodeConditionEffect["type"],
  reported: Problem | undefined,
  problem: Problem | undefined,
): readonly WeftEffect[] {
  if (samePlain(problem, reported)) return [];
  const condition = { kind: "node-condition", key: `node-condition/${type}/${uid}`, type, name, uid, problem } as const;
  if (problem === undefined) return [condition];
  const about = { resource: "nodes", namespace: "", name, uid } as const;
  return [condition, { kind: "report", key: `report/${type}/${uid}`, about, ...problem }];
}
