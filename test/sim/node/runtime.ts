// SPDX-License-Identifier: Apache-2.0

import type { CniResponse } from "../../../src/api/cni-message.ts";
import { objectRef, type SimPod } from "../cluster.ts";
import { Random } from "../random.ts";
import type { Scheduler } from "../scheduler.ts";
import type { Machine } from "./machine.ts";

/** Sends a request to the daemon; rejects if it refuses, or does not run. */
export type CniCall = (verb: "add" | "del" | "check" | "gc", body: object) => Promise<unknown>;

/** Dependencies of a node's runtime. */
export interface RuntimeWorld {
  readonly scheduler: Scheduler;
  readonly seed: string;
  readonly node: string;
  readonly machine: Machine;
  readonly call: CniCall;
  /** A pod has its network now. */
  onNetwork(): void;
  /** A DEL has been answered: nothing of the container may be there any more. */
  onDeleted(container: string): void;
}

/** A pod's sandbox: the namespace that its containers share. */
export interface Sandbox {
  readonly pod: { readonly namespace: string; readonly name: string; readonly uid: string };
  readonly container: string;
  readonly netns: string;
  /** The result of ADD; undefined before it. */
  result: CniResponse | undefined;
  /** When ADD was answered, in ms. */
  since: number;
  /** It is being removed. */
  ending: boolean;
}

/** The kubelet and the container runtime of a node, as far as they request networks. They have no faults. */
export class Runtime {
  readonly #world: RuntimeWorld;
  /** uid → its sandbox. */
  readonly #sandboxes = new Map<string, Sandbox>();
  /** uid → how many sandboxes the pod has had. */
  readonly #attempts = new Map<string, number>();
  /** Pods for which a sandbox is planned. */
  readonly #planned = new Set<string>();
  /** Containers that were lost → the uid of their pod. */
  readonly lost = new Map<string, string>();
  /** uid → callbacks that wait until its sandbox is gone. */
  readonly #waiting = new Map<string, (() => void)[]>();

  constructor(world: RuntimeWorld) {
    this.#world = world;
  }

  /** All sandboxes. */
  get sandboxes(): readonly Sandbox[] {
    return [...this.#sandboxes.values()];
  }

  hasNetwork(uid: string): boolean {
    const sandbox = this.#sandboxes.get(uid);
    return sandbox?.result !== undefined && !sandbox.ending;
  }

  /** Sets the present pods of this node. */
  look(pods: readonly SimPod[]): void {
    const wanted = new Map(pods.filter(isWanted).map((pod) => [pod.metadata.uid, pod]));
    for (const [uid, sandbox] of this.#sandboxes) {
      if (!wanted.has(uid) && !sandbox.ending) this.#end(uid, sandbox);
    }
    for (const [uid, pod] of wanted) {
      if (this.#sandboxes.has(uid) || this.#planned.has(uid)) continue;
      this.#plan(pod, this.#random(`begin/${uid}/${this.#attempts.get(uid) ?? 0}`).int(20, 400));
    }
  }

  /** Ends a pod's sandbox and calls `done` when it is gone. */
  end(uid: string, done: () => void): void {
    const sandbox = this.#sandboxes.get(uid);
    if (sandbox === undefined) {
      done();
      return;
    }
    this.#waiting.set(uid, [...(this.#waiting.get(uid) ?? []), done]);
    if (!sandbox.ending) this.#end(uid, sandbox);
  }

  /** Sends the daemon the list of attachments (GC), so that it removes all others. */
  collect(): void {
    const valid = this.sandboxes.map(({ container }) => ({ containerID: container, ifname: "eth0" }));
    this.#world.call("gc", { ...NETWORK, valid_attachments: valid }).catch(() => undefined);
  }

  /** Loses one of its sandboxes with a network, as a killed runtime may; `withNamespace`: its namespace is deleted as well, as after a crash of the machine. */
  forget(pick: number, withNamespace: boolean): void {
    const { machine, scheduler, node, onNetwork } = this.#world;
    const ready = [...this.#sandboxes].filter(([, { ending, result }]) => !ending && result !== undefined);
    const lost = ready[Math.floor(pick * ready.length)];
    if (lost === undefined) return;
    const [uid, sandbox] = lost;
    scheduler.note(`${node}: the runtime loses the sandbox of ${sandbox.pod.namespace}/${sandbox.pod.name}`);
    sandbox.ending = true;
    this.#sandboxes.delete(uid);
    this.lost.set(sandbox.container, uid);
    if (withNamespace) machine.removeNamespace(sandbox.netns);
    onNetwork();
  }

  /** Asks the daemon whether a pod's network is unchanged (CHECK); resolves with the difference. */
  async check(sandbox: Sandbox): Promise<string | undefined> {
    try {
      await this.#world.call("check", this.#body(sandbox));
      return undefined;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  #plan(pod: SimPod, ms: number): void {
    const { uid } = pod.metadata;
    this.#planned.add(uid);
    this.#world.scheduler.after(ms, () => {
      this.#planned.delete(uid);
      if (!this.#sandboxes.has(uid)) void this.#begin(pod);
    });
  }

  async #begin(pod: SimPod): Promise<void> {
    const { node, machine, scheduler, call, onNetwork } = this.#world;
    const { namespace = "", name } = objectRef(pod);
    const { uid } = pod.metadata;
    const attempt = this.#attempts.get(uid) ?? 0;
    this.#attempts.set(uid, attempt + 1);
    const container = hexOf(this.#random(`container/${uid}/${attempt}`));
    const netns = `/run/netns/${container}`;
    const sandbox: Sandbox = {
      pod: { namespace, name, uid },
      container,
      netns,
      result: undefined,
      since: 0,
      ending: false,
    };
    this.#sandboxes.set(uid, sandbox);
    machine.namespaces.add(netns);
    try {
      const result = (await call("add", this.#body(sandbox))) as CniResponse;
      if (sandbox.ending) return;
      sandbox.result = result;
      sandbox.since = scheduler.elapsed;
      scheduler.note(`${node}: ${namespace}/${name} has its network`);
      onNetwork();
    } catch (error) {
      scheduler.note(`${node}: ADD for ${namespace}/${name} fails: ${error instanceof Error ? error.message : ""}`);
      // The whole sandbox is removed, and another one is created.
      if (!sandbox.ending) this.#end(uid, sandbox);
    }
  }

  #end(uid: string, sandbox: Sandbox): void {
    sandbox.ending = true;
    const attempt = async (tries: number): Promise<void> => {
      try {
        await this.#world.call("del", this.#body(sandbox));
      } catch {
        const pause = this.#random(`del/${sandbox.container}/${tries}`).int(500, 3_000);
        this.#world.scheduler.after(pause, () => void attempt(tries + 1));
        return;
      }
      this.#world.onDeleted(sandbox.container);
      this.#world.machine.removeNamespace(sandbox.netns);
      if (this.#sandboxes.get(uid) === sandbox) this.#sandboxes.delete(uid);
      for (const done of this.#waiting.get(uid) ?? []) done();
      this.#waiting.delete(uid);
      this.#world.onNetwork();
    };
    void attempt(0);
  }

  #body({ pod, container, netns }: Sandbox): object {
    return {
      ...NETWORK,
      pod_name: pod.name,
      pod_namespace: pod.namespace,
      pod_uid: pod.uid,
      container_id: container,
      net_ns: netns,
      if_name: "eth0",
    };
  }

  #random(what: string): Random {
    return new Random(`${this.#world.seed}/runtime/${this.#world.node}/${what}`);
  }
}

/** The network that every pod is in. */
const NETWORK = { cni_type: "kube-ovn", provider: "ovn", cni_version: "1.0.0", network_name: "kube-ovn" };

/** Whether the pod should have a sandbox. */
function isWanted({ metadata, spec, status }: SimPod): boolean {
  const ended = status?.phase === "Succeeded" || status?.phase === "Failed";
  return spec.hostNetwork !== true && metadata.deletionTimestamp === undefined && !ended;
}

/** The id of a container: 64 hexadecimal digits. */
function hexOf(random: Random): string {
  return Array.from({ length: 16 }, () => random.int(0, 0xffff).toString(16).padStart(4, "0")).join("");
}
