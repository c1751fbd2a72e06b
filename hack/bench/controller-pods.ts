// SPDX-License-Identifier: Apache-2.0

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ipLabels, OVN_PROVIDER, type PodResultKey, podAnnotation } from "../../src/api/annotations.ts";
import { connectKube, type KubeConnection } from "../../src/kube/connect.ts";
import { type Informer, informer } from "../../src/kube/informer.ts";
import type { Kube } from "../../src/kube/kube.ts";
import type { KubeObject } from "../../src/kube/object.ts";
import { CRDS, IPS, NAMESPACES, PODS, type ResourceType } from "../../src/kube/resources.ts";
import type { Lab } from "../lab/lab.ts";
import { withToken } from "./controller-cluster.ts";

/** Concurrent creations, and in the baseline concurrent chains of writes: as many as the controller's own writes. */
const WRITERS = 24;

/** The baseline's custom objects: a copy of the IP CRD, in a group without watchers. */
const RECORDS: ResourceType = { ...IPS, group: "bench.weft.local" };

/** The time in which a number of pods got their addresses. */
export interface Wave {
  readonly pods: number;
  /** From the first create call until the last pod was seen annotated, in ms. */
  readonly ms: number;
  /** When each was seen annotated, in ms from the start of the wave, in order. */
  readonly annotatedMs: readonly number[];
}

/** Creates the pods of the bench, bound to nodes from the start, and records when each is annotated. */
export class PodMaker {
  readonly #lab: Lab;
  readonly #kube: Kube;
  readonly #close: () => void;
  readonly #namespace: string;
  readonly #pods: Informer<{ readonly routed: boolean }>;
  #serial = 0;

  private constructor(lab: Lab, kube: Kube, close: () => void, namespace: string) {
    this.#lab = lab;
    this.#kube = kube;
    this.#close = close;
    this.#namespace = namespace;
    const routed = podAnnotation(OVN_PROVIDER, "routed");
    this.#pods = informer<KubeObject, { readonly routed: boolean }>(kube, PODS, {
      namespace,
      project: ({ metadata }) => ({ routed: metadata.annotations?.[routed] === "true" }),
    });
  }

  /** Opens one on a namespace of its own, which it creates with the baseline's CRD. */
  static async open(lab: Lab, namespace: string): Promise<PodMaker> {
    await lab.kubectl(["create", "namespace", namespace]);
    await lab.kubectl(["wait", "-n", namespace, "--for=create", "serviceaccount/default", "--timeout=30s"]);
    const { kube, close } = await connectAsAccount(lab, namespace);
    const name = `${IPS.plural}.${RECORDS.group}`;
    const crd = await kube.get<KubeObject & { readonly spec: object }>(CRDS, { name: `${IPS.plural}.${IPS.group}` });
    await kube.create(CRDS, {
      metadata: { name },
      spec: { ...crd.spec, group: RECORDS.group },
    } as Parameters<Kube["create"]>[1]);
    await lab.kubectl(["wait", "--for=condition=Established", `crd/${name}`, "--timeout=30s"]);
    const maker = new PodMaker(lab, kube, close, namespace);
    maker.#pods.start();
    await maker.#pods.whenSynced(AbortSignal.timeout(30_000));
    return maker;
  }

  /** A connection that may do everything. */
  get kube(): Kube {
    return this.#kube;
  }

  /** Creates `count` pods and waits until the controller has annotated all. */
  async wave(count: number): Promise<Wave> {
    return await this.#run(count, async (name, node) => {
      await this.#kube.create(PODS, this.#manifest(name, node, false));
    });
  }

  /**
   * The baseline: the same writes by one client that decides nothing. Its pods are on the host's network, so the
   * controller ignores them.
   */
  async floor(count: number): Promise<Wave> {
    return await this.#run(count, async (name, node) => {
      const { metadata } = await this.#kube.create(PODS, this.#manifest(name, node, true));
      await this.#kube.create(RECORDS, record(this.#namespace, name, node, metadata.uid));
      await this.#kube.patch(
        PODS,
        { namespace: this.#namespace, name },
        { type: "merge", body: { metadata: { uid: metadata.uid, annotations: annotations() } } },
        // As in a cluster, where other clients create pods: the API server records both managers.
        { fieldManager: "weft-controller" },
      );
    });
  }

  /** Deletes the pods and records of the floor. */
  async clearFloor(): Promise<void> {
    await this.#deleteAll(`/api/v1/namespaces/${this.#namespace}/pods`, "labelSelector=bench=floor&");
    await this.#deleteAll(`/apis/${RECORDS.group}/v1/${RECORDS.plural}`);
  }

  /** Deletes all pods. */
  async clear(): Promise<void> {
    await this.#deleteAll(`/api/v1/namespaces/${this.#namespace}/pods`);
  }

  /** Deletes all objects that it created. */
  async close(): Promise<void> {
    await this.clearFloor();
    await this.clear();
    await this.#pods.stop();
    this.#close();
    await this.#lab.kubectl(["delete", `crd/${IPS.plural}.${RECORDS.group}`, "--timeout=60s"]);
    await this.#lab.kubectl(["delete", "namespace", this.#namespace, "--wait=true", "--timeout=120s"]);
    await this.#lab.kubectl(["delete", `clusterrolebinding/${this.#namespace}`]);
  }

  /** Resolves when the last of its pods' IP objects is released. */
  async recordsGone(timeoutMs: number): Promise<void> {
    const suffix = `.${this.#namespace}`;
    const records = informer<KubeObject, true>(this.#kube, IPS, {
      project: ({ metadata }) => (metadata.name.endsWith(suffix) ? true : undefined),
    });
    const done = Promise.withResolvers<void>();
    const look = (): void => {
      if (records.synced && records.size === 0) done.resolve();
    };
    records.subscribe(look);
    records.start();
    const timer = setTimeout(
      () => done.reject(new Error(`${records.size} IP objects were not released in ${timeoutMs / 1000} s`)),
      timeoutMs,
    );
    try {
      await records.whenSynced(AbortSignal.timeout(timeoutMs));
      look();
      await done.promise;
    } finally {
      clearTimeout(timer);
      await records.stop();
    }
  }

  async #run(count: number, make: (name: string, node: string) => Promise<void>): Promise<Wave> {
    const { nodes } = this.#lab;
    const names = Array.from({ length: count }, () => `pod-${this.#serial++}`);
    const wanted = new Set(names.map((name) => `${this.#namespace}/${name}`));
    const annotatedMs: number[] = [];
    const started = performance.now();
    const done = this.#until(
      (key, routed) => {
        if (routed && wanted.delete(key)) annotatedMs.push(performance.now() - started);
        return wanted.size === 0;
      },
      60_000 + count * 500,
    );
    const left = names.entries();
    const writer = async (): Promise<void> => {
      for (const [index, name] of left) await make(name, nodes[index % nodes.length] ?? "");
    };
    await Promise.all([done, ...Array.from({ length: Math.min(WRITERS, count) }, writer)]);
    return { pods: count, ms: annotatedMs.at(-1) ?? 0, annotatedMs };
  }

  /** Resolves when `reached` says so of a change of a pod. */
  async #until(reached: (key: string, routed: boolean) => boolean, timeoutMs: number): Promise<void> {
    if (reached("", false)) return;
    const done = Promise.withResolvers<void>();
    const stop = this.#pods.subscribe(({ key, new: now }) => {
      if (reached(key, now?.routed === true)) done.resolve();
    });
    const timer = setTimeout(() => done.reject(new Error(`pods were not done in ${timeoutMs / 1000} s`)), timeoutMs);
    try {
      await done.promise;
    } finally {
      clearTimeout(timer);
      stop();
    }
  }

  /**
   * Deletes a collection by one call, without grace: no kubelet would end the pods. The server gives up after a
   * minute, and continues when called again.
   */
  async #deleteAll(collection: string, selector = ""): Promise<void> {
    const command = ["delete", "--raw", `${collection}?${selector}gracePeriodSeconds=0`];
    for (let attempt = 1; attempt < 15; attempt++) {
      const { code } = await this.#lab.kubectl(command, { allowFailure: true });
      if (code === 0) return;
    }
    await this.#lab.kubectl(command);
  }

  #manifest(name: string, node: string, hostNetwork: boolean): Parameters<Kube["create"]>[1] {
    return {
      metadata: { name, namespace: this.#namespace, labels: { bench: hostNetwork ? "floor" : "weft" } },
      spec: {
        nodeName: node,
        hostNetwork,
        terminationGracePeriodSeconds: 0,
        // Must tolerate the taints of a node whose kubelet is paused.
        tolerations: [{ operator: "Exists" }],
        containers: [{ name: "main", image: "weft.local/none:1", imagePullPolicy: "Never" }],
      },
    } as Parameters<Kube["create"]>[1];
  }
}

/**
 * A connection with a token of the namespace's account, which may do everything. The administrator's client
 * certificate would cost the API server a signature check for each request, which the controller's token does not:
 * the baseline would be lower.
 */
async function connectAsAccount(lab: Lab, namespace: string): Promise<KubeConnection> {
  const account = `--serviceaccount=${namespace}:default`;
  await lab.kubectl(["create", "clusterrolebinding", namespace, "--clusterrole=cluster-admin", account]);
  const { stdout } = await lab.kubectl(["create", "token", "default", "-n", namespace, "--duration=6h"]);
  const folder = await mkdtemp(join(tmpdir(), "weft-bench-"));
  try {
    const kubeconfig = join(folder, "kubeconfig");
    const config = withToken(await readFile(lab.paths.kubeconfig, "utf8"), stdout.trim());
    await writeFile(kubeconfig, config, { mode: 0o600 });
    const connection = await connectKube({ userAgent: "weft-bench", kubeconfig });
    // The token is read from the file at the first call.
    await connection.kube.get(NAMESPACES, { name: namespace });
    return connection;
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** An object as large as the controller's record of an address. */
function record(namespace: string, name: string, node: string, uid: string): Parameters<Kube["create"]>[1] {
  return {
    metadata: {
      name: `${name}.${namespace}`,
      labels: ipLabels({ subnet: "ovn-default", node, reserved: false }),
      annotations: { "weft.local/pod-uid": uid },
    },
    spec: {
      podName: name,
      namespace,
      subnet: "ovn-default",
      nodeName: node,
      ipAddress: "10.16.0.100",
      v4IpAddress: "10.16.0.100",
      v6IpAddress: "",
      macAddress: "02:00:00:00:00:64",
      attachIps: [],
      attachMacs: [],
      attachSubnets: [],
      containerID: "",
      podType: "",
    },
  } as Parameters<Kube["create"]>[1];
}

/** Annotations as the controller writes them. */
function annotations(): Readonly<Record<string, string>> {
  const values: Partial<Record<PodResultKey, string>> = {
    allocated: "true",
    routed: "true",
    ip_address: "10.16.0.100",
    mac_address: "02:00:00:00:00:64",
    cidr: "10.16.0.0/16",
    gateway: "10.16.0.1",
    logical_switch: "ovn-default",
    logical_router: "ovn-cluster",
    pod_nic_type: "veth-pair",
  };
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => [podAnnotation(OVN_PROVIDER, key as PodResultKey), value]),
  );
}
