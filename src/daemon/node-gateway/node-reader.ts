// SPDX-License-Identifier: Apache-2.0

import { NODE, NODE_EIP_LABEL } from "../../api/annotations.ts";
import { samePlain } from "../../collections/plain.ts";
import { ContractError } from "../../contract/document.ts";
import { decodeNodeContract, type NodeContract } from "../../contract/node.ts";
import { type Informer, informer } from "../../kube/informer.ts";
import type { InformerTime } from "../../kube/informer-options.ts";
import type { Kube } from "../../kube/kube.ts";
import { NODES } from "../../kube/resources.ts";
import type { Node } from "../../kube/types.ts";

/** What the daemon stores of its node. */
export interface OwnNode {
  readonly uid: string;
  /** The node's contract, or why it is not known: then the present state must stay. */
  readonly contract: NodeContract | string;
  /** The chassis that this daemon has written there; undefined if none. */
  readonly chassis: string | undefined;
  /** The chassis that this daemon has reported there as unreachable; undefined if none. */
  readonly unreachable: string | undefined;
  /** What this daemon has written there about networks outside; undefined where it has not. */
  readonly uplinks: string | undefined;
  /** Names of interfaces whose address the tunnels use, as the user wrote them. */
  readonly tunnelInterface: string | undefined;
  /** Label of a node with an OvnEip of type `lsp`; undefined if it never had one. */
  readonly nodeEip: string | undefined;
  /**
   * The node is being deleted, or its autoscaler is about to delete it: load balancers must not send new connections
   * to it.
   */
  readonly isLeaving: boolean;
  /** Condition NetworkUnavailable; undefined if it is not set. */
  readonly networkUnavailable: string | undefined;
}

/** The taint of a node that the cluster autoscaler is about to remove; kube-proxy uses it too. */
const LEAVING_TAINT = "ToBeDeletedByClusterAutoscaler";

/** Reads the contract of a node, and keeps the last valid one, as `SubnetReader` does. */
export class NodeReader {
  readonly #warn: (fields: object, message: string) => void;
  #good: { readonly uid: string; readonly contract: NodeContract } | undefined;
  #logged = "";

  constructor(log: { warn(fields: object, message: string): void }) {
    this.#warn = (fields, message) => log.warn(fields, message);
  }

  read({ metadata, spec, status }: Node): OwnNode {
    const { uid, annotations = {} } = metadata;
    return {
      uid,
      contract: this.#contract(uid, annotations),
      chassis: annotations[NODE.chassis],
      unreachable: annotations[NODE.unreachable],
      uplinks: annotations[NODE.uplinks],
      isLeaving:
        metadata.deletionTimestamp !== undefined || (spec?.taints ?? []).some(({ key }) => key === LEAVING_TAINT),
      tunnelInterface: annotations[NODE.tunnelInterface],
      nodeEip: metadata.labels?.[NODE_EIP_LABEL],
      networkUnavailable: status?.conditions?.find(({ type }) => type === "NetworkUnavailable")?.status,
    };
  }

  #contract(uid: string, annotations: Readonly<Record<string, string>>): NodeContract | string {
    const good = this.#good?.uid === uid ? this.#good.contract : undefined;
    try {
      const contract = decodeNodeContract(annotations);
      if (contract === undefined)
        return good ?? "the controller has not allocated an address in the join subnet to this node yet";
      this.#good = { uid, contract };
      this.#logged = "";
      return contract;
    } catch (error) {
      if (!(error instanceof ContractError)) throw error;
      const { code, message } = error;
      const then = good === undefined ? "its network stays as it is" : "the last valid one stays active";
      if (message !== this.#logged) this.#warn({ code, reason: message }, `the Node's contract is malformed; ${then}`);
      this.#logged = message;
      return good ?? `this node's contract is malformed: ${message}`;
    }
  }
}

/** Watches only this node. Changes of the status, which kubelet writes every few seconds, are not reported. */
export function nodeInformer(
  kube: Kube,
  name: string,
  log: { warn(fields: object, message: string): void },
  onError: (error: unknown, context: string) => void,
  time: InformerTime = {},
): Informer<OwnNode> {
  const reader = new NodeReader(log);
  return informer<Node, OwnNode>(kube, NODES, {
    fieldSelector: `metadata.name=${name}`,
    fromMemory: true,
    project: (node) => reader.read(node),
    equal: samePlain,
    onError,
    ...time,
  });
}
