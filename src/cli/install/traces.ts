// SPDX-License-Identifier: Apache-2.0

import { NODE } from "../../api/annotations.ts";
import { MADE_BY_CONTROLLER } from "../../api/certificates.ts";
import { DEPRECATED_FINALIZER, FINALIZER } from "../../api/names.ts";
import { unlessNotFound } from "../../kube/errors.ts";
import type { Kube, Patch, SubresourceOptions } from "../../kube/kube.ts";
import type { KubeObject, ObjectRef } from "../../kube/object.ts";
import { listEach } from "../../kube/pages.ts";
import { CONFIG_MAPS, CRDS, NODES, type ResourceType, SECRETS } from "../../kube/resources.ts";

/** A kind that Weft's CRDs define. */
export interface OurKind {
  readonly type: ResourceType;
  readonly crd: string;
  /** The CRD belongs to the release, according to helm's annotations. */
  readonly ours: boolean;
  readonly count: number;
}

interface Crd extends KubeObject {
  readonly spec?: {
    readonly group?: string;
    readonly scope?: string;
    readonly names?: { readonly plural?: string; readonly kind?: string };
    readonly versions?: readonly { readonly name: string; readonly served?: boolean }[];
  };
}

const GROUP = "kubeovn.io";

/** Annotations of a Node that the controller or the daemon writes; those of users stay. */
const NODE_ANNOTATIONS: readonly string[] = [
  ...[NODE.allocated, NODE.ipAddress, NODE.macAddress, NODE.cidr, NODE.gateway],
  ...[NODE.logicalSwitch, NODE.portName, NODE.source, NODE.contract, NODE.chassis, NODE.unreachable],
  NODE.uplinks,
];

/** Labels of a Node about networks outside (`providerNetworkLabel`). */
const UPLINK_LABEL = /\.provider-network\.kubernetes\.io\/(ready|interface|mtu|exclude)$/;

/** The kinds of `kubeovn.io` that the API server serves, with how many objects there are. */
export async function ourKinds(kube: Kube, release: string): Promise<readonly OurKind[]> {
  const kinds: OurKind[] = [];
  for await (const { metadata, spec } of listEach<Crd>(kube, CRDS)) {
    const { plural, kind } = spec?.names ?? {};
    const version = spec?.versions?.find(({ served }) => served !== false)?.name;
    if (spec?.group !== GROUP || plural === undefined || kind === undefined || version === undefined) continue;
    const type = { group: GROUP, version, plural, kind, namespaced: spec.scope === "Namespaced" };
    const ours = metadata.annotations?.["meta.helm.sh/release-name"] === release;
    let count = 0;
    for await (const _ of listEach(kube, type)) count++;
    kinds.push({ type, crd: metadata.name, ours, count });
  }
  return kinds;
}

/**
 * Removes Weft's finalizers from all objects of these kinds: without a controller such an object could never be
 * deleted. Other finalizers stay.
 */
export async function removeFinalizers(kube: Kube, kinds: readonly OurKind[]): Promise<number> {
  let changed = 0;
  for (const { type } of kinds) {
    for await (const { metadata } of listEach(kube, type)) {
      const { name, namespace, resourceVersion, finalizers = [] } = metadata;
      const others = finalizers.filter((entry) => entry !== FINALIZER && entry !== DEPRECATED_FINALIZER);
      if (others.length === finalizers.length) continue;
      const ref = namespace === undefined ? { name } : { name, namespace };
      await patchIfThere(kube, type, ref, {
        type: "merge",
        body: { metadata: { finalizers: others, resourceVersion } },
      });
      changed++;
    }
  }
  return changed;
}

/** Removes from Nodes Weft's annotations and labels, and conditions whose type begins with `Weft`. */
export async function cleanNodeObjects(kube: Kube): Promise<void> {
  for await (const { metadata, status } of listEach(kube, NODES)) {
    const { name, annotations = {}, labels = {} } = metadata;
    const written = NODE_ANNOTATIONS.filter((key) => key in annotations);
    const labelled = Object.keys(labels).filter((key) => UPLINK_LABEL.test(key));
    if (written.length + labelled.length > 0) {
      const gone = (keys: readonly string[]) => Object.fromEntries(keys.map((key) => [key, null]));
      const body = { metadata: { annotations: gone(written), labels: gone(labelled) } };
      await patchIfThere(kube, NODES, { name }, { type: "merge", body });
    }
    // Each separately and only if it is still the same: kubelet writes to the list as well.
    const steps = conditionsOf(status).flatMap(({ type }, index) =>
      type.startsWith("Weft")
        ? [
            { op: "test" as const, path: `/status/conditions/${index}/type`, value: type },
            { op: "remove" as const, path: `/status/conditions/${index}` },
          ]
        : [],
    );
    for (let at = steps.length - 2; at >= 0; at -= 2) {
      const patch = { type: "json", body: steps.slice(at, at + 2) } as const;
      await patchIfThere(kube, NODES, { name }, patch, { subresource: "status" });
    }
  }
}

/** Deletes the keys and certificates that the controller has created in Weft's namespace; user-provided ones stay. */
export async function deleteCertificates(kube: Kube, namespace: string): Promise<void> {
  const labelSelector = Object.entries(MADE_BY_CONTROLLER)
    .map(([key, value]) => `${key}=${value}`)
    .join(",");
  for (const type of [SECRETS, CONFIG_MAPS])
    for await (const { metadata } of listEach(kube, type, { namespace, labelSelector }))
      await kube.delete(type, { namespace, name: metadata.name });
}

/** Deletes the release's CRDs, and with them all objects of their kinds. Resolves with their names. */
export async function deleteCrds(kube: Kube, kinds: readonly OurKind[]): Promise<readonly string[]> {
  const names = kinds.filter(({ ours }) => ours).map(({ crd }) => crd);
  for (const name of names) await kube.delete(CRDS, { name }).catch(unlessNotFound);
  return names;
}

function conditionsOf(status: unknown): readonly { readonly type: string }[] {
  const list = typeof status === "object" && status !== null && "conditions" in status ? status.conditions : [];
  return Array.isArray(list) ? (list as readonly { readonly type: string }[]) : [];
}

async function patchIfThere(
  kube: Kube,
  type: ResourceType,
  ref: ObjectRef,
  patch: Patch,
  options?: SubresourceOptions,
): Promise<void> {
  await kube.patch(type, ref, patch, options).catch(unlessNotFound);
}
