// SPDX-License-Identifier: Apache-2.0

import { ensurePackages } from "../../../hack/host/packages.ts";
import { createProgress } from "../../../hack/host/progress.ts";
import { ensureKeepalivedImage, KEEPALIVED_IMAGE } from "../../../hack/lab/images.ts";
import { KEEPALIVED } from "../../../hack/lab/required-packages.ts";
import { idlePod, type PodManifest } from "./pods.ts";
import type { World } from "./world.ts";

/** Imports the image of keepalived into the lab's nodes. */
export async function useKeepalived(world: World): Promise<void> {
  const progress = createProgress();
  await ensurePackages([KEEPALIVED], progress);
  await world.lab.importImage(await ensureKeepalivedImage(progress));
}

/** Seconds between two advertisements of the master. After three missing ones another becomes the master (RFC 5798 §6.1). */
const ADVERTISED_S = 0.2;

/** A pod with keepalived, with a VRRP instance for each address: it is the master unless another one has a higher priority. */
export function keepalivedPod(
  base: { readonly namespace: string; readonly name: string; readonly node: string },
  options: {
    readonly labels: Record<string, string>;
    readonly annotations: Record<string, string>;
    readonly addresses: readonly string[];
    readonly priority: number;
    readonly ifName?: string;
  },
): PodManifest {
  const pod = idlePod(base.namespace, base.name, base.node, options.annotations);
  const instances = options.addresses.map((address, i) =>
    [
      `vrrp_instance v${i} {`,
      `  interface ${options.ifName ?? "eth0"}`,
      "  state BACKUP",
      `  virtual_router_id ${51 + i}`,
      `  priority ${options.priority}`,
      `  advert_int ${ADVERTISED_S}`,
      `  virtual_ipaddress { ${address} }`,
      "}",
    ].join("\n"),
  );
  const config = [`global_defs {\n  router_id ${base.name}\n  vrrp_version 3\n}`, ...instances].join("\n");
  const script =
    'echo "$CONFIG" >/etc/keepalived.conf && exec keepalived --dont-fork --log-console --vrrp -f /etc/keepalived.conf';
  const container = {
    name: "keepalived",
    image: KEEPALIVED_IMAGE,
    imagePullPolicy: "Never",
    command: ["sh", "-c", script],
    env: [{ name: "CONFIG", value: config }],
    securityContext: { capabilities: { add: ["NET_ADMIN", "NET_BROADCAST", "NET_RAW"] } },
  };
  return {
    ...pod,
    metadata: { ...pod.metadata, labels: options.labels },
    spec: { ...(pod.spec as object), terminationGracePeriodSeconds: 10, containers: [container] },
  };
}
