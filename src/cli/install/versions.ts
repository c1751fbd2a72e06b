// SPDX-License-Identifier: Apache-2.0

import type { KubeConnection } from "../../kube/connect.ts";
import { formatTable } from "../table.ts";
import { readDeployed } from "./deployed.ts";

/** Versions as data. */
export interface Versions {
  readonly client: { readonly version: string; readonly commit: string };
  /** Absent if no cluster was accessed. */
  readonly cluster?: {
    readonly kubernetes: string;
    /** Absent if Weft is not installed. */
    readonly weft?: { readonly version: string; readonly image: string };
  };
}

/** The versions that the cluster runs, and that of this program. Rejects with a KubeError. */
export async function readVersions(
  { kube, version }: Pick<KubeConnection, "kube" | "version">,
  namespace: string,
  client: Versions["client"],
): Promise<Versions> {
  const [kubernetes, deployed] = await Promise.all([version(), readDeployed(kube, namespace)]);
  const weft = deployed && { version: deployed.version, image: deployed.image };
  return { client, cluster: { kubernetes, ...(weft === undefined ? {} : { weft }) } };
}

/** A table. */
export function formatVersions({ client, cluster }: Versions): string {
  const rows = [["weftctl", client.version, `commit ${client.commit}`]];
  if (cluster !== undefined) {
    rows.push(["Kubernetes", cluster.kubernetes, ""]);
    rows.push(["Weft", cluster.weft?.version ?? "not installed", cluster.weft?.image ?? ""]);
  }
  return formatTable(["WHAT", "VERSION", ""], rows);
}
