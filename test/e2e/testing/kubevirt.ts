// SPDX-License-Identifier: Apache-2.0

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Test } from "tap";
import { parseAllDocuments } from "yaml";
import { KubeError } from "../../../src/kube/errors.ts";
import type { KubeObject, NewObject } from "../../../src/kube/object.ts";
import { CRDS, MIGRATIONS, typeName, VIRTUAL_MACHINES } from "../../../src/kube/resources.ts";
import { established, Objects } from "./objects.ts";
import { idlePod, type PodManifest } from "./pods.ts";
import type { World } from "./world.ts";

const TYPES = [VIRTUAL_MACHINES, MIGRATIONS] as const;

/** Installs KubeVirt's types during a test; resolves when they are served. KubeVirt itself is not installed: the test acts as its controllers. */
export async function useKubeVirtTypes(t: Test, { kube }: World): Promise<void> {
  const crds = new Objects(kube, CRDS);
  await crds.ready();
  t.teardown(async () => {
    for (const type of TYPES) await kube.delete(CRDS, { name: typeName(type) });
    for (const type of TYPES) await crds.gone(typeName(type));
    await crds.stop();
  });
  const text = readFileSync(join(import.meta.dirname, "../crds/kubevirt.io.yaml"), "utf8");
  for (const document of parseAllDocuments(text)) {
    await kube.create(CRDS, document.toJS() as NewObject<KubeObject>).catch((error: unknown) => {
      if (!(error instanceof KubeError && error.code === "exists")) throw error;
    });
  }
  for (const type of TYPES) await established(crds, type);
}

/** The pod that KubeVirt starts for a virtual machine on a node; for a migration its target. */
export function launcherPod(
  namespace: string,
  machine: string,
  name: string,
  node: string,
  migrationUid?: string,
  annotations?: Record<string, string>,
): PodManifest {
  const manifest = idlePod(namespace, name, node, annotations);
  const owner = { apiVersion: "kubevirt.io/v1", kind: "VirtualMachineInstance", name: machine, uid: `vmi-${machine}` };
  const labels = { "kubevirt.io": "virt-launcher", "vm.kubevirt.io/name": machine };
  const move = migrationUid === undefined ? {} : { "kubevirt.io/migrationJobUID": migrationUid };
  const metadata = {
    ...manifest.metadata,
    labels: { ...labels, ...move },
    ownerReferences: [{ ...owner, controller: true }],
  };
  return { ...manifest, metadata };
}

/** Phases of a migration (KubeVirt, `VirtualMachineInstanceMigrationPhase`). */
export type MigrationPhase = "Scheduling" | "TargetReady" | "Running" | "Succeeded" | "Failed";

/** Creates a migration of a virtual machine. Returns its UID. */
export async function createMigration(world: World, namespace: string, machine: string, name: string): Promise<string> {
  const spec = { vmiName: machine };
  const made = await world.kube.create(MIGRATIONS, { metadata: { namespace, name }, spec } as NewObject<KubeObject>);
  await setPhase(world, namespace, name, "Scheduling");
  return made.metadata.uid;
}

/** Sets the phase of a migration. */
export async function setPhase(world: World, namespace: string, name: string, phase: MigrationPhase): Promise<void> {
  const body = { status: { phase } };
  await world.kube.patch(MIGRATIONS, { namespace, name }, { type: "merge", body }, { subresource: "status" });
}
