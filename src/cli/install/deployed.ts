// SPDX-License-Identifier: Apache-2.0

import { unlessNotFound } from "../../kube/errors.ts";
import type { Kube } from "../../kube/kube.ts";
import type { KubeObject } from "../../kube/object.ts";
import { DAEMON_SETS, DEPLOYMENTS } from "../../kube/resources.ts";

/** The versions that the cluster runs, from its workloads. */
export interface Deployed {
  readonly image: string;
  readonly pullPolicy: string;
  readonly pullSecrets: readonly string[];
  /** `app.kubernetes.io/version` of the DaemonSet. */
  readonly version: string;
  /** Folders on the nodes. */
  readonly cniConfDir: string;
  readonly cniBinDir: string;
  readonly cniConfName: string;
  readonly dataPath: string;
}

interface Template extends KubeObject {
  readonly spec?: {
    readonly template?: {
      readonly spec?: {
        readonly imagePullSecrets?: readonly { readonly name: string }[];
        readonly containers?: readonly {
          readonly image?: string;
          readonly imagePullPolicy?: string;
          readonly command?: readonly string[];
        }[];
        readonly volumes?: readonly { readonly name: string; readonly hostPath?: { readonly path: string } }[];
      };
    };
  };
}

/** Reads it; undefined if DaemonSet kube-ovn-cni does not exist, or is not Weft's. */
export async function readDeployed(kube: Kube, namespace: string): Promise<Deployed | undefined> {
  const [daemon, central] = await Promise.all([
    kube.get<Template>(DAEMON_SETS, { namespace, name: "kube-ovn-cni" }).catch(unlessNotFound),
    kube.get<Template>(DEPLOYMENTS, { namespace, name: "ovn-central" }).catch(unlessNotFound),
  ]);
  const labels = daemon?.metadata.labels ?? {};
  const pod = daemon?.spec?.template?.spec;
  const [container] = pod?.containers ?? [];
  if (labels["app.kubernetes.io/part-of"] !== "weft" || container?.image === undefined) return undefined;
  const path = (from: Template | undefined, pick: (name: string) => boolean, otherwise: string): string =>
    from?.spec?.template?.spec?.volumes?.find(({ name }) => pick(name))?.hostPath?.path ?? otherwise;
  const confName = container.command?.find((word) => word.startsWith("--cni-conf-name="))?.split("=")[1];
  return {
    image: container.image,
    pullPolicy: container.imagePullPolicy ?? "IfNotPresent",
    pullSecrets: (pod?.imagePullSecrets ?? []).map(({ name }) => name),
    version: labels["app.kubernetes.io/version"] ?? "unknown",
    cniConfDir: path(daemon, (name) => name === "cni-conf", "/etc/cni/net.d"),
    cniBinDir: path(daemon, (name) => name === "cni-bin", "/opt/cni/bin"),
    cniConfName: confName ?? "01-kube-ovn.conflist",
    dataPath: path(central, (name) => name === "data", "/etc/origin/ovn"),
  };
}
