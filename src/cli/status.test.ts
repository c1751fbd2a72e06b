// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { encodeNodeContract } from "../contract/node.ts";
import { publishLease } from "../kube/published-lease.ts";
import { DAEMON_SETS, DEPLOYMENTS, NODES, type ResourceType } from "../kube/resources.ts";
import { fakeKube } from "../kube/testing/fake.ts";
import { ManualClock } from "../time/testing/manual-clock.ts";
import { formatStatus, readStatus } from "./status.ts";

const REF = { namespace: "kube-system", name: "kube-ovn-controller" };

t.test("only a controller that holds and renews the Lease counts as leader", async (t) => {
  const clock = new ManualClock();
  const kube = fakeKube({ clock });
  const status = async (later = 0) => {
    const data = await readStatus(kube, "kube-system", clock.wall() + later);
    return [data.leader, formatStatus(data).split("\n")[0] ?? ""];
  };
  t.match(await status(), [undefined, /^Leader: none: no controller has ever led/]);
  const lease = publishLease(kube, { ...REF, holder: "weft-1", clock });
  await kube.settled();
  t.same(await status(), ["weft-1", "Leader: weft-1"]);
  t.same(await status(60_000), ["weft-1", "Leader: weft-1"]);
  t.same(await status(-5_000), ["weft-1", "Leader: weft-1"], "the local clock may be behind");
  t.match(await status(61_000), [
    undefined,
    /^Leader: none: weft-1 has not renewed its Lease for 61 s, which should be renewed within 60 s, so no address is allocated/,
  ]);
  await lease.stop();
  t.match(await status(), [
    undefined,
    /^Leader: none: the last leader has released its Lease and no other has taken it/,
  ]);
});

t.test("the status shows each part of Weft, and which lacks pods", async (t) => {
  const kube = fakeKube({ clock: new ManualClock() });
  const add = async (type: ResourceType, name: string, spec: object, status: object): Promise<void> => {
    const ref = { namespace: "kube-system", name };
    await kube.create(type, { metadata: ref, spec });
    await kube.patch(type, ref, { type: "merge", body: { status } }, { subresource: "status" });
  };
  await add(DEPLOYMENTS, "ovn-central", { replicas: 3 }, { readyReplicas: 3 });
  const daemon = { desiredNumberScheduled: 2, numberReady: 1 };
  await add(DAEMON_SETS, "kube-ovn-cni", {}, daemon);
  await add(DAEMON_SETS, "other", {}, daemon);
  const text = formatStatus(await readStatus(kube, "kube-system", 0));
  t.match(text, /^Deployment ovn-central +3 of 3$/m);
  t.match(text, /^DaemonSet kube-ovn-cni +NO: 1 of 2$/m);
  t.notMatch(text, "other");
});

t.test("the status names what serves Services to nodes, and contradictions", async (t) => {
  const kube = fakeKube({ clock: new ManualClock() });
  const lines = async () =>
    formatStatus(await readStatus(kube, "kube-system", 0))
      .split("\n")
      .slice(1, 3);
  const contract = (index: number, services: boolean) =>
    encodeNodeContract({
      mac: "02:00:00:00:00:02",
      addresses: { v4: `100.64.0.${index}` },
      cidr: { v4: "100.64.0.0/16" },
      gateway: { v4: "100.64.0.1" },
      sources: {},
      joinSubnet: "join",
      portName: `node-weft-${index}`,
      ...(services && {
        services: {
          mac: "02:00:00:00:00:03",
          portName: `node-weft-${index}/services`,
          sources: { v4: `100.64.128.${index}` },
          gateways: { v4: "100.64.128.1" },
          cidrs: [],
          vpc: "ovn-cluster",
        },
      }),
    });
  const add = (index: number, services: boolean) => {
    const annotations = Object.fromEntries(
      Object.entries(contract(index, services)).flatMap(([name, value]) =>
        value === undefined ? [] : [[name, value]],
      ),
    );
    return kube.create(NODES, { metadata: { name: `weft-${index}`, annotations } });
  };
  await add(2, true);
  t.same(await lines(), ["Services for nodes and clients outside: Weft", ""]);
  await add(3, false);
  t.match(await lines(), [
    "Services for nodes and clients outside: Weft on 1 of 2 nodes, kube-proxy on the others",
    /^ {2}Warning: no DaemonSet has the label k8s-app=kube-proxy/,
  ]);
  const labels = { "k8s-app": "kube-proxy" };
  await kube.create(DAEMON_SETS, { metadata: { name: "kube-proxy", namespace: "kube-system", labels } });
  t.match((await lines())[1], /^ {2}Warning: DaemonSet kube-system\/kube-proxy runs too/);
});
