// SPDX-License-Identifier: Apache-2.0

import { chmod, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { replaceAtomically } from "../host/cache.ts";
import { urlHost } from "../traffic/probe.ts";
import type { LabPaths } from "./paths.ts";
import { CERTIFICATE, certificatePath, keyPath, kubeletCertificate } from "./pki.ts";
import type { LabSettings } from "./settings.ts";
import { API_PORT, addressOf, CONTROL, chosen, hostLinkAddresses } from "./topology.ts";

/** The API server's URL for processes on the host. */
export function hostServer(settings: LabSettings): string {
  return `https://${hostLinkAddresses(settings.hostBlock).control}:${API_PORT}`;
}

/** The API server's URL for processes in nodes and in `ctl`. */
function nodeServer(settings: LabSettings): string {
  const [address = ""] = chosen(settings.ipFamily, addressOf(CONTROL));
  return `https://${urlHost(address)}:${API_PORT}`;
}

/** Path of the kubeconfig of one part, by the name of its certificate. */
export function partKubeconfig(paths: LabPaths, certificate: string): string {
  return join(paths.pki, `${certificate}.kubeconfig`);
}

/** Writes all kubeconfigs of the lab: the administrator's two, and one for each part that speaks to the API server. */
export async function writeKubeconfigs(
  paths: LabPaths,
  settings: LabSettings,
  nodes: readonly string[],
): Promise<void> {
  const parts = [
    CERTIFICATE.controllerManager,
    CERTIFICATE.scheduler,
    CERTIFICATE.proxy,
    ...nodes.map(kubeletCertificate),
  ];
  await Promise.all([
    write(paths, paths.kubeconfig, hostServer(settings), CERTIFICATE.admin),
    write(paths, paths.nodeKubeconfig, nodeServer(settings), CERTIFICATE.admin),
    ...parts.map((certificate) => write(paths, partKubeconfig(paths, certificate), nodeServer(settings), certificate)),
  ]);
}

async function write(paths: LabPaths, file: string, server: string, certificate: string): Promise<void> {
  const data = async (path: string): Promise<string> => (await readFile(path)).toString("base64");
  const config = {
    apiVersion: "v1",
    kind: "Config",
    "current-context": "weft-lab",
    clusters: [
      {
        name: "weft-lab",
        cluster: { server, "certificate-authority-data": await data(certificatePath(paths, CERTIFICATE.authority)) },
      },
    ],
    users: [
      {
        name: certificate,
        user: {
          "client-certificate-data": await data(certificatePath(paths, certificate)),
          "client-key-data": await data(keyPath(paths, certificate)),
        },
      },
    ],
    contexts: [{ name: "weft-lab", context: { cluster: "weft-lab", user: certificate } }],
  };
  await replaceAtomically(file, async (temporary) => {
    // JSON is YAML, and needs no library here.
    await writeFile(temporary, `${JSON.stringify(config, null, 2)}\n`);
    await chmod(temporary, 0o600);
  });
}
