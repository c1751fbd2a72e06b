// SPDX-License-Identifier: Apache-2.0

import { nodePortName } from "../../api/port-names.ts";
import type { Kube } from "../../kube/kube.ts";
import type { Ip } from "../../net/address.ts";
import { buildClusterModel, type ClusterModel, readObjects } from "../cluster-model.ts";
import { everyDaemon, readEach, type ToolTarget } from "../tools/targets.ts";
import { diagnoseChecksums } from "./checksums.ts";
import type { Finding } from "./finding.ts";
import { type NodeLookQuestion, readSeenNode, type SeenNode } from "./on-node/node-view.ts";
import { diagnosePaths } from "./paths.ts";
import { diagnoseRoutes } from "./routes.ts";
import { diagnoseStaleFlows, staleServiceFlows } from "./stale-flows.ts";
import { diagnoseDuplicates } from "./wire.ts";

/** How nodes are looked at. */
export interface NodeLook {
  readonly kube: Kube;
  /** Weft's. */
  readonly namespace: string;
  /** Runs a command in a container of a pod of Weft. */
  readonly capture: (target: ToolTarget) => Promise<string>;
  /** Only this node; all where it is absent. */
  readonly node?: string;
}

/** The command of the image's own weftctl, with a question as JSON. */
export const NODE_COMMAND = "diagnose-node";
/** Nodes to which each node sends packets: with many nodes, those after it in the order of names, so that each is reached by some. */
const PEERS = 4;

/**
 * Looks at nodes, by Weft's own program in the daemon's container. A node that cannot be looked at is a finding. Rejects with a `ToolError` or `KubeError`.
 */
export async function diagnoseOnNodes(
  model: ClusterModel,
  { kube, namespace, capture, node: only }: NodeLook,
): Promise<readonly Finding[]> {
  const daemons = (await everyDaemon(kube, namespace)).filter(({ node }) => only === undefined || node === only);
  const findings: Finding[] = [];
  const views = new Map<string, SeenNode>();
  const failed = await readEach(daemons, async ({ node, pod, container }) => {
    const question = JSON.stringify(questionFor(model, node));
    const view = readSeenNode(await capture({ pod, container, command: ["weftctl", NODE_COMMAND, question] }));
    views.set(node, view);
  });
  for (const why of failed)
    findings.push({
      ...{
        area: "node",
        object: /^node (\S+)/.exec(why)?.[1]?.replace(/^/, "Node ") ?? "nodes",
        severity: "unchecked",
      },
      ...{ problem: "could not be looked at", evidence: why },
      remedy: "see the pod of DaemonSet kube-ovn-cni on the node; its image must have this version of weftctl",
    });
  for (const [node, view] of views)
    findings.push(
      ...diagnosePaths(model, node, view),
      ...diagnoseChecksums(node, view),
      ...diagnoseRoutes(model, node, view),
      ...diagnoseDuplicates(node, view),
      ...view.problems.map(
        (evidence): Finding => ({
          ...{
            area: "node",
            object: `Node ${node}`,
            severity: "unchecked",
            problem: "could not be looked at completely",
          },
          ...{ evidence, remedy: "the other checks of the node were done" },
        }),
      ),
    );
  return [...findings, ...(await stale(kube, model, views))];
}

/** Endpoints may have come since the objects were read: then they are read again before a flow is called stale. */
async function stale(
  kube: Kube,
  model: ClusterModel,
  views: ReadonlyMap<string, SeenNode>,
): Promise<readonly Finding[]> {
  if (![...views.values()].some((view) => staleServiceFlows(model, view).length > 0)) return [];
  const now = buildClusterModel(await readObjects(kube));
  return [...views].flatMap(([node, view]) => {
    const known = new Set(
      staleServiceFlows(model, view).map(({ virtual, port, backend }) => `${virtual} ${port} ${backend}`),
    );
    const still = staleServiceFlows(now, view).filter(({ virtual, port, backend }) =>
      known.has(`${virtual} ${port} ${backend}`),
    );
    return diagnoseStaleFlows(node, still);
  });
}

/** What a node is asked. */
function questionFor({ facts, network }: ClusterModel, node: string): NodeLookQuestion {
  const names = facts
    .all("nodes")
    .flatMap(({ name, ready }) => (ready || name === node ? name : []))
    .sort();
  const at = names.indexOf(node);
  const following = [...names.slice(at + 1), ...names.slice(0, Math.max(at, 0))].slice(0, PEERS);
  const physical = new Set(facts.all("subnets").flatMap(({ name, vlan }) => (vlan === "" ? [] : name)));
  return {
    peers: following.map((peer) => ({
      node: peer,
      addresses: (Object.values(network.ports.get(nodePortName(peer))?.addresses ?? {}) as Ip[]).map(
        ({ text }) => text,
      ),
    })),
    probed: [...network.ports.values()].flatMap(({ name, pod, switch: at }) =>
      pod !== undefined && physical.has(at) && facts.get("pods", pod)?.node === node ? name : [],
    ),
    own: Object.values(facts.get("nodes", node)?.internal ?? {}),
  };
}
