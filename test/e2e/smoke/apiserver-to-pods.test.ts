// SPDX-License-Identifier: Apache-2.0

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { run } from "../../../hack/host/run.ts";
import { AGNHOST_IMAGE } from "../../../hack/lab/images.ts";
import { type Lab, openLab } from "../../../hack/lab/lab.ts";
import { until } from "../../../hack/lab/wait.ts";
import { apply } from "../../../hack/traffic/pods.ts";
import { whyNoLab } from "../testing/world.ts";

const NAMESPACE = "weft-apiserver";
const GROUP = "weft-test.example";
const FAMILIES = ["IPv4", "IPv6"] as const;
type Family = (typeof FAMILIES)[number];

/** The name of a node's pod. */
function serverOf(node: string): string {
  return `server-${node}`;
}

/**
 * The name of the object that leads to a node's pod over one family. Each has a separate one: an API server with connections
 * to the pod of another node would try these first, and detect only after 30 s that they are dead.
 */
function nameOf(node: string, family: Family): string {
  return `${serverOf(node)}-${family.toLowerCase()}`;
}

/** A certificate for Services of these names, and its key, in base64. */
async function certificate(
  t: Test,
  services: readonly string[],
): Promise<{ readonly crt: string; readonly key: string }> {
  const folder = await mkdtemp(join(tmpdir(), "weft-webhook-"));
  t.teardown(() => rm(folder, { recursive: true }));
  const names = services.map((name) => `DNS:${name}.${NAMESPACE}.svc`).join(",");
  await run("openssl", [
    ...["req", "-x509", "-days", "2", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
    ...["-subj", "/CN=server", "-addext", `subjectAltName=${names}`],
    ...["-keyout", join(folder, "key"), "-out", join(folder, "crt")],
  ]);
  const read = async (name: string): Promise<string> => (await readFile(join(folder, name))).toString("base64");
  return { crt: await read("crt"), key: await read("key") };
}

/** A pod that serves everything that an API server calls: a target of its proxy, an aggregated API and a webhook. */
function server(node: string): object {
  const container = (name: string, port: number, args: readonly string[], probe: object): object => ({
    name,
    image: AGNHOST_IMAGE,
    imagePullPolicy: "Never",
    args,
    ports: [{ name, containerPort: port }],
    readinessProbe: { ...probe, periodSeconds: 1, failureThreshold: 60 },
    volumeMounts: [{ name: "tls", mountPath: "/tls" }],
  });
  const tls = ["--tls-cert-file=/tls/tls.crt", "--tls-private-key-file=/tls/tls.key"];
  const https = (path: string, port: number): object => ({ httpGet: { path, port, scheme: "HTTPS" } });
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { namespace: NAMESPACE, name: serverOf(node), labels: { app: serverOf(node) } },
    spec: {
      nodeSelector: { "kubernetes.io/hostname": node },
      tolerations: [{ operator: "Exists" }],
      terminationGracePeriodSeconds: 0,
      volumes: [{ name: "tls", secret: { secretName: "tls" } }],
      containers: [
        container("web", 8080, ["netexec", "--udp-port=-1"], { httpGet: { path: "/hostname", port: 8080 } }),
        container("api", 8443, ["netexec", "--http-port=8443", "--udp-port=-1", ...tls], https("/hostname", 8443)),
        container("webhook", 9443, ["webhook", "--port=9443", ...tls], https("/readyz", 9443)),
      ],
    },
  };
}

/** A Service of one family for a node's pod, with a webhook that denies ConfigMaps labelled with its name, and an API with a separate version. */
function objectsOf(node: string, family: Family, version: string, caBundle: string): readonly object[] {
  const name = nameOf(node, family);
  const namespaced = { namespace: NAMESPACE, name };
  return [
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: namespaced,
      spec: {
        selector: { app: serverOf(node) },
        ipFamilies: [family],
        ipFamilyPolicy: "SingleStack",
        ports: ["web", "api", "webhook"].map((port, index) => ({ name: port, port: 1000 + index, targetPort: port })),
      },
    },
    {
      apiVersion: "admissionregistration.k8s.io/v1",
      kind: "ValidatingWebhookConfiguration",
      metadata: { name: `weft-test-${name}` },
      webhooks: [
        {
          name: `${name}.${GROUP}`,
          admissionReviewVersions: ["v1"],
          sideEffects: "None",
          failurePolicy: "Fail",
          timeoutSeconds: 5,
          objectSelector: { matchLabels: { "weft-test": name } },
          rules: [{ apiGroups: [""], apiVersions: ["v1"], resources: ["configmaps"], operations: ["CREATE"] }],
          clientConfig: { caBundle, service: { ...namespaced, path: "/always-deny", port: 1002 } },
        },
      ],
    },
    {
      apiVersion: "apiregistration.k8s.io/v1",
      kind: "APIService",
      metadata: { name: `${version}.${GROUP}` },
      spec: {
        group: GROUP,
        version,
        groupPriorityMinimum: 100,
        versionPriority: 10,
        caBundle,
        service: { ...namespaced, port: 1001 },
      },
    },
  ];
}

/** The output of kubectl, on success and on failure. */
async function said(lab: Lab, args: readonly string[], input?: string): Promise<string> {
  const options = { allowFailure: true, timeoutMs: 30_000, ...(input === undefined ? {} : { input }) };
  const { stdout, stderr } = await lab.kubectl(args, options);
  return stdout + stderr;
}

/** Nodes have rules for a Service's backends some time after these are Ready, without an event. */
async function saysSoon(lab: Lab, wanted: RegExp, args: readonly string[], input?: string): Promise<string> {
  let last = "";
  await until(`kubectl says ${wanted}`, 60_000, async () => {
    last = await said(lab, args, input);
    return wanted.test(last);
  }).catch((cause: unknown) => {
    throw new Error(`kubectl ${args.join(" ")} said: ${last}`, { cause });
  });
  return last;
}

t.test("the API server reaches pods", { skip: whyNoLab() }, async (t) => {
  const lab = openLab();
  const ways = lab.nodes
    .flatMap((node) => FAMILIES.map((family) => ({ node, family, name: nameOf(node, family) })))
    .map((way, index) => ({ ...way, version: `v${index + 1}` }));
  const { crt, key } = await certificate(
    t,
    ways.map(({ name }) => name),
  );
  t.teardown(async () => {
    const clusterWide = ways.flatMap(({ name, version }) => [
      `apiservice/${version}.${GROUP}`,
      `validatingwebhookconfiguration/weft-test-${name}`,
    ]);
    // An API without a server would block the deletion of the namespace.
    await lab.kubectl(["delete", "--ignore-not-found", ...clusterWide]);
    await lab.kubectl(["delete", "--ignore-not-found", "namespace", NAMESPACE]);
  });
  await apply(lab, [
    { apiVersion: "v1", kind: "Namespace", metadata: { name: NAMESPACE } },
    {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { namespace: NAMESPACE, name: "tls" },
      type: "kubernetes.io/tls",
      data: { "tls.crt": crt, "tls.key": key },
    },
    ...ways.flatMap(({ node, family, version }) => objectsOf(node, family, version, crt)),
  ]);
  await lab.kubectl(["wait", "-n", NAMESPACE, "serviceaccount/default", "--for=create", "--timeout=30s"]);
  await apply(lab, lab.nodes.map(server));

  for (const node of lab.nodes) {
    await t.test(`on ${node}`, async (t) => {
      const pod = serverOf(node);
      await lab.kubectl(["wait", "--namespace", NAMESPACE, `pod/${pod}`, "--for=condition=Ready", "--timeout=90s"]);
      const proxied = (path: string): readonly string[] => ["get", "--raw", `/api/v1/namespaces/${NAMESPACE}/${path}`];

      t.equal(await said(lab, proxied(`pods/http:${pod}:8080/proxy/hostname`)), pod, "by the proxy to pods");
      t.equal(await said(lab, proxied(`pods/https:${pod}:8443/proxy/hostname`)), pod, "and with TLS");
      const client = (await said(lab, proxied(`pods/http:${pod}:8080/proxy/clientip`))).replace(/:\d+$/, "");
      t.match(client, /^172\.18\.0\.1[12]$/, "the pod sees a node");

      for (const { family, name, version } of ways.filter((way) => way.node === node)) {
        t.ok(
          await saysSoon(lab, new RegExp(`^${pod}$`), proxied(`services/${name}:web/proxy/hostname`)),
          `${family}: by the proxy`,
        );
        const map = {
          apiVersion: "v1",
          kind: "ConfigMap",
          metadata: { namespace: NAMESPACE, generateName: "map-", labels: { "weft-test": name } },
        };
        const denied = /denied the request: this webhook denies all requests/;
        t.ok(await saysSoon(lab, denied, ["create", "-f", "-"], JSON.stringify(map)), `${family}: a webhook`);
        const path = `/apis/${GROUP}/${version}/things`;
        t.ok(await saysSoon(lab, /^NOW: /, ["get", "--raw", path]), `${family}: an aggregated API`);
      }
      t.notMatch(await said(lab, ["get", "configmaps", "-n", NAMESPACE, "-o", "name"]), "map-", "nothing got past it");
    });
  }
});
