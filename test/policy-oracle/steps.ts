// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import type { ApiNamespace, ApiNode, ApiPod, ApiPolicy, OracleWorld } from "./api.ts";
import {
  dropPod,
  dropPolicy,
  emptyCluster,
  putNamespace,
  putNode,
  putPod,
  putPolicy,
  putSecurityGroup,
  uidOf,
} from "./cluster.ts";
import {
  anyPolicy,
  NAMESPACE_NAMES,
  namespace,
  networkPolicy,
  nodes,
  pod,
  type SecurityGroup,
  securedPod,
  securityGroup,
} from "./generate.ts";

/** One change by a user. An object replaces the one with the same index. */
export type WorldChange =
  | { readonly kind: "pod"; readonly place: number; readonly pod?: ApiPod }
  | { readonly kind: "namespace"; readonly namespace: ApiNamespace }
  | { readonly kind: "nodes"; readonly nodes: readonly ApiNode[] }
  | { readonly kind: "policy"; readonly place: number; readonly policy?: ApiPolicy }
  | { readonly kind: "security group"; readonly group: SecurityGroup; readonly gone: boolean };

/** Changes, and when the controller runs: `pause` microtasks after them, or until it is idle, or not before it has been killed and the next
 * step is over. */
export interface WorldStep {
  readonly changes: readonly WorldChange[];
  readonly pause: number | "done" | "killed";
}

const PODS = 4;
const POLICIES = 3;

/** The objects of the changes. */
interface Material {
  readonly policy: (place: number) => fc.Arbitrary<ApiPolicy>;
  readonly pod: (place: number) => fc.Arbitrary<ApiPod>;
  /** Weight, relative to 11 others. */
  readonly securityGroups: number;
  /** Whether controllers are killed. */
  readonly kills: boolean;
}

function changeOf({ policy, pod, securityGroups }: Material): fc.Arbitrary<WorldChange> {
  const place = (count: number): fc.Arbitrary<number> => fc.integer({ min: 0, max: count - 1 });
  return fc.oneof(
    {
      weight: 5,
      arbitrary: place(PODS).chain((at) =>
        fc
          .option(pod(at), { nil: undefined, freq: 4 })
          .map((pod): WorldChange => ({ kind: "pod", place: at, ...(pod && { pod }) })),
      ),
    },
    {
      weight: 1,
      arbitrary: fc
        .constantFrom(...NAMESPACE_NAMES)
        .chain(namespace)
        .map((namespace): WorldChange => ({ kind: "namespace", namespace })),
    },
    { weight: 1, arbitrary: nodes.map((nodes): WorldChange => ({ kind: "nodes", nodes })) },
    {
      weight: securityGroups,
      arbitrary: fc
        .tuple(place(2).chain(securityGroup), fc.constantFrom(false, false, true))
        .map(([group, gone]): WorldChange => ({ kind: "security group", group, gone })),
    },
    {
      weight: 4,
      arbitrary: place(POLICIES).chain((at) =>
        fc
          .option(policy(at), { nil: undefined, freq: 4 })
          .map((policy): WorldChange => ({ kind: "policy", place: at, ...(policy && { policy }) })),
      ),
    },
  );
}

/** Changes by users of a cluster, in batches of any size. */
function stepsOf(material: Material): fc.Arbitrary<readonly WorldStep[]> {
  const step = fc.record({
    changes: fc.array(changeOf(material), { minLength: 1, maxLength: 6 }),
    pause: fc.constantFrom<WorldStep["pause"][]>(0, 1, 3, 7, "done", "done", material.kills ? "killed" : "done"),
  });
  // Without namespaces and nodes there is little to check.
  const start = fc.tuple(fc.tuple(...NAMESPACE_NAMES.map(namespace)), nodes).map(([namespaces, nodes]): WorldStep => {
    const all = namespaces.map((namespace): WorldChange => ({ kind: "namespace", namespace }));
    return { changes: [...all, { kind: "nodes", nodes }], pause: 0 };
  });
  return fc.tuple(start, fc.array(step, { minLength: 1, maxLength: 6 })).map(([first, rest]) => [first, ...rest]);
}

/** With NetworkPolicies only. */
export const networkPolicySteps: fc.Arbitrary<readonly WorldStep[]> = stepsOf({
  policy: networkPolicy,
  pod,
  securityGroups: 0,
  kills: true,
});

/** With policies of all kinds, and SecurityGroups. */
export const anyPolicySteps: fc.Arbitrary<readonly WorldStep[]> = stepsOf({
  policy: anyPolicy,
  pod: securedPod,
  securityGroups: 3,
  // The rows of one kind that a killed controller left, together with new rows of another kind, may allow more, until the
  // next one has swept.
  kills: false,
});

/** A cluster that users change, as facts and as objects. */
export class ChangingCluster {
  readonly facts = emptyCluster();
  readonly #namespaces = new Map<string, ApiNamespace>();
  readonly #pods = new Map<number, ApiPod>();
  readonly #policies = new Map<number, ApiPolicy>();
  #nodes: readonly ApiNode[] = [];

  get world(): OracleWorld {
    return {
      namespaces: [...this.#namespaces.values()],
      nodes: this.#nodes,
      pods: [...this.#pods.values()],
      policies: [...this.#policies.values()],
    };
  }

  apply(change: WorldChange): void {
    switch (change.kind) {
      case "namespace": {
        const { metadata } = change.namespace;
        this.#namespaces.set(metadata.name, change.namespace);
        putNamespace(this.facts, metadata.name, metadata.labels);
        break;
      }
      case "nodes":
        this.#nodes = change.nodes;
        for (const [i, node] of change.nodes.entries()) putNode(this.facts, node, i);
        break;
      case "pod": {
        const { place, pod } = change;
        const old = this.#pods.get(place);
        // A pod never changes its node and addresses; in another namespace it is another pod.
        if (old !== undefined && (pod === undefined || !isSamePod(old, pod))) dropPod(this.facts, old);
        if (pod === undefined) this.#pods.delete(place);
        else {
          this.#pods.set(place, pod);
          putPod(this.facts, pod);
        }
        break;
      }
      case "security group":
        putSecurityGroup(this.facts, change.group.name, change.gone ? undefined : change.group.spec);
        break;
      case "policy": {
        const { place, policy } = change;
        const old = this.#policies.get(place);
        if (old !== undefined && (policy === undefined || !isSamePolicy(old, policy))) dropPolicy(this.facts, old);
        if (policy === undefined) this.#policies.delete(place);
        else {
          this.#policies.set(place, policy);
          putPolicy(this.facts, policy);
        }
      }
    }
  }
}

function isSamePod(a: ApiPod, b: ApiPod): boolean {
  return a.metadata.namespace === b.metadata.namespace && uidOf(a) === uidOf(b);
}

function isSamePolicy(a: ApiPolicy, b: ApiPolicy): boolean {
  return a.kind === b.kind && JSON.stringify(a.metadata) === JSON.stringify(b.metadata);
}
