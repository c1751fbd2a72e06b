// SPDX-License-Identifier: Apache-2.0

import { samePlain } from "../../collections/plain.ts";
import { type PodRoute, readAllocation } from "../cni/allocation.ts";
import type { Lanes } from "../cni/lanes.ts";
import { attachmentKey } from "../cni/request.ts";
import type { OvsChange } from "../ovs/ovs-view.ts";
import { markOfPort } from "../ovs/port-ids.ts";
import { EXTERNAL_ID, type PodPort, type Ports } from "../ovs/ports.ts";
import type { PodLinks } from "./pod-links.ts";
import type { NodePod } from "./pods.ts";

/** What the routes of running pods are kept with. */
export interface PodRoutesWorld {
  readonly ports: Pick<Ports, "all">;
  readonly links: Pick<PodLinks, "setRoutes">;
  readonly lanes: Pick<Lanes, "run" | "busy">;
  readonly pods: { get(key: string): NodePod | undefined };
  readonly log: { info(fields: object, message: string): void };
}

/**
 * Keeps the routes inside running pods as their annotations say: the controller writes a subnet's new gateway there, and users their own routes. A route that stays is not touched and a default
 * route is replaced in one step, so connections go on. Those of the network configuration, and of interfaces that other plugins made, stay as ADD made them.
 */
export class PodRoutes {
  readonly #world: PodRoutesWorld;
  /** `namespace/name` of pods to look at → the pod as it was when its routes were right last; undefined where that is not known. */
  readonly #changed = new Map<string, NodePod | undefined>();

  constructor(world: PodRoutesWorld) {
    this.#world = world;
  }

  /** A pod has changed. Returns whether its routes may have. */
  note(old: NodePod | undefined, now: NodePod | undefined): boolean {
    if (old === undefined || now === undefined || now.deleting) return false;
    if (!old.uids.some((uid) => now.uids.includes(uid)) || samePlain(old.annotations, now.annotations)) return false;
    // What an ADD has not read yet it reads as it is by then.
    if (!Object.keys(old.annotations).some((name) => name.endsWith("/allocated"))) return false;
    const key = `${now.namespace}/${now.name}`;
    if (!this.#changed.has(key)) this.#changed.set(key, old);
    return true;
  }

  /** All pods with ports may have changed: nobody has looked for a while. */
  noteAll(): void {
    for (const key of new Set(this.#world.ports.all().map(podOf))) {
      if (!this.#changed.has(key)) this.#changed.set(key, undefined);
    }
  }

  /** Whether a port of a pod that was noted may be this one, which has just been made. */
  concerns({ table, old, new: now }: OvsChange): boolean {
    if (this.#changed.size === 0 || table !== "Interface" || old !== undefined || now === undefined) return false;
    return this.#changed.has(podOf({ externalIds: now.external_ids }));
  }

  /** Corrects the routes of those that were noted. One that fails does not stop the others: then it throws in the end, and is to be called again. */
  async apply(): Promise<void> {
    const ports = Map.groupBy(this.#world.ports.all(), podOf);
    const errors: unknown[] = [];
    for (const [key, old] of [...this.#changed]) {
      const pod = this.#world.pods.get(key);
      // An ADD that is about to make its port may have read what was there before: the pod is looked at again with its port.
      if (pod !== undefined && !ports.has(key)) continue;
      this.#changed.delete(key);
      if (pod === undefined) continue;
      try {
        for (const port of ports.get(key) ?? []) await this.#applyTo(pod, old, port);
      } catch (error) {
        if (!this.#changed.has(key)) this.#changed.set(key, old);
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }

  async #applyTo(pod: NodePod, old: NodePod | undefined, port: PodPort): Promise<void> {
    const { links, lanes, log } = this.#world;
    const mark = markOfPort(port);
    if (mark?.netns === undefined || !pod.uids.includes(mark.uid)) return;
    const { netns, ifName, provider, containerId } = mark;
    const read = (of: NodePod): readonly PodRoute[] | undefined => routesOf(of, provider, ifName);
    const wanted = read(pod);
    if (wanted === undefined) return;
    const former = (old && read(old)) ?? [];
    // In the attachment's lane, so that a DEL or an ADD that runs is not disturbed.
    const changes = await lanes.run(attachmentKey({ containerId, ifName }), "check", () =>
      links.setRoutes(netns, ifName, wanted, former),
    );
    if (changes.length > 0)
      log.info({ pod: `${pod.namespace}/${pod.name}`, ifName, changes }, "routes of a pod changed");
  }
}

function podOf({ externalIds: ids }: Pick<PodPort, "externalIds">): string {
  return `${ids[EXTERNAL_ID.podNamespace] ?? ""}/${ids[EXTERNAL_ID.podName] ?? ""}`;
}

/** What ADD would set now; undefined where that cannot be known: then the routes stay. */
function routesOf(pod: NodePod, provider: string, ifName: string): readonly PodRoute[] | undefined {
  try {
    const state = readAllocation(pod, { provider, ifName, ipamOnly: false, routes: [] });
    return state.state === "ready" ? state.allocation.routes : undefined;
  } catch {
    return undefined;
  }
}
