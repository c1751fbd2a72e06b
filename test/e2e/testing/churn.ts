// SPDX-License-Identifier: Apache-2.0

import { unlessNotFound } from "../../../src/kube/errors.ts";
import { PODS, STATEFUL_SETS } from "../../../src/kube/resources.ts";
import { idlePod, type Manifest } from "./pods.ts";
import type { World } from "./world.ts";

/** Where the pods of a churn are. */
export interface ChurnPlace {
  readonly namespace: string;
  readonly pool: string;
  /** Pods of each of the four kinds. */
  readonly each: number;
}

/** The CIDRs of the subnet, and what its pool holds. */
export const CHURN_CIDR = "10.66.0.0/24,fd00:10:66::/112";
/** Somewhat more than there are pods of the kind, so that no pod waits for an address that is being released. */
export const CHURN_POOL = ["10.66.0.128..10.66.0.159", "fd00:10:66::80..fd00:10:66::9f"] as const;

/** The addresses that the annotation of the n-th fixed pod asks for. */
export function fixedAddresses(n: number): readonly [string, string] {
  return [`10.66.0.${200 + n}`, `fd00:10:66::${(200 + n).toString(16)}`];
}

/** Pods of four kinds that come and go under stable names, but for the plain ones, which are new each time. */
export class Churn {
  readonly #world: World;
  readonly #place: ChurnPlace;
  /** Name → how it is made again when it has gone; undefined where a StatefulSet does that. */
  readonly #living = new Map<string, (() => Manifest) | undefined>();
  #serial = 0;

  constructor(world: World, place: ChurnPlace) {
    this.#world = world;
    this.#place = place;
  }

  /** The names of all pods that there are to be. */
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
    await this.#world.kube.create(STATEFUL_SETS, { metadata: { namespace, name: "set" }, spec } as Manifest);
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

  /** Deletes some, and creates at once what is to follow them. */
  async replace(names: readonly string[]): Promise<void> {
    const { kube } = this.#world;
    await Promise.all(
      names.map(async (name) => {
        const again = this.#living.get(name);
        const ref = { namespace: this.#place.namespace, name };
        // Forced: a pod of the same name may be created before kubelet has processed the end of this one. A set's pod
        // may not exist.
        await kube.delete(PODS, ref, { gracePeriodSeconds: 0 }).catch(unlessNotFound);
        if (again === undefined) return;
        this.#living.delete(name);
        await this.#make(again);
      }),
    );
  }

  /** Takes the set away, so that its pods stay away when they are deleted. */
  async end(): Promise<void> {
    const { namespace } = this.#place;
    await this.#world.kube.delete(STATEFUL_SETS, { namespace, name: "set" });
  }

  #plain(n: number): Manifest {
    return idlePod(this.#place.namespace, `plain-${this.#serial++}`, this.#node(n));
  }

  async #make(manifest: () => Manifest): Promise<void> {
    const made = manifest();
    await this.#world.kube.create(PODS, made);
    this.#living.set(made.metadata.name ?? "", manifest);
  }

  #node(n: number): string {
    const { nodes } = this.#world.lab;
    return nodes[n % nodes.length] ?? "";
  }
}
