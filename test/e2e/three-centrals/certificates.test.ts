// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { openLab } from "../../../hack/lab/lab.ts";
import { connections, replaceCentralCertificate, replaceCertificate } from "../testing/certificates.ts";
import { idlePod, run, useNamespace } from "../testing/pods.ts";
import { killProcess } from "../testing/processes.ts";
import { steadyDatagrams } from "../testing/steady-datagrams.ts";
import { leaderOf, whole, whyNotThreeCentrals } from "../testing/three-centrals.ts";
import { openWorld } from "../testing/world.ts";

/** Ports of a central where a certificate is shown: northbound member, relay, southbound member, raft of both. */
const PORTS = [6641, 6642, 6650, 6643, 6644];

const noTls = openLab().settings?.tls === false ? "the lab has no TLS: npm run lab -- up --tls" : false;

t.test("the certificates of three centrals", { skip: whyNotThreeCentrals() || noTls, timeout: 600_000 }, async (t) => {
  const world = await openWorld(t);
  const namespace = await useNamespace(t, world, "weft-certificates");
  await whole(world);
  const undisturbed = await steadyDatagrams(t, world, namespace);
  const leaders = async (): Promise<readonly string[]> =>
    (await Promise.all([leaderOf(world, "nb"), leaderOf(world, "sb")])).map(({ metadata }) => metadata.uid);

  await t.test("all are replaced, those of the nodes too, and no connection in use is dropped", async (t) => {
    const times = (): Promise<readonly number[]> =>
      Promise.all([...world.own("ovn-central"), ...world.own("ovs")].map((pod) => connections(world, pod)));
    const before = [await times(), await leaders()];
    await undisturbed(t, async () => {
      await replaceCentralCertificate(world, PORTS);
      for (const node of world.lab.nodes) await replaceCertificate(world, node);
      await run(world, [idlePod(namespace, "served-by-old-connections", "weft-3")]);
    });
    t.strictSame([await times(), await leaders()], before);
  });

  await t.test("new connections are made with them", async (t) => {
    await undisturbed(t, async () => {
      const old = await leaderOf(world, "sb");
      await killProcess(old.metadata.uid, "ovnsb_db.conf");
      for (const { metadata } of world.own("ovn-central")) await killProcess(metadata.uid, "ovnsb_relay.conf");
      await run(world, [idlePod(namespace, "served-by-new-connections", "weft-3")]);
    });
    await whole(world);
  });
});
