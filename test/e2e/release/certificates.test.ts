// SPDX-License-Identifier: Apache-2.0

import { execFile } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import t, { type Test } from "tap";
import { until } from "../../../hack/lab/wait.ts";
import { CENTRAL_CA, CENTRAL_SECRET, NODE_CA, TRUST } from "../../../src/api/certificates.ts";
import { Certificates } from "../../../src/controller/certificates/certificates.ts";
import { NodeCertificate } from "../../../src/daemon/certificates/node-certificate.ts";
import { annotateChassis } from "../../../src/daemon/node-gateway/node-writer.ts";
import { connectTo } from "../../../src/kube/connect.ts";
import { staticCredentials } from "../../../src/kube/credentials.ts";
import type { Kube } from "../../../src/kube/kube.ts";
import { NODES } from "../../../src/kube/resources.ts";
import { isIssuedBy } from "../../../src/pki/certificate.ts";
import { SYSTEM_CLOCK } from "../../../src/time/clock.ts";
import { type ApiServer, kubeBinaries, startApiServer } from "../testing/apiserver.ts";
import { chartObjects, daemonPod, tokenOf } from "../testing/daemon-token.ts";

const namespace = "kube-system";
const binaries = kubeBinaries();
const skip = "missing" in binaries ? binaries.missing : false;

/** A client of the API server that uses a token. */
function connect(t: Test, server: ApiServer, token: string): Kube {
  const [cluster] = (JSON.parse(readFileSync(server.kubeconfig, "utf8")) as { clusters: { cluster: Cluster }[] })
    .clusters;
  const ca = Buffer.from(cluster?.cluster["certificate-authority-data"] ?? "", "base64").toString();
  const credentials = staticCredentials({ authorization: `Bearer ${token}` });
  const tls = () => Promise.resolve({ ca, rejectUnauthorized: true });
  const connection = connectTo({ server: new URL(server.url), namespace, credentials, tls }, { userAgent: "test" });
  t.teardown(() => connection.close());
  return connection.kube;
}

interface Cluster {
  readonly "certificate-authority-data": string;
}

t.test(
  "controller and daemon get their certificates from a real API server, each with its own token",
  { skip },
  async (t) => {
    if ("missing" in binaries) return;
    const server = await startApiServer(binaries.folder);
    t.teardown(() => server.stop());
    const folder = mkdtempSync(join(tmpdir(), "weft-certificates-"));
    t.teardown(() => rmSync(folder, { recursive: true, force: true }));
    const file = join(
      t.testdir({
        "objects.yaml": chartObjects("rbac.yaml", "controller-role.yaml", "tls.yaml"),
      }),
      "objects.yaml",
    );
    await promisify(execFile)(join(server.bin, "kubectl"), ["--kubeconfig", server.kubeconfig, "apply", "-f", file]);
    for (const name of ["n1", "n2"]) await server.call("POST", "/api/v1/nodes", { metadata: { name } });
    const controller = connect(t, server, await tokenOf(server, "ovn"));
    const warnings: unknown[] = [];
    const log = {
      info: () => undefined,
      debug: () => undefined,
      warn: (fields: object, message: string) => void warnings.push([fields, message]),
    };
    const certificates = new Certificates({
      ...{
        kube: controller,
        namespace,
        folder: join(folder, "controller"),
        days: 90,
        clock: SYSTEM_CLOCK,
        log: log as never,
      },
      whenNodesKnown: () => Promise.resolve(),
      nodesOf: () => [],
    });
    t.teardown(() => certificates.stop());
    certificates.start();

    const own = connect(t, server, await tokenOf(server, "kube-ovn-cni", await daemonPod(server, "n1")));
    const daemon = new NodeCertificate({
      ...{ kube: own, clock: SYSTEM_CLOCK, log, node: "n1", namespace, folder: join(folder, "n1") },
      systemId: () => "chassis-1",
      annotate: (chassis) => annotateChassis(own, "n1", chassis),
    });
    t.teardown(() => daemon.stop());
    daemon.start();
    const text = (path: string) => () => readFile(join(folder, path), "utf8").catch(() => undefined);
    const pem = await until("the node's certificate", 60_000, text("n1/tls.pem"));
    const secret = async (name: string, key: string): Promise<string> => {
      const { body } = await server.call("GET", `/api/v1/namespaces/${namespace}/secrets/${name}`);
      return Buffer.from(body.data[key], "base64").toString();
    };
    t.equal(new X509Certificate(pem).subject, "CN=chassis-1");
    t.ok(isIssuedBy(pem, await secret(NODE_CA, "tls.crt")));
    t.equal(await readFile(join(folder, "n1/ca.pem"), "utf8"), await secret(CENTRAL_CA, "tls.crt"));
    const ours = await until("the controller's certificate", 60_000, text("controller/tls.pem"));
    t.ok(isIssuedBy(ours, await secret(CENTRAL_CA, "tls.crt")));
    t.ok(isIssuedBy(await secret(CENTRAL_SECRET, "tls.pem"), await secret(CENTRAL_CA, "tls.crt")));
    t.equal(
      (await own.get(NODES, { name: "n1" }).catch((error: unknown) => error)) instanceof Error,
      true,
      "it cannot get Nodes, only watch",
    );
    const { body } = await server.call("GET", `/apis/certificates.k8s.io/v1/certificatesigningrequests`);
    t.match(body.items, [
      {
        spec: {
          username: "system:serviceaccount:kube-system:kube-ovn-cni",
          extra: { "authentication.kubernetes.io/node-name": ["n1"] },
        },
        status: { conditions: [{ type: "Approved", reason: "OwnChassis" }] },
      },
    ]);
    t.strictSame(warnings, []);

    const other = connect(t, server, await tokenOf(server, "kube-ovn-cni", await daemonPod(server, "n2")));
    await t.rejects(
      other.get(
        { group: "", version: "v1", plural: "secrets", namespaced: true, kind: "Secret" },
        { namespace, name: CENTRAL_CA },
      ),
      { code: "forbidden" },
    );
    const trust = await server.call("GET", `/api/v1/namespaces/${namespace}/configmaps/${TRUST}`);
    t.equal(trust.body.data["ca.pem"], await secret(CENTRAL_CA, "tls.crt"));
  },
);
