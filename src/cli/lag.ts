// SPDX-License-Identifier: Apache-2.0

import { type ControllerState, decodeControllerState, STATE_PATH } from "../contract/controller-state.ts";
import { ContractError } from "../contract/document.ts";
import type { Kube } from "../kube/kube.ts";
import { PODS } from "../kube/resources.ts";
import type { Pod } from "../kube/types.ts";
import { centralTarget, LackingRight, ToolError, type ToolTarget } from "./tools/targets.ts";

/** How far a change has come, from the objects to the nodes' flows. */
export interface Lag {
  /** What the leader says; absent if none leads, or it cannot be asked. */
  readonly controller?: ControllerState;
  /** Why a leader could not be asked. */
  readonly controllerProblem?: string;
  /** A change of the northbound database has come to the flows of all nodes after so many ms; absent if not within {@link SYNC_S}. */
  readonly allNodesMs?: number;
  /** The nodes (their chassis' names) that had not made their flows of it by then. */
  readonly behind: readonly string[];
}

/** So long a change may take to come to all nodes, in s. */
const SYNC_S = 10;

/**
 * Asks ovn-northd and every ovn-controller to process a change (`ovn-nbctl --wait=hv sync`, which increments `NB_Global.nb_cfg` only), prints the ms, and without an answer
 * the chassis whose `Chassis_Private.nb_cfg` (ovn-sb(5)) is lower.
 */
const SYNC_SCRIPT = `start=$(date +%s%3N)
if ovn-nbctl --no-leader-only --timeout=${SYNC_S} --wait=hv sync 2>/dev/null; then echo "all $(($(date +%s%3N) - start))"
else echo "behind $(ovn-sbctl --no-leader-only --timeout=5 --bare --columns=name find Chassis_Private "nb_cfg<$(ovn-nbctl --no-leader-only --timeout=5 get NB_Global . nb_cfg)" | tr -s '\\n' ' ')"; fi`;

/**
 * Reads it by commands in the pods of the leader and of ovn-central. `leader`: the pod, if one leads. Rejects with a {@link ToolError} or a `KubeError`.
 */
export async function readLag(
  kube: Kube,
  namespace: string,
  leader: string | undefined,
  capture: (target: ToolTarget) => Promise<string>,
): Promise<Lag> {
  const [controller, sync] = await Promise.all([
    leader === undefined ? {} : askLeader(kube, namespace, leader, capture),
    centralTarget(kube, namespace, "nbctl", []).then(({ pod, container }) =>
      capture({ pod, container, command: ["bash", "-c", SYNC_SCRIPT] }),
    ),
  ]);
  const [word, ...rest] = sync.trim().split(/\s+/);
  const ms = Number(rest[0]);
  if (word !== "behind" && !(word === "all" && Number.isSafeInteger(ms)))
    throw new ToolError(`ovn-central has answered ${JSON.stringify(sync.slice(0, 200))}`);
  return {
    ...controller,
    ...(word === "all" && { allNodesMs: ms }),
    behind: word === "behind" ? rest.sort() : [],
  };
}

/** An older controller has no such page; what OVN says is of use then too. */
async function askLeader(
  kube: Kube,
  namespace: string,
  leader: string,
  capture: (target: ToolTarget) => Promise<string>,
): Promise<Pick<Lag, "controller" | "controllerProblem">> {
  try {
    return { controller: readState(await capture(await stateTarget(kube, namespace, leader))) };
  } catch (error) {
    if (!(error instanceof ToolError) || error instanceof LackingRight) throw error;
    return { controllerProblem: error.message };
  }
}

async function stateTarget(kube: Kube, namespace: string, pod: string): Promise<ToolTarget> {
  const container = "kube-ovn-controller";
  const { spec } = await kube.get<Pod>(PODS, { namespace, name: pod });
  const port = spec?.containers?.find(({ name }) => name === container)?.livenessProbe?.httpGet?.port ?? 10662;
  return { pod, container, command: ["curl", "-sf", `http://127.0.0.1:${port}${STATE_PATH}`] };
}

function readState(text: string): ControllerState {
  try {
    return decodeControllerState(text);
  } catch (error) {
    if (!(error instanceof ContractError)) throw error;
    throw new ToolError(`the controller's state cannot be read: ${error.message}`, { cause: error });
  }
}

/** Whether nothing waits longer than it should, and nothing of the database differs for good. */
export function isInStep({ controller, allNodesMs }: Lag): boolean {
  return allNodesMs !== undefined && (controller?.refused ?? 0) === 0 && (controller?.heldBack ?? 0) === 0;
}

/** The lag as lines. `names`: chassis → node. */
export function formatLag(
  { controller, controllerProblem, allNodesMs, behind }: Lag,
  names: ReadonlyMap<string, string>,
): string {
  const nodes = behind.map((chassis) => names.get(chassis) ?? chassis).join(", ");
  const lines = [
    allNodesMs !== undefined
      ? `A change reaches the flows of all nodes in ${allNodesMs} ms.`
      : `NO: a change has not reached ${nodes === "" ? "the southbound database: does ovn-northd run?" : `the flows of ${nodes}`} within ${SYNC_S} s.`,
  ];
  if (controllerProblem !== undefined) lines.push(`What waits in the controller is not known: ${controllerProblem}.`);
  if (controller !== undefined) {
    const { dirty, pending, refused, pendingWrites, repairs, contended, heldBack } = controller;
    const waiting = dirty + pending;
    lines.push(
      waiting + pendingWrites === 0
        ? "The database has all changes of the objects."
        : `On their way: objects to the database: ${waiting}, writes to the API server: ${pendingWrites}.`,
    );
    if (refused > 0)
      lines.push(`NO: objects whose rows the database refuses: ${refused}; Events on them say why (weftctl diagnose).`);
    if (heldBack > 0)
      lines.push(`NO: orphaned rows that are not deleted because they are so many (--allow-mass-delete): ${heldBack}.`);
    if (repairs > 0)
      lines.push(
        `Drift: changes of other clients of the database that were reverted since this leader started: ${repairs}${contended > 0 ? `, of these made again and again: ${contended}` : ""}.`,
      );
  }
  return `${lines.join("\n")}\n`;
}
