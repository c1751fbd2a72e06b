// SPDX-License-Identifier: Apache-2.0

import { KubeError } from "../../src/kube/errors.ts";
import type { KubeObject, ObjectRef } from "../../src/kube/object.ts";
import { NAMESPACES, NODES, PODS, type ResourceType, STATEFUL_SETS } from "../../src/kube/resources.ts";
import type { FakeKube } from "../../src/kube/testing/fake.ts";
import { Random } from "./random.ts";
import type { Scheduler } from "./scheduler.ts";

/** A Pod, with the fields that the cluster's own controllers use. */
export interface SimPod extends KubeObject {
  readonly spec: { readonly nodeName?: string; readonly hostNetwork?: boolean };
  readonly status?: { readonly phase?: string };
}

/** A StatefulSet; `template` stands for its pods' metadata. */
export interface SimSet extends KubeObject {
  readonly spec: {
    readonly replicas: number;
    readonly ordinals?: { readonly start?: number };
    readonly template: Template;
  };
}

/** The template of pods. */
export interface Template {
  readonly annotations?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
}

/** A Deployment, which the controller does not read: only its pods are in the API server. */
interface SimDeployment {
  readonly namespace: string;
  readonly name: string;
  readonly replicas: number;
  readonly template: Template;
}

/** The kubelets, as far as pods wait for them. */
export interface Kubelets {
  /** All pods, whenever something has changed. */
  look(pods: readonly SimPod[]): void;
  hasNetwork(pod: SimPod): boolean;
  /** Removes the pod's network and calls `done`. */
  end(pod: SimPod, done: () => void): void;
}

/** The annotation with the requests of a pod at its creation, because results are written to the same annotations. */
export const ASKED = "sim.test/asked";

/**
 * The rest of Kubernetes, as far as it creates and deletes pods: the scheduler, the kubelets, and the controllers of StatefulSets,
 * Deployments and namespaces. It has no faults, because it is not under test.
 */
export class Cluster {
  readonly #kube: FakeKube;
  readonly #scheduler: Scheduler;
  readonly #seed: string;
  /** `namespace/name` → the workload. */
  readonly deployments = new Map<string, SimDeployment>();
  /** Actions that are planned for a pod (by uid) and must not be planned twice. */
  readonly #planned = new Set<string>();
  #due = false;
  #serial = 0;
  /** The kubelets that give pods their networks; without them pods have networks as soon as they are annotated. */
  kubelets: Kubelets | undefined;
  /** Called whenever something has changed. */
  onWake = (): void => {};

  constructor(kube: FakeKube, scheduler: Scheduler, seed: string) {
    this.#kube = kube;
    this.#scheduler = scheduler;
    this.#seed = seed;
  }

  /** Starts. */
  start(): void {
    const signal = new AbortController().signal;
    for (const type of [PODS, NODES, NAMESPACES, STATEFUL_SETS]) {
      this.ignore(this.#kube.watch(type, { resourceVersion: "0", timeoutSeconds: 1e9, signal }, () => this.wake()));
    }
  }

  /** To be called after changes; they are handled soon. */
  wake(): void {
    if (this.#due) return;
    this.#due = true;
    this.#scheduler.after(20, () => {
      this.#due = false;
      this.#work();
    });
  }

  /** Creates a pod; its requests are stored in addition to its annotations. */
  createPod(namespace: string, name: string, template: Template, more: Partial<SimPod> = {}): void {
    const asked = { [ASKED]: JSON.stringify(template.annotations ?? {}) };
    const owners = more.metadata?.ownerReferences;
    const metadata = {
      namespace,
      name,
      annotations: { ...template.annotations, ...asked },
      labels: template.labels ?? {},
      ...(owners === undefined ? {} : { ownerReferences: owners }),
    };
    const spec = { hostNetwork: false, ...more.spec };
    this.ignore(this.#kube.create<SimPod>(PODS, { metadata, spec }));
  }

  /** A request of the cluster itself; it may be late or repeated. */
  ignore(request: Promise<unknown>): void {
    request.catch((error: unknown) => {
      if (!(error instanceof KubeError)) throw error;
    });
  }

  /** Calls a function after `ms`. */
  later(ms: number, act: () => void): void {
    this.#scheduler.after(ms, act);
  }

  /** All pods. */
  pods(): readonly SimPod[] {
    return this.#kube.objects<SimPod>(PODS);
  }

  /** Acts as the garbage collector: first the pods lose their owner, then the StatefulSet is deleted. */
  orphan(set: KubeObject): void {
    const own = this.pods().filter((pod) => pod.metadata.ownerReferences?.[0]?.uid === set.metadata.uid);
    const freed = own.map((pod) =>
      this.#kube.patch(PODS, objectRef(pod), merge({ metadata: { uid: pod.metadata.uid, ownerReferences: null } })),
    );
    this.ignore(Promise.allSettled(freed).then(() => this.delete(STATEFUL_SETS, set)));
  }

  #work(): void {
    const nodes = this.#kube.objects(NODES).map((node) => node.metadata.name);
    const sets = this.#kube.objects<SimSet>(STATEFUL_SETS);
    const pods = this.pods();
    this.kubelets?.look(pods);
    for (const pod of pods) this.#look(pod, nodes, sets);
    for (const set of sets) if (set.metadata.deletionTimestamp === undefined) this.#scaleSet(set, pods);
    for (const deployment of this.deployments.values()) this.#scaleDeployment(deployment, pods);
    for (const namespace of this.#kube.objects(NAMESPACES)) this.#endNamespace(namespace, pods, sets);
    this.onWake();
  }

  #look(pod: SimPod, nodes: readonly string[], sets: readonly SimSet[]): void {
    const { metadata, spec, status } = pod;
    const owner = metadata.ownerReferences?.[0];
    if (metadata.deletionTimestamp !== undefined) {
      // The kubelet has stopped it.
      this.#once(pod, "end", 100, 8_000, () => {
        const gone = (): void => this.delete(PODS, pod, 0);
        if (this.kubelets === undefined) gone();
        else this.kubelets.end(pod, gone);
      });
      return;
    }
    if (spec.nodeName === undefined) {
      if (nodes.length === 0) return;
      this.#once(pod, "bind", 10, 400, (random) => {
        this.ignore(this.#kube.patch(PODS, objectRef(pod), merge({ spec: { nodeName: random.pick(nodes) } })));
      });
      return;
    }
    if (!nodes.includes(spec.nodeName)) {
      this.#once(pod, "evict", 500, 3_000, () => this.delete(PODS, pod, 0));
      return;
    }
    if (owner?.kind === "StatefulSet" && !sets.some((set) => set.metadata.uid === owner.uid)) {
      this.#once(pod, "orphan", 100, 2_000, () => this.delete(PODS, pod));
    }
    const told = metadata.annotations?.["ovn.kubernetes.io/routed"] === "true";
    if (status?.phase === undefined && (this.kubelets?.hasNetwork(pod) ?? told)) {
      this.#once(pod, "run", 100, 2_000, () => {
        const patch = merge({ status: { phase: "Running" } });
        this.ignore(this.#kube.patch(PODS, objectRef(pod), patch, { subresource: "status" }));
      });
    }
  }

  #scaleSet(set: SimSet, pods: readonly SimPod[]): void {
    const { namespace = "", name, uid } = set.metadata;
    const { replicas, template, ordinals } = set.spec;
    const start = ordinals?.start ?? 0;
    const owner = { apiVersion: "apps/v1", kind: "StatefulSet", name, uid, controller: true };
    for (const pod of pods) {
      const { ownerReferences = [], deletionTimestamp, namespace: of } = pod.metadata;
      if (of !== namespace || ownerReferences.length > 0 || deletionTimestamp !== undefined) continue;
      if (!new RegExp(`^${name}-\\d+$`).test(pod.metadata.name)) continue;
      this.#once(pod, `adopt by ${uid}`, 20, 500, () => {
        const patch = merge({ metadata: { uid: pod.metadata.uid, ownerReferences: [owner] } });
        this.ignore(this.#kube.patch(PODS, objectRef(pod), patch));
      });
    }
    const own = pods.filter((pod) => pod.metadata.ownerReferences?.[0]?.uid === uid);
    for (const pod of own) {
      const ordinal = Number(pod.metadata.name.slice(name.length + 1));
      if (ordinal >= start && ordinal < start + replicas && pod.status?.phase !== "Failed") continue;
      this.#once(pod, "scale", 50, 1_000, () => this.delete(PODS, pod));
    }
    for (let ordinal = start; ordinal < start + replicas; ordinal++) {
      const pod = `${name}-${ordinal}`;
      if (pods.some((other) => other.metadata.namespace === namespace && other.metadata.name === pod)) continue;
      this.#onceNamed(`${uid}/${pod}`, 50, 1_500, () => {
        const now = this.#kube.object<SimSet>(STATEFUL_SETS, { namespace, name });
        if (now?.metadata.uid !== uid || now.metadata.deletionTimestamp !== undefined) return;
        const first = now.spec.ordinals?.start ?? 0;
        if (ordinal < first || ordinal >= first + now.spec.replicas) return;
        this.createPod(namespace, pod, template, { metadata: { ownerReferences: [owner] } as never });
      });
    }
  }

  #scaleDeployment({ namespace, name, replicas, template }: SimDeployment, pods: readonly SimPod[]): void {
    const own = pods.filter(
      (pod) =>
        pod.metadata.namespace === namespace &&
        pod.metadata.name.startsWith(`${name}-x`) &&
        pod.metadata.deletionTimestamp === undefined &&
        pod.status?.phase !== "Failed",
    );
    for (const pod of own.slice(replicas)) this.#once(pod, "scale", 50, 1_000, () => this.delete(PODS, pod));
    for (let i = own.length; i < replicas; i++) {
      this.createPod(namespace, `${name}-x${this.#serial++}`, template);
    }
  }

  #endNamespace(namespace: KubeObject, pods: readonly SimPod[], sets: readonly SimSet[]): void {
    const { name, labels = {} } = namespace.metadata;
    if (labels["sim.test/ending"] !== "true") return;
    for (const [key, deployment] of this.deployments) if (deployment.namespace === name) this.deployments.delete(key);
    for (const set of sets) if (set.metadata.namespace === name) this.delete(STATEFUL_SETS, set);
    const left = pods.filter((pod) => pod.metadata.namespace === name);
    for (const pod of left) this.#once(pod, "namespace", 10, 500, () => this.delete(PODS, pod));
    if (left.length === 0) this.delete(NAMESPACES, namespace);
  }

  /** Deletes an object, if it is still the same one. */
  delete(type: ResourceType, object: KubeObject, grace?: number): void {
    const { uid } = object.metadata;
    const period = grace === undefined ? {} : { gracePeriodSeconds: grace };
    this.ignore(this.#kube.delete(type, objectRef(object), { preconditions: { uid }, ...period }));
  }

  #once(pod: SimPod, what: string, low: number, high: number, act: (random: Random) => void): void {
    const { namespace, name, uid } = pod.metadata;
    const key = `${what}/${uid}`;
    if (this.#planned.has(key)) return;
    this.#planned.add(key);
    const random = new Random(`${this.#seed}/cluster/${what}/${namespace}/${name}`);
    this.#scheduler.after(random.int(low, high), () => act(random));
  }

  #onceNamed(key: string, low: number, high: number, act: () => void): void {
    if (this.#planned.has(key)) return;
    this.#planned.add(key);
    const random = new Random(`${this.#seed}/cluster/${key}/${this.#serial++}`);
    this.#scheduler.after(random.int(low, high), () => {
      this.#planned.delete(key);
      act();
    });
  }
}

/** The namespace and name of an object. */
export function objectRef({ metadata: { namespace, name } }: KubeObject): ObjectRef {
  return namespace === undefined ? { name } : { namespace, name };
}

/** A merge patch. */
export function merge(body: object): { readonly type: "merge"; readonly body: object } {
  return { type: "merge", body };
}
