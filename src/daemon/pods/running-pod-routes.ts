// SPDX-License-Identifier: Apache-2.0

import { samePlain } from "../../collections/plain.ts";
import { readAllocation } from "../cni/allocation.ts";
import type { Lanes } from "../cni/lanes.ts";
import { attachmentKey } from "../cni/request.ts";
import type { PodRoute } from "../cni/wanted-routes.ts";
import type { OvsChange } from "../ovs/ovs-view.ts";
import { markOfPort } from "../ovs/port-ids.ts";
import { EXTERNAL_ID, type PodPort, type Ports } from "../ovs/ports.ts";
import type { PodLinks } from "./pod-links.ts";
import type { NodePod } from "./pods.ts";

/** Dependencies of {@link PodRoutes}. */
export interface PodRoutesDependencies {
  readonly ports: Pick<Ports, "all">;
  readonly links: Pick<PodLinks, "setRoutes">;
  readonly lanes: Pick<Lanes, "run" | "busy">;
  readonly pods: { get(key: string): NodePod | undefined };
  readonly log: { info(fields: object, message: string): void };
}

/**
 * Keeps the routes inside running pods equal to their annotations, to which the controller writes a subnet's new
 * gateway, and users their own routes. An unchanged route is not touched, and a default route is replaced atomically,
 * so connections are kept. Routes of the network configuration, and interfaces of other plugins, stay as ADD created
 * them.
 */
export class PodRoutes {
  readonly #deps: PodRoutesDependencies;
  /** Pods to check, by `namespace/name` → the pod when its routes were last correct; undefined if that is not known. */
  readonly #changed = new Map<string, NodePod | undefined>();

  constructor(deps: PodRoutesDependencies) {
    this.#deps = deps;
  }

  /** A pod has changed. Returns whether its routes may have changed. */
  note(old: NodePod | undefined, now: NodePod | undefined): boolean {
    if (old === undefined || now === undefined || now.deleting) return false;
    if (!old.uids.some((uid) => now.uids.includes(uid)) || samePlain(old.annotations, now.annotations)) return false;
    // An ADD reads the pod's latest state itself.
    if (!Object.keys(old.annotations).some((name) => name.endsWith("/allocated"))) return false;
    const key = `${now.namespace}/${now.name}`;
    if (!this.#changed.has(key)) this.#changed.set(key, old);
    return true;
  }

  /** Notes all pods with ports for a check: changes may have been missed. */
  noteAll(): void {
    for (const key of new Set(this.#deps.ports.all().map(podOf))) {
      if (!this.#changed.has(key)) this.#changed.set(key, undefined);
    }
  }

  /** Whether a port that has just been created may belong to a noted pod. */
  concerns({ table, old, new: now }: OvsChange): boolean {
    if (this.#changed.size === 0 || table !== "Interface" || old !== undefined || now === undefined) return false;
    return this.#changed.has(podOf({ externalIds: now.external_ids }));
  }

  /**
   * Corrects the routes of noted pods. A failure for one pod does not stop the others: the error is thrown at the
   * end, and the call is to be repeated.
   */
  async apply(): Promise<void> {
    const ports = Map.groupBy(this.#deps.ports.all(), podOf);
    const errors: unknown[] = [];
    for (const [key, old] of [...this.#changed]) {
      const pod = this.#deps.pods.get(key);
      // An ADD that is about to create the port may have read older annotations: the pod is checked again with its port.
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
    const { links, lanes, log } = this.#deps;
    const mark = markOfPort(port);
    if (mark?.netns === undefined || !pod.uids.includes(mark.uid)) return;
    const { netns, ifName, provider, containerId } = mark;
    const read = (of: NodePod): readonly PodRoute[] | undefined => routesOf(of, provider, ifName);
    const wanted = read(pod);
    if (wanted === undefined) return;
    const former = (old && read(old)) ?? [];
    // After the attachment's earlier jobs, so that it does not interfere with a running DEL or ADD.
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

/** The routes that ADD would set now; undefined if they cannot be determined: then the routes stay. */
function routesOf(pod: NodePod, provider: string, ifName: string): readonly PodRoute[] | undefined {
  try {
    const state = readAllocation(pod, { provider, ifName, ipamOnly: false, routes: [] });
    return state.state === "ready" ? state.allocation.routes : undefined;
  } catch {
    return undefined;
  }
}
