// SPDX-License-Identifier: Apache-2.0

import type { Logger } from "pino";
import { qualify, rowUuid } from "../../desired/identity.ts";
import type { Kube } from "../../kube/kube.ts";
import type { KubeObject } from "../../kube/object.ts";
import type { Clock } from "../../time/clock.ts";
import type { Northbound } from "../databases/northbound.ts";
import { clusterIdOf, countAnchors, publishClusterId, readKubeSystem } from "./cluster-id.ts";

/** The dependencies of a {@link ClusterIdentity}. */
export interface ClusterIdentityParts {
  readonly kube: Kube;
  readonly northbound: Pick<Northbound, "rows">;
  readonly clock: Clock;
  readonly log: Logger;
}

/** The cluster id of this process's rows: decided when everything has been read, and constant from then on. */
export class ClusterIdentity {
  readonly #parts: ClusterIdentityParts;
  #kubeSystem: KubeObject | undefined;
  #id: string | undefined;

  constructor(parts: ClusterIdentityParts) {
    this.#parts = parts;
  }

  /** The id. Throws before {@link settle}. */
  get id(): string {
    if (this.#id === undefined) throw new Error("the cluster id is not known before the initial state has been read");
    return this.#id;
  }

  /** The uuid of a row of this cluster. Throws as {@link id}. */
  rowUuid(table: string, ownerId: string): string {
    return qualify(rowUuid(table, ownerId), this.id);
  }

  /** Reads the namespace for the id; retries until the API server answers. Rejects when `signal` aborts. */
  async read(signal?: AbortSignal): Promise<void> {
    this.#kubeSystem = await readKubeSystem(this.#parts, signal);
  }

  /** Decides the id from the rows in the database. */
  settle(): void {
    this.#id = this.#find();
  }

  /** Throws if the database has another id now: a leader of an older version may have written since, or an old backup was restored. */
  verify(): void {
    if (this.#find() !== this.#id)
      throw new Error(
        "the database has rows with another cluster id than this process uses, so all of them would be replaced",
      );
  }

  /** Publishes the id for tools. `kube`: the leader's client. Rejects with a `KubeError`. */
  publish(kube: Kube): Promise<void> {
    return publishClusterId(kube, this.#kubeSystem, this.id);
  }

  #find(): string {
    const { northbound, log } = this.#parts;
    const uid = this.#kubeSystem?.metadata.uid ?? "";
    const anchors = countAnchors(northbound.rows(), uid);
    if (anchors.plain > 0 && anchors.own > 0)
      log.warn(anchors, "some rows have this cluster's id and some have none; the smaller group is replaced");
    return clusterIdOf(anchors, uid);
  }
}
