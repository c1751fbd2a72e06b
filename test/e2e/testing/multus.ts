// SPDX-License-Identifier: Apache-2.0

import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Test } from "tap";
import { createProgress } from "../../../hack/host/progress.ts";
import { BUSYBOX_IMAGE } from "../../../hack/lab/images.ts";
import { ensureMultus, type MultusProgram } from "../../../hack/tools/multus.ts";
import { apply } from "../../../hack/traffic/pods.ts";
import type { NewObject } from "../../../src/kube/object.ts";
import { DAEMON_SETS, NETWORK_ATTACHMENTS } from "../../../src/kube/resources.ts";
import { useNetworkType } from "./networks.ts";
import type { Thing } from "./objects.ts";
import { isReady } from "./pods.ts";
import { when } from "./when.ts";
import type { World } from "./world.ts";

const FOLDER = "/etc/cni/net.d";
/** The runtime uses the first file of the folder. */
const FILE = `${FOLDER}/00-multus.conf`;

/**
 * Configures Multus between the runtimes and the primary network plugin during a test: the plugin alone, without its daemon ("thin"). Resolves when the type of
 * networks is served.
 * @param primary the name of the primary network, if it is not Weft's. It is not specified by its file, because Multus 4.2.1 to 4.3.0 then calls DEL without the plugins'
 * own fields (`findings/multus-deletes-without-the-plugins-fields.sh`).
 */
export async function useMultus(t: Test, world: World, primary?: string): Promise<void> {
  await useNetworkType(t, world);
  if (primary !== undefined) await world.kube.create<Thing>(NETWORK_ATTACHMENTS, networkOfFile(primary));
  const config = {
    cniVersion: "1.0.0",
    name: "multus-cni-network",
    type: "multus",
    kubeconfig: world.lab.paths.nodeKubeconfig,
    confDir: FOLDER,
    clusterNetwork: primary ?? `${FOLDER}/01-kube-ovn.conflist`,
  };
  for (const name of world.lab.nodes) {
    await install(t, world, name, "multus");
    const script = `cat >${FOLDER}/.new && mv ${FOLDER}/.new ${FILE}`;
    await world.lab.node(name).exec(["sh", "-c", script], { input: JSON.stringify(config) });
  }
}

/** The same with Multus' daemon ("thick"), as its manifest `multus-daemonset-thick.yml` runs it: a DaemonSet that writes the runtime's configuration itself. */
export async function useThickMultus(t: Test, world: World): Promise<void> {
  await useNetworkType(t, world);
  for (const name of world.lab.nodes) {
    await install(t, world, name, "multus-shim");
    await install(t, world, name, "multus-daemon");
  }
  t.teardown(async () => {
    await world.kube.delete(DAEMON_SETS, { namespace: "kube-system", name: "multus" });
    await when(
      (listener) => world.pods.subscribe(listener),
      () => daemons(world).length === 0,
      "the pods of Multus' daemon are gone",
      60_000,
    );
  });
  await apply(world.lab, thickObjects());
  await when(
    (listener) => world.pods.subscribe(listener),
    () => daemons(world).filter((pod) => isReady(pod)).length === world.lab.nodes.length,
    "Multus' daemon is Ready on each node",
    90_000,
  );
}

/** A definition without a configuration: Multus looks for that name among the files of `confDir`. */
function networkOfFile(name: string): NewObject<Thing> {
  return { metadata: { namespace: "kube-system", name }, spec: {}, status: undefined };
}

async function install(t: Test, world: World, node: string, program: MultusProgram): Promise<void> {
  const space = world.lab.node(node);
  const target = join(space.paths.opt, "cni/bin", program);
  await cp(await ensureMultus(createProgress(), program), target);
  t.teardown(async () => {
    await space.exec(["rm", "-f", FILE]);
    await rm(target, { force: true });
  });
}

function daemons(world: World): readonly Thing[] {
  return world.pods.values().filter(({ metadata }) => metadata.labels?.["name"] === "multus");
}

function thickObjects(): readonly object[] {
  const namespace = "kube-system";
  const config = {
    chrootDir: "/hostroot",
    cniVersion: "1.0.0",
    logLevel: "verbose",
    logToStderr: true,
    cniConfigDir: "/host/etc/cni/net.d",
    multusAutoconfigDir: "/host/etc/cni/net.d",
    multusConfigFile: "auto",
    socketDir: "/host/run/multus/",
  };
  const paths: Readonly<Record<string, readonly [path: string, at: string]>> = {
    cni: [FOLDER, "/host/etc/cni/net.d"],
    cnibin: ["/opt/cni/bin", "/opt/cni/bin"],
    run: ["/run", "/host/run"],
    state: ["/var/lib/cni/multus", "/var/lib/cni/multus"],
    // The released image has a link at /var/run.
    netns: ["/run/netns", "/var/run/netns"],
    hostroot: ["/", "/hostroot"],
  };
  const container = {
    name: "multus",
    image: BUSYBOX_IMAGE,
    imagePullPolicy: "Never",
    command: ["/opt/cni/bin/multus-daemon"],
    securityContext: { privileged: true },
    env: [{ name: "MULTUS_NODE_NAME", valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } } }],
    // From then on the runtime calls it.
    readinessProbe: { exec: { command: ["test", "-e", "/host/etc/cni/net.d/00-multus.conf"] }, periodSeconds: 1 },
    volumeMounts: [
      ...Object.entries(paths).map(([name, [, mountPath]]) => ({
        name,
        mountPath,
        ...(["netns", "hostroot"].includes(name) && { mountPropagation: "HostToContainer" }),
      })),
      { name: "config", mountPath: "/etc/cni/net.d/multus.d" },
    ],
  };
  const labels = { name: "multus" };
  return [
    { apiVersion: "v1", kind: "ServiceAccount", metadata: { namespace, name: "multus" } },
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRoleBinding",
      metadata: { name: "multus" },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "cluster-admin" },
      subjects: [{ kind: "ServiceAccount", namespace, name: "multus" }],
    },
    {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { namespace, name: "multus-daemon-config" },
      data: { "daemon-config.json": JSON.stringify(config) },
    },
    {
      apiVersion: "apps/v1",
      kind: "DaemonSet",
      metadata: { namespace, name: "multus" },
      spec: {
        selector: { matchLabels: labels },
        template: {
          metadata: { labels },
          spec: {
            hostNetwork: true,
            hostPID: true,
            tolerations: [{ operator: "Exists" }],
            serviceAccountName: "multus",
            terminationGracePeriodSeconds: 1,
            containers: [container],
            volumes: [
              ...Object.entries(paths).map(([name, [path]]) => ({
                name,
                hostPath: { path, ...(name !== "hostroot" && { type: "DirectoryOrCreate" }) },
              })),
              { name: "config", configMap: { name: "multus-daemon-config" } },
            ],
          },
        },
      },
    },
  ];
}

/** Multus' report about one network of a pod (NPWG "Kubernetes Network Custom Resource Definition" 1.3, 5.1). */
export interface MultusNetworkStatus {
  readonly name: string;
  readonly interface?: string;
  readonly ips?: readonly string[];
  readonly mac?: string;
  readonly default?: boolean;
  readonly gateway?: readonly string[];
  readonly dns?: object;
}

/** The annotation `k8s.v1.cni.cncf.io/network-status` of a pod. */
export function networkStatus(pod: Thing): readonly MultusNetworkStatus[] {
  const text = pod.metadata.annotations?.["k8s.v1.cni.cncf.io/network-status"] ?? "[]";
  return JSON.parse(text) as readonly MultusNetworkStatus[];
}
