// SPDX-License-Identifier: Apache-2.0

import { X509Certificate } from "node:crypto";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { until } from "../../../hack/lab/wait.ts";
import { NODE } from "../../../src/api/annotations.ts";
import { SECRETS } from "../../../src/kube/resources.ts";
import { makeAuthority } from "../../../src/pki/authority.ts";
import type { Thing } from "./objects.ts";
import { inContainer, killProcess, PROGRAM } from "./processes.ts";
import type { World } from "./world.ts";

/** The certificate of a node's ovn-controller. */
export function certificateOf(world: World, node: string): X509Certificate {
  return new X509Certificate(readFileSync(join(world.lab.node(node).root, "etc/openvswitch/tls/tls.pem")));
}

/** The name of a node's chassis. */
export function chassisOf(world: World, node: string): string {
  return world.nodes.get(node)?.metadata.annotations?.[NODE.chassis] ?? "";
}

/** How often OVN's programs in a pod have connected by TLS, to others or to each other. */
export async function connections(world: World, pod: Thing): Promise<number> {
  const { stdout } = await world.lab.kubectl(["-n", "kube-system", "logs", pod.metadata.name]);
  return stdout.match(/reconnect\|INFO\|ssl:.*: connected/g)?.length ?? 0;
}

/** The serial number of the certificate that a central shows to new clients of a port. While its files are replaced, it may show none. */
export async function shown(central: Thing, port: number): Promise<string> {
  const show = `openssl s_client -connect [${central.status.podIP}]:${port} </dev/null 2>/dev/null | openssl x509`;
  const text = await until(`port ${port} of ${central.spec.nodeName} shows a certificate`, 10_000, async () => {
    const command = ["bash", "-c", show];
    const { stdout } = await inContainer(central.metadata.uid, PROGRAM.central, command, { allowFailure: true });
    return stdout !== "" && stdout;
  });
  return new X509Certificate(text).serialNumber;
}

/**
 * Has a node's certificate replaced, by one in its place that the nodes' authority has not signed, which a restarted daemon does not accept. (A file that
 * is missing for a moment would drop the connection: OVS 3.5.0.) Resolves when there is a new one.
 */
export async function replaceCertificate(world: World, node: string): Promise<void> {
  const before = certificateOf(world, node).serialNumber;
  const folder = join(world.lab.node(node).root, "etc/openvswitch/tls");
  const stranger = await makeAuthority(folder, { commonName: chassisOf(world, node), now: Date.now(), days: 1 });
  writeFileSync(join(folder, "tls.pem.new"), stranger.privateKey + stranger.certificate, { mode: 0o600 });
  renameSync(join(folder, "tls.pem.new"), join(folder, "tls.pem"));
  const [daemon] = world.own("kube-ovn-cni", node);
  await killProcess(daemon!.metadata.uid, PROGRAM.daemon);
  await until(`a new certificate of ${node}`, 60_000, async () => {
    const { serialNumber, issuer, subject } = certificateOf(world, node);
    return issuer !== subject && serialNumber !== before;
  });
}

/**
 * Has the certificate of all centrals replaced: the Secret is deleted, and a controller restarted, which looks at once. Resolves when each central shows the
 * new one at each of `ports`: kubelet brings a changed Secret into a running pod within its sync period and its cache's, together about two minutes.
 */
export async function replaceCentralCertificate(world: World, ports: readonly number[]): Promise<void> {
  const centrals = world.own("ovn-central");
  const before = await shown(centrals[0]!, ports[0]!);
  await world.kube.delete(SECRETS, { namespace: "kube-system", name: "weft-central" });
  const [controller] = world.own("kube-ovn-controller");
  await killProcess(controller!.metadata.uid, PROGRAM.controller);
  for (const central of centrals)
    for (const port of ports)
      await until(
        `a new certificate at port ${port} of ${central.spec.nodeName}`,
        200_000,
        async () => (await shown(central, port)) !== before,
        500,
      );
}
