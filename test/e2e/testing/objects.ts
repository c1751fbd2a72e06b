// SPDX-License-Identifier: Apache-2.0

import { type Informer, informer } from "../../../src/kube/informer.ts";
import type { Kube, ListSelection } from "../../../src/kube/kube.ts";
import type { KubeObject } from "../../../src/kube/object.ts";
import { type ResourceType, typeName } from "../../../src/kube/resources.ts";
import { when } from "./when.ts";

/** An object of any kind, as tests read it. */
export interface Thing extends KubeObject {
  // biome-ignore lint/suspicious/noExplicitAny: tests look into objects of every kind.
  readonly spec: any;
  // biome-ignore lint/suspicious/noExplicitAny: as above.
  readonly status: any;
}

/** The objects of one type, followed by a watch. */
export class Objects<T extends KubeObject = Thing> {
  readonly #informer: Informer<T>;
  readonly #type: ResourceType;

  constructor(kube: Kube, type: ResourceType, selection: ListSelection = {}) {
    this.#type = type;
    this.#informer = informer<T, T>(kube, type, { ...selection, project: (object) => object });
    this.#informer.start();
  }

  get(key: string): T | undefined {
    return this.#informer.get(key);
  }

  values(): readonly T[] {
    return [...this.#informer.values()];
  }

  /** Calls `listener` after each change. */
  subscribe(listener: () => void): () => void {
    return this.#informer.subscribe(listener);
  }

  ready(): Promise<void> {
    return this.#informer.whenSynced(AbortSignal.timeout(20_000));
  }

  /**
   * Waits until `pick` returns a result for the object `key` (undefined: there is none). The error shows the object's
   * last state.
   */
  async until<R>(key: string, what: string, pick: (object: T | undefined) => R | undefined | false, ms = 20_000) {
    try {
      return await when(
        (listener) => this.subscribe(listener),
        () => pick(this.get(key)),
        `${key} ${what}`,
        ms,
      );
    } catch (error) {
      const { metadata, status } = (this.get(key) ?? {}) as Partial<Thing>;
      const seen = metadata === undefined ? "there is none" : JSON.stringify({ metadata, status });
      throw new Error(`${this.#type.kind}: ${error instanceof Error ? error.message : error}; ${seen.slice(0, 3000)}`, {
        cause: error,
      });
    }
  }

  /** Waits until the object is deleted. */
  async gone(key: string, ms = 30_000): Promise<void> {
    await this.until(key, "is gone", (object) => object === undefined, ms);
  }

  stop(): Promise<void> {
    return this.#informer.stop();
  }
}

/** Resolves when the API server serves a type whose definition is among `crds`. */
export async function established(crds: Objects, type: ResourceType): Promise<void> {
  await crds.until(typeName(type), "is in effect", (crd) => {
    const conditions: readonly { type: string; status: string }[] = crd?.status?.conditions ?? [];
    return conditions.some((one) => one.type === "Established" && one.status === "True");
  });
}
