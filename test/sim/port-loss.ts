// SPDX-License-Identifier: Apache-2.0

import { OWNER_KEY } from "../../src/desired/identity.ts";
import { PODS } from "../../src/kube/resources.ts";
import type { FakeKube } from "../../src/kube/testing/fake.ts";
import type { SimPod } from "./cluster.ts";
import { ClusterView } from "./cluster-view.ts";
import type { NorthboundServer } from "./database-server.ts";
import type { Throwing } from "./injected-exceptions.ts";
import type { SimProcess } from "./process.ts";
import type { Scheduler } from "./scheduler.ts";

/** Dependencies of the check. */
export interface PortLossWorld {
  readonly scheduler: Scheduler;
  readonly kube: FakeKube;
  readonly northbound: NorthboundServer;
  readonly throwing: Throwing;
  /** Names of objects that a user has interfered with. */
  readonly touched: ReadonlySet<string>;
  readonly onViolation: (what: string) => void;
}

/** Time within which changes that were decided before code began to throw may still arrive, in ms. */
const ON_ITS_WAY_MS = 5_000;
/** After this time a running pod has its port, and errors in its record have been found, in ms. */
const ESTABLISHED_MS = 5_000;

/** Checks that no running pod loses its port because code throws, for this pod or for another. */
export class PortLossCheck {
  readonly #world: PortLossWorld;
  /** Ports of pods as they were after the last commit: name → owner. */
  #ports = new Map<string, string>();
  /** Port of a running pod → its UID, and when it started to run. */
  readonly #running = new Map<string, { readonly uid: string; readonly since: number }>();

  constructor(world: PortLossWorld) {
    this.#world = world;
  }

  /** A process (undefined: another client) has committed. */
  onCommit(from: SimProcess | undefined): void {
    const { northbound, throwing } = this.#world;
    const before = this.#ports;
    this.#ports = new Map(
      northbound.rows("Logical_Switch_Port").map(({ name, external_ids: ids }) => [name, ids[OWNER_KEY] ?? ""]),
    );
    if (from === undefined || throwing.healed) return;
    const lost = [...before].filter(([name]) => !this.#ports.has(name));
    if (lost.length > 0) this.#judge(lost);
  }

  /** Pods have changed: records which of them run. */
  look(): void {
    const there = new Set<string>();
    for (const { metadata, status } of this.#world.kube.objects<SimPod>(PODS)) {
      const port = `${metadata.name}.${metadata.namespace}`;
      if (status?.phase !== "Running" || metadata.deletionTimestamp !== undefined) continue;
      there.add(port);
      const { uid } = metadata;
      if (this.#running.get(port)?.uid !== uid) this.#running.set(port, { uid, since: this.#world.scheduler.elapsed });
    }
    for (const port of this.#running.keys()) if (!there.has(port)) this.#running.delete(port);
  }

  #judge(lost: readonly (readonly [string, string])[]): void {
    const { scheduler, kube, throwing, touched, onViolation } = this.#world;
    const picture = new ClusterView(kube);
    for (const [name] of lost) {
      const pod = picture.pods.find((candidate) => candidate.port === name && candidate.alive);
      if (pod === undefined) continue;
      const running = this.#running.get(name);
      const ip = picture.ips.find((candidate) => candidate.name === name);
      const subnet = picture.subnet(ip?.subnet ?? "");
      if (ip?.podUid !== pod.uid || ip.deleting || subnet?.accepted !== true) continue;
      if (running?.uid !== pod.uid || touched.has(`ips/${name}`)) continue;
      if (scheduler.elapsed - running.since < ESTABLISHED_MS) continue;
      const thrown = throwing.concerns(["pods", "pod", "ips"], pod.key, ON_ITS_WAY_MS)
        ? "code throws at it"
        : "code throws at others";
      onViolation(`${pod.key} runs and loses its port ${name} while ${thrown}`);
    }
  }
}
