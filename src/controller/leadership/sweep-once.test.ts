// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { PODS } from "../../kube/resources.ts";
import { OVN_NB } from "../../ovsdb/generated/ovn-nb.ts";
import { addPod, addressOf, candidate, cluster, eventually } from "../testing/cluster.ts";

t.test("a pod that was recreated while no controller led is served although the limit stops the sweep", async (t) => {
  const { kube, server } = await cluster(t);
  const first = candidate(t, kube, server);
  const others = Array.from({ length: 60 }, (_, i) => `other-${i}`);
  for (const name of ["web-0", ...others]) await addPod(kube, name);
  await eventually("all have addresses", () =>
    ["web-0", ...others].every((name) => addressOf(kube, name) !== undefined) ? true : undefined,
  );
  await first.stop();
  for (const name of ["web-0", ...others]) {
    await kube.delete(PODS, { namespace: "default", name }, { gracePeriodSeconds: 0 });
  }
  await addPod(kube, "web-0");
  candidate(t, kube, server);
  t.ok(await eventually("an address for the new one", () => addressOf(kube, "web-0")));
  const ports = server.rows(OVN_NB, "Logical_Switch_Port").map(({ name }) => name);
  t.equal(ports.filter((name) => name.startsWith("other-")).length, 60, "the others wait for an administrator");
});
