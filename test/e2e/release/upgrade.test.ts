// SPDX-License-Identifier: Apache-2.0

import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { deploy, waitUntilReady } from "../../../hack/deploy/deploy.ts";
import { RELEASE_NAMESPACE } from "../../../hack/deploy/values.ts";
import { createProgress } from "../../../hack/host/progress.ts";
import { run as runProgram } from "../../../hack/host/run.ts";
import { ensureTool } from "../../../hack/tools/tools.ts";
import { idlePod, isReady, run, standingPods, useNamespace } from "../testing/pods.ts";
import { reachable } from "../testing/reachable.ts";
import { steadyDatagrams } from "../testing/steady-datagrams.ts";
import { commitBefore, deployVersion, thisVersion, type Version } from "../testing/version-before.ts";
import { timed } from "../testing/when.ts";
import { openWorld, type World, whyNoLab } from "../testing/world.ts";

/** A pod of ovs-ovn gets a new version when it is deleted: where the datapath is in userspace, packets need the one that runs. */
const KEEP_SWITCHES = "ovs.updateStrategy=OnDelete";
const PLAIN = "tls.enabled=false";

const from = await commitBefore().catch((error: Error) => error);
const skip = whyNoLab() || (from instanceof Error ? from.message : false);

t.test("upgrade from the version before, and rollback", { skip, timeout: 1_150_000 }, async (t) => {
  const world = await openWorld(t);
  const { lab } = world;
  const progress = createProgress();
  const namespace = await useNamespace(t, world, "weft-upgrade");
  const folder = await mkdtemp(join(tmpdir(), "weft-upgrade-"));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const helm = await ensureTool("helm", progress);
  const access = [`--kubeconfig=${lab.paths.kubeconfig}`, `--namespace=${RELEASE_NAMESPACE}`];
  const helmRun = async (...args: readonly string[]): Promise<void> => {
    await runProgram(helm, [...access, ...args]);
    await waitUntilReady(lab, progress, 400_000);
  };
  // biome-ignore lint/suspicious/noExplicitAny: JSON of helm's.
  const helmJson = async (...args: readonly string[]): Promise<any> =>
    JSON.parse((await runProgram(helm, [...access, ...args, "--output=json"])).stdout);
  const upgradeTo = ({ chart, values, tag }: Version, ...set: readonly string[]): Promise<void> =>
    helmRun(
      ...[
        "upgrade",
        "weft",
        chart,
        `--values=${values}`,
        `--set=image.tag=${tag}`,
        ...set.map((each) => `--set=${each}`),
      ],
    );
  let pods = 0;
  const newPod = () => timed(() => run(world, [idlePod(namespace, `pod-${pods++}`, "weft-2")], 120_000));

  const now = await thisVersion(lab, folder);
  t.teardown(async () => {
    // After a failure the lab may be one whose nodes have no certificates.
    if (!t.passing()) await deploy(lab, progress, { timeoutMs: 400_000, set: [PLAIN] });
    await deploy(lab, progress, { timeoutMs: 400_000 });
  });
  const before = await deployVersion(lab, String(from), folder, progress);
  // Versions before the value existed have no TLS.
  const wasTls = readFileSync(before.values, "utf8").includes('"tls"');
  await upgradeTo(before, KEEP_SWITCHES, ...(wasTls ? [PLAIN] : []));
  await forgetCertificates(world);
  const undisturbed = await steadyDatagrams(t, world, namespace);
  const [near, far] = (await standingPods(world)).filter(({ metadata }) => metadata.name.startsWith("one-"));

  await t.test("TLS in the same upgrade is refused, and nothing is changed", async (t) => {
    const revision = async (): Promise<unknown> => (await helmJson("history", "weft", "--max=1"))[0].revision;
    const present = await revision();
    await t.rejects(upgradeTo(now), /no ConfigMap weft-trust.*kube-ovn-cni requests none.*tls.enabled=false/);
    t.equal(await revision(), present);
  });

  for (const [what, work] of [
    ["the version before is upgraded, without TLS", () => upgradeTo(now, KEEP_SWITCHES, PLAIN)],
    ["helm rolls back", () => helmRun("rollback", "weft")],
    ["and it is upgraded again", () => upgradeTo(now, KEEP_SWITCHES, PLAIN)],
  ] as const)
    await t.test(`${what}: no datagram is lost`, async (t) => {
      const { took } = await undisturbed(t, () => timed(work));
      t.comment(`${what}: ready after ${took}, the next pod was Ready after ${(await newPod()).took}`);
    });

  await t.test("TLS is refused as long as the switches are those of the version before", async (t) => {
    await t.rejects(
      upgradeTo(now, KEEP_SWITCHES),
      new RegExp(`\\(ovs-ovn is updated on 0 of ${lab.nodes.length} nodes\\)`),
    );
  });

  await t.test("switches are replaced on one node at a time, which has its flows before the next", async (t) => {
    const states: string[] = [];
    const stop = world.pods.subscribe(() => {
      const ready = world.lab.nodes.filter((node) => isReady(world.own("ovs", node)[0])).length;
      states.push(`${ready} of ${world.lab.nodes.length}`);
    });
    const old = world.own("ovs").map(({ metadata }) => metadata.uid);
    await upgradeTo(now, PLAIN);
    stop();
    t.notOk(
      world.own("ovs").some(({ metadata }) => old.includes(metadata.uid)),
      "all are replaced",
    );
    t.notOk(
      states.some((state) => state.startsWith("0 ")),
      `nodes with a ready switch: ${[...new Set(states)].join(", ")}`,
    );
    await reachable(near!, far!);
  });

  await t.test("then TLS is turned on: no datagram is lost", async (t) => {
    const { took } = await undisturbed(t, () => timed(() => upgradeTo(now)));
    t.comment(`TLS: ready after ${took}, the next pod was Ready after ${(await newPod()).took}`);
  });
});

/** As in a cluster that never had TLS. */
async function forgetCertificates({ lab }: World): Promise<void> {
  const objects = ["secret/weft-central-ca", "secret/weft-node-ca", "secret/weft-central", "configmap/weft-trust"];
  await lab.kubectl([`--namespace=${RELEASE_NAMESPACE}`, "delete", "--ignore-not-found", ...objects]);
  for (const node of lab.nodes) await lab.node(node).exec(["rm", "-rf", "/etc/openvswitch/tls"]);
}
