// SPDX-License-Identifier: Apache-2.0

import type { LabNodeObject } from "./cluster.ts";
import type { LabPaths } from "./paths.ts";
import type { LabSettings } from "./settings.ts";
import { requireSpace, runInSpace } from "./space.ts";
import { chosen, labNodeNames, linksOf, POD_CIDR } from "./topology.ts";

/**
 * The CNI configuration of the baseline: Debian's `bridge` with `host-local`. Its bridge is `cni0`; `cidrs` are the
 * node's own.
 */
export function bridgeConflist(cidrs: readonly string[]): unknown {
  return {
    cniVersion: "1.0.0",
    name: "bridge",
    plugins: [
      {
        type: "bridge",
        bridge: "cni0",
        isGateway: true,
        hairpinMode: true,
        ipam: {
          type: "host-local",
          ranges: cidrs.map((subnet) => [{ subnet }]),
          routes: cidrs.map((cidr) => ({ dst: cidr.includes(":") ? "::/0" : "0.0.0.0/0" })),
        },
      },
    ],
  };
}

/**
 * Sets up the baseline network: each node's configuration, routes to the other nodes' pods over `eth1`, and
 * masquerading for all other destinations.
 */
export async function ensureBridge(
  paths: LabPaths,
  settings: LabSettings,
  nodes: readonly LabNodeObject[],
): Promise<void> {
  const cidrs = new Map(nodes.map(({ metadata, spec }) => [metadata.name, spec.podCIDRs ?? []]));
  await Promise.all(
    labNodeNames(settings.nodes).map(async (node) => {
      const space = requireSpace(paths, node);
      const routes = [...cidrs]
        .filter(([other]) => other !== node)
        .flatMap(([other, list]) =>
          list.map((cidr) => `route replace ${cidr} via ${tunnelAddress(other, cidr)} dev eth1`),
        );
      await runInSpace(paths, space, ["ip", "-batch", "-"], {
        input: routes.join("\n"),
      });
      await runInSpace(paths, space, ["nft", "-f", "-"], { input: masquerade(settings, cidrs.get(node) ?? []) });
      const conflist = JSON.stringify(bridgeConflist(cidrs.get(node) ?? []), null, 2);
      await runInSpace(
        paths,
        space,
        ["sh", "-c", "cat >/etc/cni/net.d/.new && mv /etc/cni/net.d/.new /etc/cni/net.d/10-bridge.conflist"],
        {
          input: conflist,
        },
      );
    }),
  );
}

function tunnelAddress(node: string, cidr: string): string {
  const address = linksOf(node)[1]?.address;
  return (cidr.includes(":") ? address?.v6 : address?.v4) ?? "";
}

function masquerade(settings: LabSettings, own: readonly string[]): string {
  const all = chosen(settings.ipFamily, POD_CIDR);
  const rules = own.map((cidr) => {
    const ip = cidr.includes(":") ? "ip6" : "ip";
    const cluster = all.find((other) => other.includes(":") === cidr.includes(":"));
    return `    ${ip} saddr ${cidr} ${ip} daddr != ${cluster} masquerade`;
  });
  return `table inet weft-lab-bridge {}
delete table inet weft-lab-bridge
table inet weft-lab-bridge {
  chain postrouting {
    type nat hook postrouting priority 100;
${rules.join("\n")}
  }
}
`;
}
