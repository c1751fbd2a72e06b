// SPDX-License-Identifier: Apache-2.0

import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import t from "tap";
import { until } from "../../../hack/lab/wait.ts";
import { connectTo } from "../../../src/kube/connect.ts";
import { staticCredentials } from "../../../src/kube/credentials.ts";
import { metricsReaders } from "../../../src/kube/metrics-readers.ts";
import { SYSTEM_CLOCK } from "../../../src/time/clock.ts";
import { kubeBinaries, startApiServer } from "../testing/apiserver.ts";
import { chartObjects, tokenOf } from "../testing/daemon-token.ts";

const namespace = "kube-system";
const binaries = kubeBinaries();
const skip = "missing" in binaries ? binaries.missing : false;

interface Config {
  readonly clusters: readonly { readonly cluster: { readonly "certificate-authority-data": string } }[];
}

t.test("the controller and a daemon ask a real API server who may read metrics", { skip }, async (t) => {
  if ("missing" in binaries) return;
  const server = await startApiServer(binaries.folder);
  t.teardown(() => server.stop());
  const kubectl = (...args: readonly string[]) =>
    promisify(execFile)(join(server.bin, "kubectl"), ["--kubeconfig", server.kubeconfig, ...args]);
  const objects = chartObjects("rbac.yaml", "controller-role.yaml", "metrics-access.yaml");
  await kubectl("apply", "-f", join(t.testdir({ "objects.yaml": objects }), "objects.yaml"));
  for (const name of ["prometheus", "stranger"]) await kubectl("-n", namespace, "create", "serviceaccount", name);
  const reader = [`--serviceaccount=${namespace}:prometheus`, "--clusterrole=weft-metrics-reader"];
  await kubectl("create", "clusterrolebinding", "prometheus", ...reader);
  const [token, stranger] = [await tokenOf(server, "prometheus"), await tokenOf(server, "stranger")];
  const { clusters } = JSON.parse(readFileSync(server.kubeconfig, "utf8")) as Config;
  const ca = Buffer.from(clusters[0]?.cluster["certificate-authority-data"] ?? "", "base64").toString();
  for (const account of ["ovn", "kube-ovn-cni"]) {
    const credentials = staticCredentials({ authorization: `Bearer ${await tokenOf(server, account)}` });
    const tls = () => Promise.resolve({ ca, rejectUnauthorized: true });
    const connection = connectTo({ server: new URL(server.url), namespace, credentials, tls }, { userAgent: "test" });
    t.teardown(() => connection.close());
    const admit = () => metricsReaders(connection.kube, SYSTEM_CLOCK, "/metrics");
    // RBAC in the API server is updated by a watch.
    await until(`${account} may ask`, 20_000, async () => (await admit()(`Bearer ${token}`)) === "admitted");
    const ask = admit();
    t.equal(await ask(`Bearer ${token}`), "admitted", account);
    t.equal(await ask(`Bearer ${stranger}`), "forbidden", account);
    t.equal(await ask("Bearer a.b.c"), "unauthenticated", account);
    t.equal(await ask(undefined), "unauthenticated", account);
  }
});
