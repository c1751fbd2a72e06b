// SPDX-License-Identifier: Apache-2.0

import { randomUUID } from "node:crypto";
import t from "tap";
import { formatStatus, readStatus } from "../../cli/status.ts";
import type { KubeObject } from "../../kube/object.ts";
import { PODS, SUBNETS, VPCS } from "../../kube/resources.ts";
import { OVN_NB } from "../../ovsdb/generated/ovn-nb.ts";
import { insert, remove } from "../../ovsdb/operation.ts";
import { addPod, addressOf, candidate, cluster, eventually } from "../testing/cluster.ts";
import { SETTINGS } from "../testing/settings.ts";

const POD = { namespace: "kube-system", name: "test" };
const NOTICE = "weft.kubeovn.io/not-leading";

t.test("in a database with a network of Kube-OVN the controller reports it, and writes nothing", async (t) => {
  const { kube, server } = await cluster(t);
  const labels = { app: "kube-ovn-controller" };
  await kube.create(PODS, { metadata: { ...POD, labels }, spec: { hostNetwork: true } } as never);
  const ids = { external_ids: { vendor: "kube-ovn" } };
  const names = Array.from({ length: 7 }, (_, index) => `web-${index}.default`);
  const ports = names.map(() => randomUUID());
  await server.edit(OVN_NB, [
    ...names.map((name, index) => insert(OVN_NB, "Logical_Switch_Port", ports[index], { name, ...ids })),
    insert(OVN_NB, "Logical_Switch", undefined, { name: "ovn-default", ports, ...ids }),
    insert(OVN_NB, "Logical_Switch", undefined, { name: "join", ...ids }),
    insert(OVN_NB, "Logical_Router", undefined, { name: "ovn-cluster", ...ids }),
    insert(OVN_NB, "Logical_Switch", undefined, { name: "foreign", external_ids: { vendor: "me" } }),
  ]);
  await addPod(kube, "a");
  const { election, controller } = candidate(t, kube, server);
  const said = await eventually("it is blocked", () => election.blocked);
  t.match(
    said,
    /holds 10 rows of Kube-OVN .*: 1 Logical_Router \(ovn-cluster\); 2 Logical_Switch \(join, ovn-default\); /,
  );
  t.match(
    said,
    /7 Logical_Switch_Port \(web-0\.default, .*, web-4\.default and 2 more\)\. This controller does not lead/,
  );
  const notice = () => kube.object<KubeObject>(PODS, POD)?.metadata.annotations?.[NOTICE];
  t.equal(await eventually("its pod says so", notice), said);
  const status = formatStatus(await readStatus(kube, "kube-system", Date.now()));
  t.match(
    status,
    /^Leader: none: no controller has ever led.*\ntest does not lead: the northbound database holds 10 rows/,
  );

  t.notOk(controller.leading);
  t.same(server.transactions, [], "nothing is written to the database");
  t.same([...kube.objects(SUBNETS), ...kube.objects(VPCS)], [], "nor to Kubernetes");
  t.equal(addressOf(kube, "a"), undefined);

  const gone = (table: "Logical_Router" | "Logical_Switch", name: string) =>
    remove(OVN_NB, table, [["name", "==", name]]);
  await server.edit(OVN_NB, [gone("Logical_Router", "ovn-cluster"), gone("Logical_Switch", "join")]);
  await eventually("it counts again", () => (/holds 8 rows/.test(election.blocked ?? "") ? true : undefined));
  t.notOk(controller.leading);
  await server.edit(OVN_NB, [gone("Logical_Switch", "ovn-default")]);
  await eventually("a has an address", () => addressOf(kube, "a"));
  t.equal(election.blocked, undefined);
  await eventually("the notice is gone", () => (notice() === undefined ? true : undefined));
  t.match(formatStatus(await readStatus(kube, "kube-system", Date.now())), /^Leader: test\nServices for nodes/);
});

t.test("rows of Weft are not rows of Kube-OVN, and an earlier process's notice is removed", async (t) => {
  const { kube, server } = await cluster(t);
  const annotations = { [NOTICE]: "as it was" };
  await kube.create(PODS, { metadata: { ...POD, annotations }, spec: { hostNetwork: true } } as never);
  const first = candidate(t, kube, server, { settings: { ...SETTINGS, identity: "another" } });
  await addPod(kube, "a");
  await eventually("a has an address", () => addressOf(kube, "a"));
  await first.stop();
  const second = candidate(t, kube, server);
  await eventually("the next one leads", () => second.controller.leading || undefined);
  await eventually(
    "the notice is gone",
    () => kube.object<KubeObject>(PODS, POD)?.metadata.annotations?.[NOTICE] === undefined || undefined,
  );
});
