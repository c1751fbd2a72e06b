// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { deploy } from "../../../hack/deploy/deploy.ts";
import { createProgress } from "../../../hack/host/progress.ts";
import { until } from "../../../hack/lab/wait.ts";
import { modelOfFacts } from "../../../src/cli/cluster-model.ts";
import { replayCommand } from "../../../src/cli/replay/command.ts";
import { Northbound } from "../../../src/controller/databases/northbound.ts";
import { NETWORK_POLICIES } from "../../../src/kube/resources.ts";
import { OVN_NB } from "../../../src/ovsdb/generated/ovn-nb.ts";
import { openOvsdb } from "../../../src/ovsdb/open.ts";
import { ownerOf } from "../../../src/reconcile/owner.ts";
import { listSegments, replayTo } from "../../../src/recording/read.ts";
import { committedText, desiredOf, desiredText } from "../../../src/recording/rows-text.ts";
import { idlePod, remove, run, useNamespace } from "../testing/pods.ts";
import { openWorld, type World, whyNoLab } from "../testing/world.ts";

const NAME = "weft-recording";
const VOLUME = "volumes/kubernetes.io~empty-dir/recording";

/** The folder of the controller's recording on the node. */
function folderOf(world: World): string {
  const [controller] = world.own("kube-ovn-controller");
  if (controller === undefined) throw new Error("no controller runs");
  const { root } = world.lab.node(controller.spec.nodeName);
  return `${root}/var/lib/kubelet/pods/${controller.metadata.uid}/${VOLUME}`;
}

t.test("a recorded cluster replays to its rows, byte for byte", { skip: whyNoLab(), timeout: 600_000 }, async (t) => {
  const world = await openWorld(t);
  await deploy(world.lab, createProgress(), { set: ["controller.record.enabled=true"] });
  t.teardown(() => deploy(world.lab, createProgress()));
  const namespace = await useNamespace(t, world, NAME);
  const pods = world.lab.nodes.flatMap((node) => [1, 2, 3].map((i) => idlePod(namespace, `pod-${i}-${node}`, node)));
  await run(world, pods);
  await world.kube.create(NETWORK_POLICIES, {
    metadata: { namespace, name: "closed" },
    spec: { podSelector: { matchLabels: { app: "pod-1-weft-1" } }, policyTypes: ["Ingress"] },
  });
  await world.nb.until("the policy has ACLs", () =>
    [...world.nb.mirror.rows("ACL")].some(({ name }) => name?.includes(`${NAME}/closed`)),
  );
  const there = Date.now();
  await remove(world, namespace, ["pod-2-weft-1", "pod-3-weft-2"]);

  const client = openOvsdb({
    remotes: world
      .own("ovn-central")
      .map(({ spec }) => `unix:${world.lab.node(spec.nodeName).root}/run/ovn/ovnnb_db.sock`),
    database: OVN_NB.name,
    leaderOnly: true,
  });
  const northbound = new Northbound(client);
  t.teardown(() => northbound.close());
  await northbound.whenReady();
  const folder = folderOf(world);
  const texts = async () => {
    const replay = await replayTo(await listSegments(folder));
    const desired = desiredOf(modelOfFacts(replay.facts, replay.header.clusterId).fragments);
    const own = [...northbound.rows()].filter(
      ({ ours, uuid, columns }) => ours === true || ownerOf(columns) !== undefined || desired.row(uuid) !== undefined,
    );
    const database = new Map(own.map(({ uuid, table, columns }) => [uuid, { table, columns }]));
    return {
      replay,
      fromFacts: desiredText(desired),
      fromCommits: committedText(replay.rows.rows(), desired),
      inDatabase: committedText(database, desired),
    };
  };
  // The last deletions are still being committed for a moment.
  await until("the recording has what was committed last", 30_000, async () => {
    const { fromFacts, inDatabase, fromCommits } = await texts();
    return fromFacts === inDatabase && fromFacts === fromCommits;
  }).catch(() => undefined);
  const { fromFacts, fromCommits, inDatabase, replay } = await texts();
  t.equal(fromFacts, inDatabase, "the recorded facts give the rows of the database");
  t.equal(fromCommits, inDatabase, "and so do the recorded transactions");
  t.ok(fromFacts.split("\n").length > 100 && replay.counts.commits > 3, JSON.stringify(replay.counts));
  t.ok(fromFacts.includes(`${NAME}/closed`));

  const report = await replayCommand(folder, { at: there, only: `${NAME}/pod-2-weft-1`, commits: 3 });
  t.match(report.text, new RegExp(`pods ${NAME}/pod-2-weft-1 \\{`), "a pod that is gone was there then");
  t.match(report.text, /pod:weft-recording\/pod-2-weft-1, because of\n/);
  const change = await replayCommand(folder, { at: there, until: Date.now(), commits: 0 });
  t.match(change.text, new RegExp(`- pods ${NAME}/pod-2-weft-1`));

  const { stdout } = await world.lab.kubectl([
    ...["-n", "kube-system", "exec", "deploy/kube-ovn-controller", "--"],
    ...["weftctl", "replay", "/var/lib/weft-recording"],
  ]);
  t.match(stdout, /^Recorded from /, "weftctl in the controller's pod reads it");
});
