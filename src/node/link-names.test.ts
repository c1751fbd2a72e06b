// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import { hostLinkName, isHostLinkName } from "./link-names.ts";

t.test("host ends are named as in Kube-OVN, and fit", async (t) => {
  t.equal(hostLinkName("0123456789abcdef", "eth0"), "0123456789ab_h");
  t.equal(hostLinkName("0123456789abcdef", "net1"), "01234567_net1_h");
  const id = fc.stringMatching(/^[0-9a-f]{16}$/);
  const name = fc.stringMatching(/^[a-z][a-z0-9]{0,14}$/);
  fc.assert(
    fc.property(id, name, (containerId, ifName) => {
      const link = hostLinkName(containerId, ifName);
      return link.length <= 15 && isHostLinkName(link);
    }),
  );
  // KubeVirt gives a network's interface the same name in all pods, so that almost nothing of the container's id
  // would remain.
  const kubeVirt = "pod16367aacb67";
  t.not(hostLinkName("0123456789abcdef", kubeVirt), hostLinkName("0123456789abcdee", kubeVirt));
  t.not(hostLinkName("0123456789abcdef", kubeVirt), hostLinkName("0123456789abcdef", "pod26367aacb67"));
  for (const other of ["eth0", "ovn0", "br-int", "veth12345678", "_h"]) t.notOk(isHostLinkName(other), other);
});
