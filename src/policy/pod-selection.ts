// SPDX-License-Identifier: Apache-2.0

import type { NamespaceFact } from "../facts/namespace.ts";
import type { PodFact } from "../facts/pod.ts";
import { matchesLabels } from "./labels.ts";
import type { PodSelector } from "./types.ts";

/** The parts of a pod that selectors evaluate. */
export type SelectedPod = Pick<PodFact, "namespace" | "labels" | "ports">;

/** Whether a canonical selector selects a pod of `namespace`, in any VPC: a peer, or the subject of a policy of any kind. */
export function selectsPod(selector: PodSelector, pod: SelectedPod, namespace: Pick<NamespaceFact, "labels">): boolean {
  if (selector.namespace !== undefined && selector.namespace !== pod.namespace) return false;
  if (selector.namespaceSelector !== undefined && !matchesLabels(selector.namespaceSelector, namespace.labels))
    return false;
  if (!matchesLabels(selector.podSelector, pod.labels)) return false;
  const { port } = selector;
  return (
    port === undefined ||
    pod.ports.some((own) => own.name === port.name && own.protocol === port.protocol && own.number === port.number)
  );
}
