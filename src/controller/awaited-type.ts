// SPDX-License-Identifier: Apache-2.0

import type { Logger } from "pino";
import { type Informer, informer } from "../kube/informer.ts";
import type { Kube } from "../kube/kube.ts";
import type { KubeObject } from "../kube/object.ts";
import { CRDS, type ResourceType, typeName } from "../kube/resources.ts";
import type { Clock } from "../time/clock.ts";

/** The part of a CustomResourceDefinition that shows whether a version is served. */
interface Definition extends KubeObject {
  readonly spec?: { readonly versions?: readonly { readonly name: string; readonly served: boolean }[] };
  readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}

/**
 * Watches the CustomResourceDefinition of a type that the cluster does not serve, and reports when it is served. A served type needs no watch:
 * definitions are large, and most clusters do not add types.
 */
export class AwaitedType {
  readonly #type: ResourceType;
  readonly #make: () => Informer<boolean>;
  readonly #onServed: () => void;
  #watch: Informer<boolean> | undefined;
  #stopping: Promise<void> = Promise.resolve();
  #stopped = false;

  /** `onServed` is called when the definition has become effective. */
  constructor(
    parts: { readonly kube: Kube; readonly clock: Clock; readonly log: Logger },
    type: ResourceType,
    onServed: () => void,
  ) {
    this.#type = type;
    this.#onServed = onServed;
    const { kube, clock, log } = parts;
    this.#make = () =>
      informer<Definition, boolean>(kube, CRDS, {
        fieldSelector: `metadata.name=${typeName(type)}`,
        project: ({ spec, status }) =>
          spec?.versions?.some(({ name, served }) => name === type.version && served) === true &&
          status?.conditions?.some((one) => one.type === "Established" && one.status === "True") === true,
        clock,
        onError: (error) =>
          log.warn(
            { err: error, type: typeName(type) },
            "failed to watch the CustomResourceDefinition; listing the type instead",
          ),
      });
  }

  /** Whether the type is not served. */
  note(absent: boolean): void {
    if (this.#stopped || absent === (this.#watch !== undefined)) return;
    const old = this.#watch;
    this.#watch = undefined;
    if (old !== undefined) {
      this.#stopping = this.#stopping.then(() => old.stop());
      return;
    }
    const made = this.#make();
    this.#watch = made;
    made.subscribe(({ key, new: served }) => {
      if (key === typeName(this.#type) && served === true) this.#onServed();
    });
    made.start();
  }

  /** Ends it. */
  async stop(): Promise<void> {
    this.note(false);
    this.#stopped = true;
    await this.#stopping;
  }
}
