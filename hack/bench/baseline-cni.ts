// SPDX-License-Identifier: Apache-2.0

import type { Lab } from "../lab/lab.ts";

const FILE = "/etc/cni/net.d/00-weft-bench-floor.conflist";

/**
 * Installs the baseline CNI plugins on every node instead of Weft: Debian's `bridge` and `host-local`, whose
 * configuration comes before Weft's by name, so that the same kubelet and the same containerd use it. Returns a
 * function that removes them.
 */
export async function useFloor(lab: Lab): Promise<() => Promise<void>> {
  await Promise.all(
    lab.nodes.map(async (name, index) => {
      const conflist = {
        cniVersion: "1.0.0",
        name: "floor",
        plugins: [
          {
            type: "bridge",
            bridge: "floor0",
            isGateway: true,
            ipMasq: false,
            ipam: {
              type: "host-local",
              ranges: [[{ subnet: `10.250.${index}.0/24` }]],
              routes: [{ dst: "0.0.0.0/0" }],
            },
          },
        ],
      };
      await lab
        .node(name)
        .exec(["sh", "-c", `cat > ${FILE}.tmp && mv ${FILE}.tmp ${FILE}`], { input: JSON.stringify(conflist) });
    }),
  );
  return async () => {
    await Promise.all(
      lab.nodes.map((name) =>
        lab
          .node(name)
          .exec([
            "sh",
            "-c",
            `rm -f ${FILE}; ip link del floor0 2>/dev/null; rm -rf /var/lib/cni/networks/floor; true`,
          ]),
      ),
    );
  };
}
