// SPDX-License-Identifier: Apache-2.0

import { unlessNotFound } from "../../../src/kube/errors.ts";
import { PODS, STATEFUL_SETS } from "../../../src/kube/resources.ts";
import { idlePod, type PodManifest } from "./pods.ts";
import type { World } from "./world.ts";

/** The namespace and subnet of the pods of a churn. */
export interface ChurnPlace {
  readonly namespace: string;
  readonly pool: string;
  /** Number of pods of each of the four kinds. */
  readonly each: number;
}

/** The CIDRs of the subnet, and the addresses of its pool. */
export const CHURN_CIDR = "10.66.0.0/24,fd00:10:66::/112";
/** Somewhat more addresses than pods of the kind, so that no pod waits for an address that is being released. */
export const CHURN_POOL = ["10.66.0.128..10.66.0.159", "fd00:10:66::80..fd00:10:66::9f"] as const;

/** The addresses that the annotation of the n-th fixed pod requests. */
export function fixedAddresses(n: number): readonly [string, string] {
  return [`10.66.0.${200 + n}`, `fd00:10:66::${(200 + n).toString(16)}`];
}

/** Pods of four kinds that are created and deleted under stable names, except for the plain ones, which have a new name each time. */
export class Churn {
  readonly #world: World;
  readonly #place: ChurnPlace;
  /** Name → how it is created again after its deletion; undefined if a StatefulSet does that. */
  readonly #living = new Map<string, (() => PodManifest) | undefined>();
  #serial = 0;

  constructor(world: World, place: ChurnPlace) {
    this.#world = world;
    this.#place = place;
  }

  /** The names of all pods that should exist. */
  get names(): readonly string[] {
    return [...this.#living.keys()];
  }

  /** Creates all of them. */
  async begin(): Promise<void> {
    const { namespace, pool, each } = this.#place;
    const template = idlePod(namespace, "set");
    const spec = {
      serviceName: "set",
      replicas: each,
      podManagementPolicy: "Parallel",
      selector: { matchLabels: { app: "set" } },
      template: { metadata: { labels: { app: "set" } }, spec: template.spec },
    };
    await this.#world.kube.create(STATEFUL_SETS, { metadata: { namespace, name: "set" }, spec } as PodManifest);
    const made: Promise<void>[] = [];
    for (let n = 0; n < each; n++) {
      this.#living.set(`set-${n}`, undefined);
      const fixed = { "ovn.kubernetes.io/ip_address": fixedAddresses(n).join(",") };
      made.push(this.#make(() => idlePod(namespace, `fixed-${n}`, this.#node(n), fixed)));
      const pooled = { "ovn.kubernetes.io/ip_pool": pool };
      made.push(this.#make(() => idlePod(namespace, `pooled-${n}`, this.#node(n), pooled)));
      made.push(this.#make(() => this.#plain(n)));
    }
    await Promise.all(made);
  }

  /** Deletes some, and creates their successors at once. */
  async replace(names: readonly string[]): Promise<void> {
    const { kube } = this.#world;
    await Promise.all(
      names.map(async (name) => {
        const again = this.#living.get(name);
        const ref = { namespace: this.#place.namespace, name };
        // Forced: a pod of the same name may be created before kubelet has processed the end of this one. A StatefulSet's pod
        // may not exist.
        await kube.delete(PODS, ref, { gracePeriodSeconds: 0 }).catch(unlessNotFound);
        if (again === undefined) return;
        this.#living.delete(name);
        await this.#make(again);
      }),
    );
  }

  /** Deletes the StatefulSet, so that its pods are not created again. */
  async end(): Promise<void> {
    const { namespace } = this.#place;
    await this.#world.kube.delete(STATEFUL_SETS, { namespace, name: "set" });
  }

  #plain(n: number): PodManifest {
    return idlePod(this.#place.namespace, `plain-${this.#serial++}`, this.#node(n));
  }

  async #make(manifest: () => PodManifest): Promise<void> {
    const made = manifest();
    await this.#world.kube.create(PODS, made);
    this.#living.set(made.metadata.name ?? "", manifest);
  }

  #node(n: number): string {
    const { nodes } = this.#world.lab;
    return nodes[n % nodes.length] ?? "";
  }
}
