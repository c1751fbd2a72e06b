// SPDX-License-Identifier: Apache-2.0

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { deploy } from "../../../hack/deploy/deploy.ts";
import { createProgress } from "../../../hack/host/progress.ts";
import { openLab } from "../../../hack/lab/lab.ts";
import { until } from "../../../hack/lab/wait.ts";
import { unlessNotFound } from "../../../src/kube/errors.ts";
import { SECRETS } from "../../../src/kube/resources.ts";
import { makeAuthority } from "../../../src/pki/authority.ts";
import { certificateOf, chassisOf, connections, shown } from "../testing/certificates.ts";
import { endSettling, GIVEN, issued, USE_GIVEN, writeAsCertManager } from "../testing/given-certificates.ts";
import { idlePod, run, useNamespace } from "../testing/pods.ts";
import { steadyDatagrams } from "../testing/steady-datagrams.ts";
import { openWorld, whyNoLab } from "../testing/world.ts";

const noTls = openLab().settings?.tls === false ? 'the lab has no TLS: "npm run lab -- up --tls"' : false;
/** kubelet's sync period and its cache's, in ms. */
const BROUGHT_MS = 200_000;

t.test("certificates that something else issues", { skip: whyNoLab() || noTls, timeout: 1_150_000 }, async (t) => {
  const world = await openWorld(t);
  const namespace = await useNamespace(t, world, "weft-given-certificates");
  const folder = mkdtempSync(join(tmpdir(), "weft-given-"));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  t.teardown(async () => {
    await deploy(world.lab, createProgress());
    for (const name of Object.values(GIVEN))
      await world.kube.delete(SECRETS, { namespace: "kube-system", name }).catch(unlessNotFound);
  });
  const authority = (commonName: string) => makeAuthority(folder, { commonName, now: Date.now(), days: 60 });
  const give = async (ca: Awaited<ReturnType<typeof authority>>): Promise<void> => {
    for (const holder of ["central", "controller"] as const)
      await writeAsCertManager(world, GIVEN[holder], await issued(folder, ca, holder));
  };
  const central = () => world.own("ovn-central")[0]!;
  /** Resolves when ovn-central shows another certificate than `before`. On a busy machine openssl may get no answer in time. */
  const replaced = (before: string) =>
    until(
      "another certificate",
      BROUGHT_MS,
      async () => (await shown(central(), 6642).catch(() => before)) !== before,
      500,
    );
  const ofNodes = () => Promise.all(world.lab.nodes.map((node) => connections(world, world.own("ovs", node)[0]!)));
  const undisturbed = await steadyDatagrams(t, world, namespace);
  const before = await ofNodes();
  const [first, second] = [await authority("first"), await authority("second")];

  await t.test("from the controller's own authority to one of cert-manager's", async (t) => {
    await undisturbed(t, async () => {
      const old = await shown(central(), 6642);
      await give(first);
      await deploy(world.lab, createProgress(), { set: USE_GIVEN });
      t.equal(await shown(central(), 6642), old, "nothing uses it before all trust it");
      await endSettling(world, "ca.pem", first.certificate);
      await replaced(old);
    });
    t.strictSame(await ofNodes(), before, "no node has connected again");
    await run(world, [idlePod(namespace, "with-given", "weft-2")]);
  });

  await t.test("a renewed certificate", async (t) => {
    await undisturbed(t, async () => {
      const old = await shown(central(), 6642);
      await writeAsCertManager(world, GIVEN.central, await issued(folder, first, "central"));
      await replaced(old);
    });
    t.strictSame(await ofNodes(), before);
  });

  await t.test("another authority, and at the same time another one for nodes", async (t) => {
    const nodes = await authority("given-nodes");
    await undisturbed(t, async () => {
      const old = await shown(central(), 6642);
      await give(second);
      await writeAsCertManager(world, "weft-node-ca", {
        ...{ "tls.crt": nodes.certificate, "tls.key": nodes.privateKey, "ca.crt": nodes.certificate },
      });
      await endSettling(world, "ca-nodes.pem", nodes.certificate);
      await replaced(old);
      for (const node of world.lab.nodes)
        await until(
          `a new certificate of ${node}`,
          60_000,
          async () => certificateOf(world, node).issuer === "CN=given-nodes",
        );
    });
    t.strictSame(await ofNodes(), before);
    for (const node of world.lab.nodes) t.equal(certificateOf(world, node).subject, `CN=${chassisOf(world, node)}`);
    await run(world, [idlePod(namespace, "with-another-authority", "weft-2")]);
  });

  await t.test("a key that does not belong to its certificate is reported, and nothing changes", async (t) => {
    const [bad, other] = await Promise.all([issued(folder, second, "central"), issued(folder, second, "central")]);
    const old = await shown(central(), 6642);
    await writeAsCertManager(world, GIVEN.central, { ...bad, "tls.key": other["tls.key"] ?? "" });
    const [controller] = world.own("kube-ovn-controller");
    const logs = ["-n", "kube-system", "logs", controller!.metadata.name];
    const said = "Secret kube-system/given-central has no private key in tls.key that belongs to the certificate";
    await until("the log says so", 60_000, async () => (await world.lab.kubectl(logs)).stdout.includes(said), 500);
    t.equal(await shown(central(), 6642), old);
    await run(world, [idlePod(namespace, "meanwhile", "weft-2")]);
    await writeAsCertManager(world, GIVEN.central, other);
    await replaced(old);
  });
});
