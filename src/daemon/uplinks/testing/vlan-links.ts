// SPDX-License-Identifier: Apache-2.0

import type { Link } from "../../../netlink/links.ts";
import type { NodeKernel } from "../../../node/kernel.ts";

/** Creates an interface that is connected to nothing, with a carrier. Many kernels have no dummy interfaces. */
export function addDeadEnd(ip: (...args: string[]) => string, name: string, mac: string, mtu: number): void {
  const far = `x${name.slice(-8).replaceAll(/[^a-z0-9]/g, "")}`;
  ip("link", "add", name, "address", mac, "mtu", String(mtu), "type", "veth", "peer", "name", far);
  ip("link", "set", far, "up");
}

/** The links of a kernel, each as another one. */
export function linksShown(kernel: NodeKernel, shown: (link: Link) => Link): Pick<NodeKernel, "links" | "link"> {
  return {
    links: () => kernel.links().map(shown),
    link(name) {
      const link = kernel.link(name);
      return link && shown(link);
    },
  };
}

/**
 * A kernel with VLAN sub-interfaces of eth1, which that of many machines does not have: interfaces called `eth1.<VLAN id>` are such ones for the program, and what it creates is one. No frames
 * go through them.
 */
export function withVlanLinks(kernel: NodeKernel, ip: (...args: string[]) => string): NodeKernel {
  const shown = (link: Link): Link => {
    if (link.kind !== "veth" || !/^eth1\.\d+$/.test(link.name)) return link;
    const parent = kernel.links().find(({ name, alias }) => name === "eth1" || alias?.endsWith(" eth1"))?.index;
    return { ...link, kind: "vlan", ...(parent !== undefined && { peer: parent }) };
  };
  const vlans: Partial<NodeKernel> = {
    ...linksShown(kernel, shown),
    createLink(spec) {
      if (spec.kind !== "vlan") return kernel.createLink(spec);
      addDeadEnd(ip, spec.name, spec.mac ?? "", spec.mtu ?? 1500);
      ip("link", "set", spec.name, "up");
    },
  };
  return { ...kernel, watch: kernel.watch.bind(kernel), ...vlans };
}
