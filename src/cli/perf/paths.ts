// SPDX-License-Identifier: Apache-2.0

import type { Node } from "../../kube/types.ts";
import { ToolError } from "../tools/targets.ts";

/** The names of the paths, in the order in which they are measured. */
export const PATHS = ["pod-same-node", "pod-other-node", "service", "host"] as const;

/** Its server is a pod, a Service in front of it, or a program on the network of the server's node. */
export type PathName = (typeof PATHS)[number];

/** A path from a client to the server. */
export interface PerfPath {
  readonly name: PathName;
  readonly clientNode: string;
  readonly host: boolean;
}

/** The nodes of the server and of its clients. */
export interface PerfNodes {
  readonly server: string;
  /** The same if there is only one. */
  readonly client: string;
}

/** Chooses nodes: those given, otherwise the first two that are Ready, Linux, and accept pods. Throws {@link ToolError}. */
export function chosenNodes(
  nodes: readonly Node[],
  given: { readonly server?: string; readonly client?: string },
): PerfNodes {
  const names = new Map(nodes.map((node) => [node.metadata.name, node]));
  for (const name of [given.server, given.client])
    if (name !== undefined && !names.has(name)) throw new ToolError(`there is no node ${name}`);
  const usable = nodes
    .filter(isUsable)
    .map(({ metadata }) => metadata.name)
    .sort();
  const server = given.server ?? usable.find((name) => name !== given.client) ?? usable[0];
  if (server === undefined) throw new ToolError("no Linux node is Ready and accepts pods");
  return { server, client: given.client ?? usable.find((name) => name !== server) ?? server };
}

/** The paths between the nodes; with one node only those on it. */
export function pathsBetween({ server, client }: PerfNodes, wanted: readonly PathName[]): readonly PerfPath[] {
  return wanted.flatMap((name): readonly PerfPath[] => {
    if (name === "pod-same-node") return [{ name, clientNode: server, host: false }];
    if (name === "service") return [{ name, clientNode: client, host: false }];
    return server === client ? [] : [{ name, clientNode: client, host: name === "host" }];
  });
}

function isUsable({ metadata, spec, status }: Node): boolean {
  const isReady = status?.conditions?.some(({ type, status: value }) => type === "Ready" && value === "True") === true;
  return isReady && spec?.unschedulable !== true && (metadata.labels?.["kubernetes.io/os"] ?? "linux") === "linux";
}
