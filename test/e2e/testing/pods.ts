// SPDX-License-Identifier: Apache-2.0

import type { Test } from "tap";
import { AGNHOST_IMAGE, BUSYBOX_IMAGE } from "../../../hack/lab/images.ts";
import { podNetns, serverPod } from "../../../hack/traffic/pods.ts";
import { type Exec, inNetns } from "../../../hack/traffic/probe.ts";
import { unlessNotFound } from "../../../src/kube/errors.ts";
import type { KubeObject, NewObject } from "../../../src/kube/object.ts";
import { DEPLOYMENTS, NAMESPACES, PODS } from "../../../src/kube/resources.ts";
import type { Thing } from "./objects.ts";
import { when } from "./when.ts";
import type { World } from "./world.ts";

/** The namespace of the pods that all test files share: two on each node, each with an HTTP server. */
export const STANDING = "weft-smoke";

/** A pod's manifest. */
export type PodManifest = NewObject<KubeObject>;

/** A pod that does nothing; without a readiness probe, which needs a route from the node to the pod. */
export function idlePod(
  namespace: string,
  name: string,
  node?: string,
  annotations?: Record<string, string>,
): PodManifest {
  return {
    metadata: { name, namespace, labels: { app: name }, ...(annotations === undefined ? {} : { annotations }) },
    spec: {
      ...(node === undefined ? {} : { nodeName: node }),
      terminationGracePeriodSeconds: 0,
      containers: [{ name: "idle", image: BUSYBOX_IMAGE, imagePullPolicy: "Never", command: ["sleep", "2147483647"] }],
    },
  };
}

/** A pod with an HTTP server on port 8080 that is Ready as soon as it runs. */
export function webPod(
  namespace: string,
  name: string,
  node: string,
  annotations?: Record<string, string>,
): PodManifest {
  const pod = idlePod(namespace, name, node, annotations);
  const container = { name: "web", image: AGNHOST_IMAGE, imagePullPolicy: "Never", args: ["netexec"] };
  return { ...pod, spec: { ...(pod.spec as object), containers: [container] } };
}

/**
 * A pod that gets an address from the controller and whose sandbox kubelet never creates, because it waits for a volume that does not exist:
 * the test acts as the container runtime.
 */
export function sandboxlessPod(namespace: string, name: string, node: string): PodManifest {
  const pod = idlePod(namespace, name, node);
  const container = { name: "never", image: BUSYBOX_IMAGE, volumeMounts: [{ name: "never", mountPath: "/never" }] };
  const volumes = [{ name: "never", configMap: { name: "there-is-no-such-configmap" } }];
  return { ...pod, spec: { ...(pod.spec as object), containers: [container], volumes } };
}

/** Whether a pod is Ready. */
export function isReady(pod: Thing | undefined): boolean {
  if (pod === undefined || pod.metadata.deletionTimestamp !== undefined) return false;
  const conditions: readonly { type: string; status: string }[] = pod.status?.conditions ?? [];
  return conditions.some(({ type, status }) => type === "Ready" && status === "True");
}

/** Waits until pods are Ready; returns them in the order of `names`. */
export function ready(
  world: World,
  namespace: string,
  names: readonly string[],
  ms = 60_000,
): Promise<readonly Thing[]> {
  return Promise.all(
    names.map((name) =>
      world.pods.until(`${namespace}/${name}`, "is Ready", (pod) => (isReady(pod) ? pod : false), ms),
    ),
  );
}

/** Creates pods and waits until they are Ready. */
export async function run(world: World, manifests: readonly PodManifest[], ms = 60_000): Promise<readonly Thing[]> {
  await Promise.all(manifests.map((manifest) => world.kube.create(PODS, manifest)));
  const namespace = manifests[0]?.metadata.namespace ?? "";
  return ready(
    world,
    namespace,
    manifests.map(({ metadata }) => metadata.name ?? ""),
    ms,
  );
}

/**
 * Deletes pods at once and waits until they, their addresses and their interfaces are gone. Interfaces are last: kubelet removes the sandbox of
 * a force deleted pod after the pod.
 */
export async function remove(world: World, namespace: string, names: readonly string[]): Promise<void> {
  await Promise.all(
    names.map(async (name) => {
      await world.kube.delete(PODS, { namespace, name }, { gracePeriodSeconds: 0 }).catch(unlessNotFound);
      await world.pods.gone(`${namespace}/${name}`);
      await world.ips.gone(`${name}.${namespace}`);
    }),
  );
  const ours = ({ external_ids: ids }: { readonly external_ids: Readonly<Record<string, string>> }): boolean =>
    ids["pod_namespace"] === namespace && names.includes(ids["pod_name"] ?? "");
  for (const node of world.lab.nodes) {
    const ovs = world.ovs(node);
    await ovs.until(`no interfaces of ${namespace} on ${node}`, () => !ovs.podInterfaces().some(ours), 60_000);
  }
}

/** Creates a namespace for a test, and deletes it with its pods at the end of the test. Resolves when pods can be created in it. */
export async function useNamespace(t: Test, world: World, name: string): Promise<string> {
  await ensureNamespace(world, name);
  t.teardown(async () => {
    const pods = world.pods.values().filter(({ metadata }) => metadata.namespace === name);
    try {
      await remove(
        world,
        name,
        pods.map(({ metadata }) => metadata.name),
      );
      // The API server completes the deletion, which takes seconds.
      await world.kube.delete(NAMESPACES, { name });
    } catch (error) {
      // The failure has been reported; a failed teardown would block the others, and the end of the process.
      t.comment(`namespace ${name} could not be removed: ${error}`);
    }
  });
  return name;
}

async function ensureNamespace(world: World, name: string): Promise<void> {
  const old = world.namespaces.get(name);
  if (old?.metadata.deletionTimestamp !== undefined) await world.namespaces.gone(name, 60_000);
  if (world.namespaces.get(name) === undefined) await world.kube.create(NAMESPACES, { metadata: { name } });
  await world.accounts.until(`${name}/default`, "exists", (account) => account !== undefined);
}

/** The standing pods, `one` and `two` of each node in the order of the nodes; created by the first test file that needs them, and kept for the others. */
export async function standingPods(world: World): Promise<readonly Thing[]> {
  await ensureNamespace(world, STANDING);
  const wanted = world.lab.nodes.flatMap((node) => ["one", "two"].map((which) => ({ node, name: `${which}-${node}` })));
  for (const { node, name } of wanted) {
    if (world.pods.get(`${STANDING}/${name}`) !== undefined) continue;
    await world.kube.create(PODS, serverPod(STANDING, name, { node, labels: { web: "weft" } }) as PodManifest);
  }
  return ready(
    world,
    STANDING,
    wanted.map(({ name }) => name),
  );
}

/** Runs commands in a pod's network namespace. */
export function inPod(pod: Thing): Exec {
  return inNetns(podNetns(pod.metadata.uid));
}

/** A pod's addresses, IPv4 first. */
export function addressesOf(pod: Thing): readonly [string, string] {
  const ips: readonly { ip: string }[] = pod.status?.podIPs ?? [];
  const of = (six: boolean): string => ips.find(({ ip }) => ip.includes(":") === six)?.ip ?? "(none)";
  return [of(false), of(true)];
}

/**
 * Ensures that a pod of Weft has not been restarted: kubelet restarts a container at once only the first time, after that it
 * pauses for ten seconds and more. Returns the pod.
 */
export async function withoutRestarts(world: World, app: Parameters<World["own"]>[0], node?: string): Promise<Thing> {
  const [old] = world.own(app, node);
  if (old === undefined) throw new Error(`there is no ${app}`);
  if (!(old.status.containerStatuses ?? []).some((container: { restartCount: number }) => container.restartCount > 0))
    return old;
  await world.kube.delete(PODS, { namespace: "kube-system", name: old.metadata.name });
  return ownReady(world, app, node, old.metadata.uid);
}

/** Waits until a workload of Weft has a Ready pod again, other than `not`. */
export async function ownReady(
  world: World,
  app: Parameters<World["own"]>[0],
  node?: string,
  not?: string,
  ms = 60_000,
): Promise<Thing> {
  return when(
    (listener) => world.pods.subscribe(listener),
    () => world.own(app, node).find((pod) => isReady(pod) && pod.metadata.uid !== not),
    `a Ready pod of ${app}`,
    ms,
  );
}

/** Runs commands in a node. */
export function inNode(world: World, node: string): Exec {
  return (command) => world.lab.node(node).exec(command, { allowFailure: true, timeoutMs: 15_000 });
}

/** Sets the number of controllers and waits until exactly this number exists and is Ready. */
export async function scaleController(world: World, replicas: number): Promise<void> {
  const ref = { namespace: "kube-system", name: "kube-ovn-controller" };
  await world.kube.patch(DEPLOYMENTS, ref, { type: "merge", body: { spec: { replicas } } }, { subresource: "scale" });
  const running = (): readonly Thing[] =>
    world.pods.values().filter(({ metadata }) => metadata.labels?.["app"] === "kube-ovn-controller");
  await when(
    (listener) => world.pods.subscribe(listener),
    () => running().length === replicas && running().every((pod) => isReady(pod)),
    `${replicas} controllers are Ready`,
    60_000,
  );
}
