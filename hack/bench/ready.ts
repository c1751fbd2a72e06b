// SPDX-License-Identifier: Apache-2.0

import { connectKube } from "../../src/kube/connect.ts";
import { type Informer, informer } from "../../src/kube/informer.ts";
import type { Kube } from "../../src/kube/kube.ts";
import type { KubeObject } from "../../src/kube/object.ts";
import { PODS } from "../../src/kube/resources.ts";
import { waitFor } from "../../src/kube/wait.ts";
import type { Lab } from "../lab/lab.ts";
import { serverPod } from "../traffic/pods.ts";

/** The fields of a pod that the benches read. */
interface Seen {
  readonly ready: boolean;
}

/** Creates pods and measures how long each took until it was Ready, by a watch of the API server. */
export class ReadyClock {
  readonly #kube: Kube;
  readonly #close: () => void;
  readonly #namespace: string;
  readonly #pods: Informer<Seen>;

  private constructor(kube: Kube, close: () => void, namespace: string) {
    this.#kube = kube;
    this.#close = close;
    this.#namespace = namespace;
    this.#pods = informer<KubeObject, Seen>(kube, PODS, {
      namespace,
      project: (pod) => {
        const { conditions = [] } = (pod.status ?? {}) as { conditions?: readonly { type: string; status: string }[] };
        return { ready: conditions.some(({ type, status }) => type === "Ready" && status === "True") };
      },
    });
  }

  /** Opens a clock on a namespace of its own, which it creates. */
  static async open(lab: Lab, namespace: string): Promise<ReadyClock> {
    const { kube, close } = await connectKube({ userAgent: "weft-bench", kubeconfig: lab.paths.kubeconfig });
    await lab.kubectl(["create", "namespace", namespace]);
    // Pods are refused until the namespace has its ServiceAccount.
    await lab.kubectl(["wait", "-n", namespace, "--for=create", "serviceaccount/default", "--timeout=30s"]);
    const clock = new ReadyClock(kube, close, namespace);
    clock.#pods.start();
    await clock.#pods.whenSynced(AbortSignal.timeout(30_000));
    return clock;
  }

  /** Creates one pod for each entry, all at once, and returns the milliseconds from its create call to Ready. */
  async create(entries: readonly { readonly name: string; readonly node: string }[]): Promise<readonly number[]> {
    const deadline = AbortSignal.timeout(180_000);
    return Promise.all(
      entries.map(async ({ name, node }) => {
        const started = performance.now();
        const manifest = serverPod(this.#namespace, name, { node }) as Parameters<Kube["create"]>[1];
        await this.#kube.create(PODS, manifest);
        await waitFor(
          this.#pods,
          `${this.#namespace}/${name}`,
          (pod) => (pod?.ready === true ? true : undefined),
          deadline,
        );
        return performance.now() - started;
      }),
    );
  }

  /** Deletes all its pods and waits until they are gone. */
  async clear(): Promise<void> {
    const names = [...this.#pods.entries()].map(([key]) => key);
    const deadline = AbortSignal.timeout(120_000);
    await Promise.all(
      names.map(async (key) => {
        await this.#kube.delete(
          PODS,
          { namespace: this.#namespace, name: key.slice(key.indexOf("/") + 1) },
          { gracePeriodSeconds: 0 },
        );
        await waitFor(this.#pods, key, (pod) => (pod === undefined ? true : undefined), deadline);
      }),
    );
  }

  /** Deletes the namespace. */
  async close(lab: Lab): Promise<void> {
    await this.#pods.stop();
    this.#close();
    await lab.kubectl(["delete", "namespace", this.#namespace, "--wait=true", "--timeout=120s"]);
  }
}
